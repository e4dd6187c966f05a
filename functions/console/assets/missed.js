// What a webhook missed while it was disabled, and the offer to send it.

import { request } from './api.js';
import { failureText } from './dialogs.js';
import { fill, focusOn, h, moment, say, workButton } from './dom.js';
import { number, parts, t } from './text.js';

/** How many pages of events the console looks at, and how many events a page has. */
const PAGES = 2;
const ROWS = 100;

/** Fills `place` with the offer, if the webhook has missed events since this time, when it was disabled. */
export async function offerMissed(place, { webhook, signal }, since, begin) {
  const { count, isAll } = await countMissed(webhook, since, signal);
  if (count === 0 || signal.aborted) return;
  const problem = h('span', { class: 'error', role: 'alert' });
  const send = workButton({ class: 'small primary' }, t`Send them`, () =>
    begin({ since, statuses: ['missed'] }).then(
      close,
      (failure) => fill(problem, failureText(failure)),
    ),
  );
  const later = h('button', { type: 'button', class: 'small', onclick: close }, t`Not now`);
  const missed = missedText(count, isAll);
  say(t`${missed} while it was disabled`);
  fill(
    place,
    h(
      'div',
      { class: 'notice accent' },
      h('p', {}, parts`${h('strong', {}, missed)} while it was disabled, since ${moment(since)}.`),
      h('div', { class: 'tools' }, send, later, problem),
    ),
  );

  function close() {
    fill(place);
    focusOn(document.querySelector('h1'));
  }
}

function missedText(count, isAll) {
  if (count === 1) return isAll ? t`It missed 1 event` : t`It missed at least 1 event`;
  return isAll ? t`It missed ${number(count)} events` : t`It missed at least ${number(count)} events`;
}

/** Counts the events since this time that were not sent to the webhook, and says whether it looked at all of them. */
async function countMissed({ id, events, task_types: types }, since, signal) {
  const isMissed = ({ event, task_id: task, task_type: type, webhooks }) =>
    (events.includes(event) || events.includes('*')) &&
    (!types || types.includes(type)) &&
    !webhooks.some((other) => other.id === id) &&
    // A test event goes to the tested webhook alone.
    !task.startsWith('test_');
  let [count, cursor] = [0, ''];
  for (let at = 0; at < PAGES && cursor !== null; at += 1) {
    const query = new URLSearchParams({ limit: ROWS, since, ...(cursor && { cursor }) });
    const page = await request('GET', `events?${query}`, { signal });
    count += page.events.filter(isMissed).length;
    cursor = page.next_cursor;
  }
  return { count, isAll: cursor === null };
}
