// The list of a webhook's deliveries, with a search, and with checkboxes to send some of them again.

import { parameters, setParameters } from './address.js';
import { request } from './api.js';
import { capital, duration, h, safely, time, zone } from './dom.js';
import { answered, label, stateName, succeeded } from './explain.js';
import { ROWS, pagedList } from './paging.js';
import { statePill, table, taskCell } from './rows.js';
import { searchForm, taskAndTime } from './search.js';
import { selection } from './selection.js';
import { number, t } from './text.js';

/** The states that the list can be filtered by. `pending` is missing, because it ends within moments. */
const STATES = ['delivered', 'retrying', 'held', 'failed', 'cancelled'];
/** The parameters of the address that are about the list. */
const FILTERS = ['status', 'task_id', 'since', 'until'];
const ABOUT_HELD =
  t`A held delivery waits because your endpoint does not answer, or because the webhook is disabled. It is sent by
    itself when your endpoint answers again or you enable the webhook.`;

/**
 * The list as a section. `open` loads it and keeps it fresh, `refresh` loads it again. `resend` opens the dialog for many
 * events.
 */
export function deliveriesSection(path, signal, failed, resend) {
  const chosen = selection(path, signal, () => list.refresh());
  const list = pagedList({
    signal,
    failed,
    load: (cursor) => load(path, cursor, signal),
    draw: (rows) => draw(path, chosen, rows),
    hint: () => filters().status === 'held' && h('p', { class: 'hint' }, ABOUT_HELD),
    empty,
    turned: chosen.clear,
  });
  const hasSearch = ['task_id', 'since', 'until'].some((name) => parameters().has(name));
  const section = h(
    'section',
    { class: 'card', 'aria-labelledby': 'deliveries-title' },
    h(
      'div',
      { class: 'head' },
      h('h2', { id: 'deliveries-title' }, t`Deliveries`),
      h('button', { type: 'button', class: 'small changes', onclick: resend }, t`Resend a time range`),
    ),
    stateChoice(list.restart),
    h('details', { open: hasSearch }, h('summary', {}, t`Search`), searchForm(taskAndTime(), list.restart)),
    chosen.bar,
    list.element,
  );
  return { section, open: list.open, refresh: list.refresh };
}

/** What the address says about the list. */
function filters() {
  const all = FILTERS.map((name) => [name, parameters().get(name)]);
  return Object.fromEntries(all.filter(([name, value]) => value && (name !== 'status' || STATES.includes(value))));
}

function stateChoice(restart) {
  const shown = filters().status ?? '';
  const choose = (status) => {
    setParameters({ status, cursor: null });
    restart();
  };
  const choice = (value, text) =>
    h(
      'label',
      {},
      h('input', { type: 'radio', name: 'state', value, checked: value === shown, onchange: () => choose(value) }),
      h('span', {}, text),
    );
  return h(
    'fieldset',
    { class: 'segments' },
    h('legend', { class: 'sr-only' }, t`Show`),
    choice('', t`All`),
    STATES.map((name) => choice(name, capital(stateName(name)))),
  );
}

async function load(path, cursor, signal) {
  const query = new URLSearchParams({ limit: ROWS, ...filters(), ...(cursor && { cursor }) });
  const { deliveries, next_cursor: next } = await request('GET', `${path}/deliveries?${query}`, { signal });
  return { rows: deliveries, next };
}

function draw(path, chosen, rows) {
  const heads = [chosen.all(), t`Status`, t`Event`, t`Task`, t`Last answer`, t`Attempts`, t`Task ended (${zone()})`];
  return table(heads, rows.map((delivery) => row(path, chosen, delivery)));
}

function empty() {
  const { status, ...search } = filters();
  if (Object.keys(search).length > 0) return t`No delivery matches.`;
  if (status) return t`No delivery is ${stateName(status)} at the moment.`;
  return (
    t`Nothing yet. Send a test event above, or wait for a task to finish: a delivery appears with its first attempt.`
  );
}

function row(path, chosen, { id, event, task_id: task, status, attempt_count: count, last_attempt: last, timestamp }) {
  const name = `${stateName(status)}, ${event}, ${id}`;
  const link = { href: `#/${path}/deliveries/${id}`, 'aria-label': name, 'data-name': id };
  return h(
    'tr',
    {},
    h('td', {}, chosen.box(id, name)),
    h('td', {}, h('a', link, statePill(status))),
    h('td', {}, h('code', {}, event)),
    taskCell(task),
    h('td', { class: last && !succeeded(last) ? 'wraps bad' : 'wraps' }, lastAnswer(last)),
    h('td', { class: 'count' }, number(count)),
    h('td', {}, time(timestamp)),
  );
}

function lastAnswer(attempt) {
  if (!attempt) return '–';
  const words = succeeded(attempt) ? null : answered(attempt);
  return [
    label(attempt),
    words && h('span', { class: 'said', title: words }, safely(words)),
    h('span', { class: 'hint' }, duration(attempt.duration_ms)),
  ];
}
