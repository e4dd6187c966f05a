// Parts shared by the lists of deliveries and of events.

import { capital, h, safely } from './dom.js';
import { stateName } from './explain.js';
import { t } from './text.js';

/** A table of rows. Each row's first link is the link of the whole row. */
export function table(names, rows) {
  const heads = names.map((name) => h('th', { scope: 'col', class: name === t`Attempts` && 'count' }, name));
  return h('table', { class: 'list' }, h('thead', {}, h('tr', {}, heads)), h('tbody', {}, rows));
}

/** A delivery status as a coloured label, with `count` before it if given. */
export function statePill(status, count) {
  const colour = { delivered: 'green', retrying: 'amber', held: 'accent', failed: 'red' }[status] ?? 'grey';
  const text = stateName(status);
  return h('span', { class: `pill ${colour}` }, count ? `${count} ${text}` : capital(text));
}

/** A cell with a task's id. The style sheet cuts a long one. */
export function taskCell(task) {
  return h('td', {}, h('code', { class: 'task', title: task }, safely(task)));
}
