// Sends a webhook's events of a time range again: the dialog that asks which, and how far it is.

import { parameters } from './address.js';
import { keepLively, poll, request } from './api.js';
import { failureText, openDialog } from './dialogs.js';
import { capital, fill, focusOn, h, moment, refill, say, workButton } from './dom.js';
import { stateName } from './explain.js';
import { timeRange } from './search.js';
import { number, parts, t } from './text.js';

const REFRESH = 10_000;
const A_DAY = 86_400_000;
/** For how long a resend that is done is still shown, in milliseconds. */
const SHOWN = 3_600_000;
const STATUSES = [
  ['failed', t`Every attempt failed.`],
  ['cancelled', t`It was given up while it waited.`],
  ['missed', t`It was never sent to this webhook, which was disabled, had not subscribed, or was not there yet.`],
  ['delivered', t`Your endpoint has these already, and gets them again.`],
];

/**
 * The resend's notice as an element, empty if there is none. `ask` opens the dialog, `begin` begins a resend. Calls
 * `done` when it has ended.
 */
export function resends(path, signal, done) {
  const page = { path: `${path}/resend`, signal, done, following: null, notice: h('div') };
  look(page).catch(() => null);
  return { element: page.notice, ask: () => ask(page), begin: (body) => begin(page, body) };
}

/** Shows the webhook's resend, and what becomes of it. */
async function look(page) {
  page.following?.abort();
  page.following = new AbortController();
  let sent = null;
  await poll(AbortSignal.any([page.signal, page.following.signal]), async () => {
    const resend = await request('GET', page.path, { signal: page.signal }).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
    if (resend && resend.sent !== sent) keepLively();
    const wasShown = sent !== null;
    sent = resend?.sent;
    show(page, resend);
    if (resend && resend.status !== 'done') return REFRESH;
    if (resend && wasShown) {
      say(t`The resend is done`);
      page.done();
    }
    return null;
  });
}

function show(page, resend) {
  const isDone = resend?.status === 'done';
  if (!resend || (isDone && Date.now() - Date.parse(resend.finished_at) > SHOWN)) return fill(page.notice);
  const { sent, since, until, statuses } = resend;
  const names = statuses.map(stateName).join(', ');
  const [from, to] = [moment(since), moment(until)];
  const problem = h('span', { class: 'error', role: 'alert' });
  const stopButton = workButton({ class: 'small', 'data-name': 'stop' }, t`Stop`, () => stop(page, sent, problem));
  const text = isDone
    ? parts`${h('strong', {}, t`Resent`)} ${names} events from ${from} to ${to}: ${number(sent)} in all.`
    : soFar(resend, names, from, to);
  return refill(page.notice, notice(isDone ? 'grey' : 'accent', text, !isDone && [stopButton, problem]));
}

function soFar({ sent, reached, status }, names, from, to) {
  const [resending, count] = [h('strong', {}, t`Resending`), number(sent)];
  return [
    reached
      ? parts`${resending} ${names} events from ${from} to ${to}: sent ${count} so far, reached ${moment(reached)}.`
      : parts`${resending} ${names} events from ${from} to ${to}: sent ${count} so far.`,
    ' ',
    status === 'paused' && t`It waits until your endpoint takes deliveries, and goes on by itself.`,
  ];
}

function notice(colour, text, tools) {
  return h('div', { class: `notice ${colour}` }, h('p', {}, text), tools && h('div', { class: 'tools' }, tools));
}

async function stop(page, sent, problem) {
  try {
    await request('DELETE', page.path);
    page.following.abort();
    fill(page.notice, notice('grey', t`Stopped. ${number(sent)} or more were sent.`));
    focusOn(page.notice);
    page.done();
  } catch (failure) {
    fill(problem, failureText(failure));
  }
}

async function begin(page, body) {
  await request('POST', page.path, { body });
  say(t`The resend has begun`);
  look(page).catch(() => null);
}

function ask(page) {
  const { since, until, status } = Object.fromEntries(parameters());
  const range = timeRange('resend-', since ?? new Date(Date.now() - A_DAY).toISOString(), until, true);
  const first = STATUSES.some(([name]) => name === status) ? status : 'failed';
  const boxes = STATUSES.map(([value]) =>
    h('input', { type: 'checkbox', id: `resend-${value}`, value, checked: value === first }),
  );
  const error = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { class: 'primary' }, t`Resend`);
  const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, t`Cancel`);
  const dialog = openDialog(
    t`Resend a time range`,
    h(
      'form',
      { onsubmit: submit },
      range.since.element,
      range.until.element,
      h('p', { class: 'hint' }, t`By the time when the task ended. Without an end, until now.`),
      h('fieldset', {}, h('legend', {}, t`Which events`), STATUSES.map((status, at) => statusRow(status, boxes[at]))),
      h('p', { class: 'hint' }, t`They are sent at a pace that leaves room for new events. You can stop it.`),
      error,
      h('div', { class: 'actions' }, cancel, button),
    ),
  );

  async function submit(event) {
    event.preventDefault();
    const statuses = boxes.filter((box) => box.checked).map((box) => box.value);
    if (statuses.length === 0) return fill(error, t`Choose which events.`);
    button.disabled = true;
    try {
      const end = range.until.read();
      await begin(page, { since: range.since.read(), ...(end && { until: end }), statuses });
      dialog.close();
    } catch (failure) {
      fill(error, failureText(failure));
      button.disabled = false;
    }
  }
}

function statusRow([name, meaning], box) {
  const title = h('strong', {}, capital(stateName(name)));
  const label = h('label', { for: box.id }, title, h('span', { class: 'hint' }, meaning));
  return h('div', { class: 'check' }, box, label);
}
