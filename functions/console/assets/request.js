// What a person pastes, read. No DOM in here.

import { PAGE, STANDARD } from './schemes.js';

/** Header, and the checker's field that it fills. Of two for the same field, the first one that is there. */
const HEADERS = [
  ['x-nano-timestamp', 'timestamp'],
  ['webhook-timestamp', 'timestamp'],
  ['webhook-id', 'id'],
  ['x-nano-signature', 'signature'],
  ['webhook-signature', 'signature'],
];

const BESIDE = ['x-nano-signature-next', 'x-nano-signature-previous'];

/**
 * The checker's fields from a request as a log or a tunnel shows it: lines of headers, an empty line, the body. What is not in
 * there is left out.
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
  // A log's last line break is not the body's.
  if (body.trim() !== '') fields.body = body.replace(/\r?\n$/, '');
  return fields;
}

/** Which header a signature is of, by its form; nothing if that does not say. */
export function schemeOf(signature) {
  const value = signature.trim().replace(/^[\w-]+\s*:\s*/, '');
  return { 'v1=': PAGE, 'v1,': STANDARD }[value.slice(0, 3)];
}
