// A list that the API returns in pages, newest first. The address has the cursor of the page that is shown.

import { parameters, setParameters } from './address.js';
import { keepLively, poll } from './api.js';
import { errorText, fill, h, moment, refill } from './dom.js';
import { parts, t } from './text.js';

/** How many rows a page has, unless the search stopped before. */
export const ROWS = 20;
const REFRESH = 15_000;
/** How many pages without a row one press of a button passes over. */
const AT_ONCE = 10;
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * Makes a list, and returns its `element` and the functions `open`, `refresh` and `restart`. `load` requests the page after a cursor and returns its `rows` and `next`, the cursor of the
 * page after it. `draw` makes an element from the rows, `hint` one above them, `empty` a text if there is no row at all.
 * Calls `turned` when another page is asked for.
 *
 * `open` loads the page that the address names, and keeps the first page fresh from then on. `refresh` loads the page
 * that is shown, `restart` the first page.
 */
export function pagedList({ signal, failed, load, draw, empty, hint = () => null, turned = () => {} }) {
  const { cursor } = Object.fromEntries(parameters());
  const list = {
    signal,
    failed,
    load,
    draw,
    empty,
    hint,
    turned,
    // One cursor for each page up to the one that is shown. The first page's cursor is empty.
    cursors: cursor ? ['', cursor] : [''],
    next: null,
    shown: null,
    body: h('div', {}, h('p', { class: 'loading' }, t`Loading …`)),
    looked: h('p', { class: 'hint', role: 'status' }),
  };
  list.newer = turnButton(t`← Newer`, () => turn(list, list.cursors.slice(0, -1)));
  list.older = turnButton(t`Older →`, () => turn(list, [...list.cursors, list.next]));
  list.pages = h('div', { class: 'pages', hidden: true }, list.looked, list.newer, list.older);
  list.element = h('div', {}, list.body, list.pages);
  return {
    element: list.element,
    open: () => open(list),
    refresh: () => refresh(list),
    restart: () => restart(list),
  };
}

function turnButton(text, onclick) {
  return h('button', { type: 'button', class: 'small', onclick }, text);
}

/** Loads the page that is shown. Passes over pages without a row, `patience` at most. */
async function refresh(list, patience = 0) {
  const { cursors } = list;
  let page;
  for (;;) {
    try {
      page = await list.load(cursors.at(-1));
    } catch (error) {
      if (error.status !== 400) throw error;
      // The search itself is wrong: the rest of the page works without it.
      page = { rows: [], next: null, problem: { message: error.message, language: error.language } };
    }
    // The user may have asked for another page meanwhile.
    if (list.cursors !== cursors) return;
    if (page.rows.length > 0 || !page.next || patience === 0) break;
    fill(list.looked, lookedBackTo(page.next));
    cursors[cursors.length - 1] = page.next;
    patience -= 1;
  }
  show(list, page);
}

function show(list, page) {
  const { rows, next, problem } = page;
  const isFirst = list.cursors.length === 1;
  const stoppedEarly = next && rows.length < ROWS;
  list.next = next;
  list.newer.disabled = isFirst;
  list.older.disabled = !next;
  list.older.textContent = stoppedEarly ? t`Go on looking` : t`Older →`;
  list.pages.hidden = isFirst && !next;
  const text = JSON.stringify([list.cursors.at(-1), page]);
  if (text === list.shown) return;
  list.shown = text;
  keepLively();
  fill(list.looked, stoppedEarly && lookedBackTo(next));
  if (problem) fill(list.body, h('p', { class: 'error', role: 'alert' }, errorText(problem)));
  else refill(list.body, list.hint(), rows.length > 0 ? list.draw(rows) : nothing(list, isFirst, next));
}

function nothing({ empty }, isFirst, next) {
  const text = isFirst ? empty() : t`Nothing more here.`;
  return h('p', { class: 'none' }, next ? t`Nothing found so far.` : text);
}

function lookedBackTo(cursor) {
  return parts`Looked back to ${moment(timeOf(cursor))}.`;
}

/** The time in an event's id: its first ten characters, in milliseconds. */
function timeOf(id) {
  const milliseconds = [...id.slice(0, 10)].reduce((sum, digit) => sum * 32 + DIGITS.indexOf(digit), 0);
  return new Date(milliseconds).toISOString();
}

async function open(list) {
  await refresh(list);
  let isLoaded = true;
  poll(list.signal, async () => {
    // The other pages do not change by themselves.
    if (!isLoaded && list.cursors.length === 1) await refresh(list);
    isLoaded = false;
    return REFRESH;
  }).catch(list.failed);
}

function restart(list) {
  Object.assign(list, { cursors: [''], shown: null });
  list.turned();
  refresh(list).catch(list.failed);
}

async function turn(list, cursors) {
  list.cursors = cursors;
  list.turned();
  try {
    await refresh(list, AT_ONCE);
    if (list.cursors !== cursors) return;
    setParameters({ cursor: cursors.at(-1) });
    list.element.scrollIntoView({ block: 'nearest' });
    // On the first and on the last page a button is disabled, and a disabled button loses the focus.
    const other = list.newer.disabled ? list.older : list.newer;
    if (document.activeElement === document.body || document.activeElement.disabled) other.focus();
  } catch (error) {
    list.failed(error);
  }
}
