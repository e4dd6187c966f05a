// Reads a request that a user pastes. Does not use the DOM.

import { PAGE, STANDARD } from './schemes.js';

/** Each header, and the checker's field that it fills. If both headers of a field are there, the first one counts. */
const HEADERS = [
  ['x-nano-timestamp', 'timestamp'],
  ['webhook-timestamp', 'timestamp'],
  ['webhook-id', 'id'],
  ['x-nano-signature', 'signature'],
  ['webhook-signature', 'signature'],
];

const BESIDE = ['x-nano-signature-next', 'x-nano-signature-previous'];

/**
 * Returns the checker's fields from a request as a log or a tunnel shows it: lines of headers, an empty line, the
 * body. Leaves out fields that are not in the text.
 */
export function readRequest(text) {
  const [, head, body] = /^\s*([^]*?)\r?\n\r?\n([^]*)$/.exec(text) ?? [null, text, ''];
  const headers = new Map();
  for (const line of head.split(/\r?\n/)) {
    const [, name, value] = /^\s*[<>]?\s*"?([\w-]+)"?\s*:\s*(.*?)\s*,?$/.exec(line) ?? [];
    if (name) headers.set(name.toLowerCase(), value.replace(/^"(.*)"$/, '$1'));
  }
  const fields = {};
  for (const [name, field] of HEADERS) if (headers.has(name)) fields[field] ??= headers.get(name);
  // While a secret is being rotated, the old or the new one signs a header of its own.
  const beside = BESIDE.filter((name) => headers.has(name)).map((name) => headers.get(name));
  if (headers.has('x-nano-signature')) fields.signature = [fields.signature, ...beside].join(' ');
  // The last line break comes from the log, not from the body.
  if (body.trim() !== '') fields.body = body.replace(/\r?\n$/, '');
  return fields;
}

/** The scheme of a signature, by its form. `undefined` if the form does not show it. */
export function schemeOf(signature) {
  const value = signature.trim().replace(/^[\w-]+\s*:\s*/, '');
  return { 'v1=': PAGE, 'v1,': STANDARD }[value.slice(0, 3)];
}
