// The list of a webhook's deliveries, and `watch`, which follows one delivery.

import { parameters, setParameters } from './address.js';
import { keepLively, poll, request } from './api.js';
import { capital, duration, fill, h, safely, time, zone } from './dom.js';
import { answered, label, succeeded } from './explain.js';

const REFRESH_LIST = 15_000;
/** The states that the list can be filtered by. `pending` is missing, because it ends within moments. */
const STATES = ['delivered', 'retrying', 'held', 'failed', 'cancelled'];
const ABOUT_HELD =
  'A held delivery waits because your endpoint does not answer, or because the webhook is disabled. It is sent by itself ' +
  'when your endpoint answers again or you enable the webhook.';

/** The list as a section. `refresh` loads it once, `keepFresh` repeatedly. */
export function deliveriesSection(path, signal, failed) {
  const { status, cursor } = Object.fromEntries(parameters());
  const list = {
    path,
    signal,
    failed,
    state: STATES.includes(status) ? status : '',
    // One cursor for each page up to the one that is shown. The first page's cursor is empty. The address has the last
    // one.
    cursors: cursor ? ['', cursor] : [''],
    next: null,
    shown: null,
    body: h('div', {}, h('p', { class: 'loading' }, 'Loading …')),
  };
  list.newer = turnButton('← Newer', () => turn(list, list.cursors.slice(0, -1)));
  list.older = turnButton('Older →', () => turn(list, [...list.cursors, list.next]));
  list.pages = h('div', { class: 'pages', hidden: true }, list.newer, list.older);
  list.section = h(
    'section',
    { class: 'card', 'aria-labelledby': 'deliveries-title' },
    h('div', { class: 'head' }, h('h2', { id: 'deliveries-title' }, 'Deliveries'), stateChoice(list)),
    list.body,
    list.pages,
  );
  return { section: list.section, refresh: () => refresh(list), keepFresh: () => keepFresh(list) };
}

function turnButton(text, onclick) {
  return h('button', { type: 'button', class: 'small', onclick }, text);
}

function stateChoice(list) {
  const choice = (value, text) =>
    h(
      'label',
      {},
      h('input', {
        type: 'radio',
        name: 'state',
        value,
        checked: value === list.state,
        onchange: () => choose(list, value),
      }),
      h('span', {}, text),
    );
  return h(
    'fieldset',
    { class: 'segments' },
    h('legend', { class: 'sr-only' }, 'Show'),
    choice('', 'All'),
    STATES.map((name) => choice(name, capital(name))),
  );
}

async function refresh(list) {
  const { state, cursors } = list;
  const cursor = cursors.at(-1);
  const query = new URLSearchParams({ limit: 20, ...(state && { status: state }), ...(cursor && { cursor }) });
  // The user may request another page meanwhile.
  const isCurrent = () => list.state === state && list.cursors.at(-1) === cursor;
  let page;
  try {
    page = await request('GET', `${list.path}/deliveries?${query}`, { signal: list.signal });
  } catch (error) {
    if (error.status !== 400 || cursors.length === 1 || !isCurrent()) throw error;
    // A cursor is invalid once the secret that sealed it has expired.
    list.cursors = [''];
    return refresh(list);
  }
  if (isCurrent()) show(list, page);
}

function show(list, page) {
  list.next = page.next_cursor;
  list.newer.disabled = list.cursors.length === 1;
  list.older.disabled = !page.next_cursor;
  list.pages.hidden = list.newer.disabled && list.older.disabled;
  const text = JSON.stringify([list.state, list.cursors.at(-1), page]);
  if (text === list.shown) return;
  list.shown = text;
  keepLively();
  const focused = document.activeElement?.getAttribute('href');
  fill(
    list.body,
    list.state === 'held' && h('p', { class: 'hint' }, ABOUT_HELD),
    page.deliveries.length > 0 ? table(list.path, page.deliveries) : h('p', { class: 'none' }, nothing(list)),
  );
  if (focused) list.body.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

/** Refreshes the first page regularly; the other pages do not change by themselves. */
function keepFresh(list) {
  poll(list.signal, async () => {
    if (list.cursors.length === 1) await refresh(list);
    return REFRESH_LIST;
  }).catch(list.failed);
}

function choose(list, state) {
  Object.assign(list, { state, cursors: [''] });
  setParameters({ status: state, cursor: null });
  refresh(list).catch(list.failed);
}

async function turn(list, cursors) {
  list.cursors = cursors;
  setParameters({ cursor: cursors.at(-1) });
  try {
    await refresh(list);
    list.section.scrollIntoView({ block: 'nearest' });
    // On the first and on the last page a button is disabled, and a disabled button loses the focus.
    const other = list.newer.disabled ? list.older : list.newer;
    if (document.activeElement === document.body || document.activeElement.disabled) other.focus();
  } catch (error) {
    list.failed(error);
  }
}

function nothing({ cursors, state }) {
  if (cursors.length > 1) return 'Nothing more here.';
  if (state) return `No delivery is ${state} at the moment.`;
  return (
    'Nothing yet. Send a test event above, or wait for a task to finish: a delivery appears with its ' +
    'first attempt.'
  );
}

function table(path, deliveries) {
  const names = ['Status', 'Event', 'Last answer', 'Attempts', `Task ended (${zone()})`];
  const heads = names.map((name) => h('th', { scope: 'col' }, name));
  return h(
    'table',
    { class: 'list' },
    h('thead', {}, h('tr', {}, heads)),
    h(
      'tbody',
      {},
      deliveries.map((delivery) => row(path, delivery)),
    ),
  );
}

function row(path, { id, event, status, attempt_count: count, last_attempt: last, timestamp }) {
  const link = { href: `#/${path}/deliveries/${id}`, 'aria-label': `${status}, ${event}, ${id}` };
  return h(
    'tr',
    {},
    h('td', {}, h('a', link, statePill(status))),
    h('td', {}, h('code', {}, event)),
    h('td', { class: last && !succeeded(last) ? 'bad' : '' }, lastAnswer(last)),
    h('td', {}, count.toLocaleString()),
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

/** A delivery's status as a coloured label. */
export function statePill(state) {
  const colour = { delivered: 'green', retrying: 'amber', held: 'accent', failed: 'red' }[state] ?? 'grey';
  return h('span', { class: `pill ${colour}` }, capital(state));
}

/**
 * Polls a delivery until it is finished, about fifteen times in the first minute, and gives up after three minutes.
 * If `isNews` accepts the delivery and its next attempt has a time, it waits until then. It may use all of the key's
 * limit, because the user is waiting.
 */
export async function watch(signal, { look, show, isFinished, isNews = () => true }) {
  const began = Date.now();
  const step = async () => {
    const waited = Date.now() - began;
    const delivery = await look();
    const finished = delivery && isFinished(delivery);
    const gaveUp = !finished && waited > 180_000;
    show(delivery, gaveUp);
    if (finished || gaveUp) return null;
    const next = delivery && isNews(delivery) ? delivery.next_attempt_at : null;
    const due = next ? Date.parse(next) - Date.now() + 1000 : 0;
    return Math.max(due, waited < 8000 ? 1500 : waited < 40_000 ? 5000 : 15_000);
  };
  await poll(signal, step, 0);
}
