// The page with the account's events: each task that finished, and whether anything was sent.

import { parameters } from './address.js';
import { request } from './api.js';
import { fill, h, time, zone } from './dom.js';
import { setTitle } from './name.js';
import { ROWS, pagedList } from './paging.js';
import { statePill, table, taskCell } from './rows.js';
import { searchForm, taskAndTime } from './search.js';
import { t } from './text.js';

/** The states of a delivery, as the list shows them: what needs attention first. */
const STATES = ['failed', 'cancelled', 'held', 'retrying', 'pending', 'delivered'];

export async function eventsPage(content, { signal, failed }) {
  setTitle(t`Events`);
  const list = pagedList({ signal, failed, load: (cursor) => load(cursor, signal), draw, empty });
  const fields = { ...taskAndTime(), event: eventField(), undelivered: undeliveredField() };
  fill(
    content,
    h(
      'div',
      { class: 'title' },
      h('h1', {}, t`Events`),
      h('p', { class: 'hint' }, t`Every task that finished, sent or not.`),
    ),
    h('section', { class: 'card' }, searchForm(fields, list.restart)),
    h('section', { class: 'card', 'aria-label': t`Events` }, list.element),
  );
  await list.open();
}

function eventField() {
  const value = parameters().get('event');
  const option = (name) => h('option', { value: name, selected: name === value }, name || t`Any`);
  const select = h('select', { id: 'event' }, ['', 'job.completed', 'job.failed'].map(option));
  const element = h('div', { class: 'field' }, h('label', { for: 'event' }, t`Event`), select);
  return { element, read: () => select.value };
}

function undeliveredField() {
  const box = h('input', { type: 'checkbox', id: 'undelivered', checked: parameters().has('undelivered') });
  const element = h('div', { class: 'check' }, box, h('label', { for: 'undelivered' }, t`Not delivered anywhere`));
  return { element, read: () => (box.checked ? 'true' : '') };
}

async function load(cursor, signal) {
  const filter = [...parameters()].filter(([name]) => name !== 'cursor');
  const query = new URLSearchParams([['limit', ROWS], ...filter, ...(cursor ? [['cursor', cursor]] : [])]);
  const { events, next_cursor: next } = await request('GET', `events?${query}`, { signal });
  return { rows: events, next };
}

function draw(events) {
  return table([t`Event`, t`Task`, t`Webhooks`, t`Task ended (${zone()})`], events.map(row));
}

function empty() {
  return parameters().size > 0
    ? t`No event matches.`
    : t`Nothing yet. When a task finishes, its event appears here, whether a webhook is there or not.`;
}

function row({ id, event, task_id: task, timestamp, erased_at: erased, webhooks }) {
  return h(
    'tr',
    {},
    h('td', {}, h('a', { href: `#/events/${id}`, 'aria-label': `${event}, ${id}`, 'data-name': id }, h('code', {}, event))),
    taskCell(task),
    h('td', { class: 'wraps' }, erased && h('span', { class: 'pill grey' }, t`Erased`), ' ', states(webhooks)),
    h('td', {}, time(timestamp)),
  );
}

/** How many webhooks are in each state. */
function states(webhooks) {
  if (webhooks.length === 0) return statePill('not_sent');
  const counted = STATES.map((state) => [state, webhooks.filter(({ status }) => status === state).length]);
  const some = counted.filter(([, count]) => count > 0);
  return some.map(([state, count]) => [statePill(state, webhooks.length > 1 && count), ' ']);
}
