// The part of the webhook dialog that is about how requests are sent: their headers, and how many there are a minute.

import { h, safely } from './dom.js';
import { parts, t } from './text.js';

/** The inputs. `names` are the headers that the webhook has: the API never shows their values. */
export function sendingInputs(webhook) {
  const names = webhook?.headers ?? [];
  return {
    names,
    limit: h('input', {
      id: 'limit',
      type: 'number',
      inputmode: 'numeric',
      min: 1,
      autocomplete: 'off',
      value: webhook?.max_per_minute ?? '',
      'aria-describedby': 'limit-hint',
    }),
    headers: h('textarea', {
      id: 'headers',
      rows: 3,
      autocomplete: 'off',
      autocapitalize: 'none',
      spellcheck: 'false',
      placeholder: 'X-Api-Key: …',
      'aria-describedby': 'headers-hint',
    }),
    without: names.length > 0 && h('input', { type: 'checkbox', id: 'without-headers' }),
  };
}

export function sendingSection({ names, limit, headers, without }) {
  return h(
    'details',
    { open: names.length > 0 || limit.value !== '' },
    h('summary', {}, t`Headers and pace`),
    h('label', { for: 'limit' }, t`Requests per minute, at most`),
    limit,
    h('p', { class: 'hint', id: 'limit-hint' }, t`Empty: no limit. Events beyond it wait, and are sent at this pace.`),
    h('label', { for: 'headers' }, t`Request headers`),
    headers,
    h(
      'p',
      { class: 'hint', id: 'headers-hint' },
      t`One per line, such as the key of your API gateway. Nobody can read their values here again.`,
      without && [' ', parts`Set now: ${safely(names.join(', '))}. What you enter here replaces all of them.`],
    ),
    without && h('div', { class: 'check' }, without, h('label', { for: without.id }, t`Remove all headers`)),
  );
}

/** The fields of the request's body. Headers that the user leaves empty stay as they are. */
export function sendingFields({ limit, headers, without }) {
  const lines = headers.value.split('\n').filter((line) => line.trim() !== '');
  const set = Object.fromEntries(lines.map(headerOf));
  return {
    max_per_minute: limit.value === '' ? null : Number(limit.value),
    ...(lines.length > 0 && { headers: set }),
    ...(without?.checked && { headers: null }),
  };
}

/** A line without a colon becomes a name without a value, which the API refuses by name. */
function headerOf(line) {
  const at = line.indexOf(':');
  return at < 0 ? [line.trim(), ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}
