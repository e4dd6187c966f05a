// Chooses rows of a webhook's deliveries, and sends the chosen ones again.

import { request, sleep } from './api.js';
import { failureText } from './dialogs.js';
import { clock, fill, focusOn, h, say, workButton } from './dom.js';
import { number, t } from './text.js';

/**
 * `bar` is the element with the button, which is hidden until a row is chosen. `box` makes the checkbox of a row, `all`
 * that of all rows, and `clear` forgets what was chosen. Calls `done` when deliveries were sent.
 */
export function selection(path, signal, done) {
  const chosen = {
    path,
    signal,
    done,
    ids: new Set(),
    boxes: new Map(),
    all: null,
    count: h('span', { role: 'status' }),
    note: h('span', { class: 'hint' }),
  };
  chosen.button = workButton({ class: 'small' }, t`Send the selected again`, () => sendAll(chosen));
  chosen.bar = h('div', { class: 'inline selected' }, chosen.count, chosen.button, chosen.note);
  update(chosen);
  return {
    bar: chosen.bar,
    box: (id, name) => rowBox(chosen, id, name),
    all: () => allBox(chosen),
    clear: () => clear(chosen),
  };
}

/** A checkbox, and the label with it, which is larger than the checkbox. */
function box(name, label, onchange, more) {
  const input = h('input', { type: 'checkbox', 'data-name': name, 'aria-label': label, onchange });
  return [input, h('label', { class: 'pick changes' }, input, more)];
}

function rowBox(chosen, id, name) {
  const [input, label] = box(`select ${id}`, t`Select ${name}`, () => {
    if (input.checked) chosen.ids.add(id);
    else chosen.ids.delete(id);
    update(chosen);
  });
  input.checked = chosen.ids.has(id);
  chosen.boxes.set(id, input);
  return label;
}

/** The checkbox of all rows. It has to be made before those of the rows. */
function allBox(chosen) {
  chosen.boxes.clear();
  const choose = () => {
    chosen.ids = new Set(input.checked ? chosen.boxes.keys() : []);
    update(chosen);
  };
  const [input, label] = box('select all', t`Select all on this page`, choose, h('span', {}, t`Select all`));
  chosen.all = input;
  // The rows are made in the same turn. A row that has left the page is not chosen any more.
  queueMicrotask(() => {
    for (const id of chosen.ids) if (!chosen.boxes.has(id)) chosen.ids.delete(id);
    update(chosen);
  });
  return label;
}

function clear(chosen) {
  chosen.ids.clear();
  fill(chosen.note);
  update(chosen);
}

function update({ ids, boxes, all, bar, count, button, note }) {
  for (const [id, input] of boxes) input.checked = ids.has(id);
  if (all) all.checked = ids.size > 0 && ids.size === boxes.size;
  button.hidden = ids.size === 0;
  bar.hidden = ids.size === 0 && note.textContent === '';
  fill(count, ids.size > 0 && t`${number(ids.size)} selected`);
}

/** One request for each delivery. Waits where the key's limit is reached, and stops if the service cannot be reached. */
async function sendAll(chosen) {
  const { path, signal, note, button, done } = chosen;
  const ids = [...chosen.ids];
  const refusals = [];
  let sent = 0;
  for (const [at, id] of ids.entries()) {
    fill(note, t`Sending ${at + 1} of ${ids.length} …`);
    try {
      await patiently(chosen, () => request('POST', `${path}/deliveries/${id}/retry`, { signal }));
      chosen.ids.delete(id);
      sent += 1;
    } catch (failure) {
      if (signal.aborted) return;
      refusals.push(failure);
      if (![404, 409].includes(failure.status)) break;
    }
  }
  const why = refusals.length > 0 && [' ', failureText(refusals[0])];
  fill(note, t`${sent} of ${ids.length} queued.`, why);
  say(note.textContent);
  const isFocused = document.activeElement === button;
  update(chosen);
  if (isFocused && button.hidden) focusOn(note);
  if (sent > 0) await done();
}

async function patiently({ signal, note }, ask) {
  for (;;) {
    try {
      return await ask();
    } catch (failure) {
      if (!failure.goOnAt) throw failure;
      fill(note, t`Too many requests with this key. It goes on at ${clock(failure.goOnAt)}.`);
      await sleep(failure.goOnAt - Date.now(), signal);
      signal.throwIfAborted();
    }
  }
}
