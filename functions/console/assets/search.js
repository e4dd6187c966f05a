// The fields of a search: the id of a task, and a range of time. The API and the address have times in UTC, the fields
// have them in the user's time zone.

import { parameters, setParameters } from './address.js';
import { h, zone } from './dom.js';
import { t } from './text.js';

/** A form whose fields the address keeps. `fields` are by the name of their parameter. Calls `search` at a new search. */
export function searchForm(fields, search) {
  const form = h(
    'form',
    { class: 'search', role: 'search', onsubmit: submit },
    Object.values(fields).map(({ element }) => element),
    h('button', {}, t`Search`),
    h('a', { class: 'button', href: location.hash.split('?')[0], onclick: () => form.reset() }, t`Clear`),
  );
  return form;

  function submit(event) {
    event.preventDefault();
    const values = Object.entries(fields).map(([name, { read }]) => [name, read()]);
    setParameters({ ...Object.fromEntries(values), cursor: null });
    search();
  }
}

/** The fields for a task's id and for a range of time, with the address's values. */
export function taskAndTime() {
  const range = timeRange('', parameters().get('since'), parameters().get('until'));
  return { task_id: field('task', t`Task id`, { maxlength: 256, value: parameters().get('task_id') }), ...range };
}

/**
 * Two fields for a range of time, with these values in UTC. Their ids begin with `prefix`. `isRequired` is about the
 * beginning alone.
 */
export function timeRange(prefix, since, until, isRequired = false) {
  const times = (value) => ({ type: 'datetime-local', value: inZone(value) });
  const [from, to] = [
    field(`${prefix}since`, t`From (${zone()})`, { ...times(since), required: isRequired, onchange: bound }, inUtc),
    field(`${prefix}until`, t`Until`, times(until), inUtc),
  ];
  bound();
  return { since: from, until: to };

  function bound() {
    to.input.min = from.input.value;
  }
}

/** A field with its label. `read` returns its value. */
function field(id, label, properties, convert = (text) => text.trim()) {
  const input = h('input', { id, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', ...properties });
  const element = h('div', { class: 'field' }, h('label', { for: id }, label), input);
  return { element, input, read: () => convert(input.value) };
}

function inUtc(local) {
  return local && new Date(local).toISOString();
}

/** The value of a field for a time in UTC. Empty for a text that is not a time. */
function inZone(utc) {
  const date = new Date(utc ?? NaN);
  if (isNaN(date)) return '';
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
