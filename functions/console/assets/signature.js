// Computes signatures, and finds out why one is wrong. Does not use the DOM, and nothing leaves the browser.
//
// A wrong signature is usually the right computation over wrong input. So the search computes it over every input that
// is usually taken by mistake: first with no mistake, then with one, two and three. The first input whose signature is
// the given one says what went wrong.

import { finding } from './findings.js';
import { PAGE, STANDARD } from './schemes.js';
import { NOTHING, bodies, once, parsed, pythonBytes } from './spellings.js';

const TOLERANCE = 300;

/** The header's value for a delivery: `v1=<hex>` or `v1,<base64>`. `timestamp` is a text of Unix seconds. */
export async function sign(scheme, { id, timestamp, body, secret }) {
  const bytes = await hmac(rightKey(scheme, secret), rightMessage(scheme, { id, timestamp, body }));
  return scheme === PAGE ? `v1=${hex(bytes)}` : `v1,${base64(bytes)}`;
}

/**
 * Compares a signature with the right one. All fields are texts as a person pastes them. `oldSecret` may be empty, and
 * for X-Nano-Signature also `id`. `now` is in milliseconds.
 *
 * Returns `{ verdict, expected, findings }`. The verdict is
 *  - `equal`: the signature is right, byte for byte;
 *  - `explained`: it is wrong, and the findings say why;
 *  - `unknown`: it is wrong, and none of the usual mistakes explains it.
 * A finding is `{ code, problem, title, fix }`. If `problem` is false, it is useful to know and no mistake.
 */
export async function check({ scheme, id = '', body, timestamp, secret, oldSecret = '', signature, now = Date.now() }) {
  const given = {
    scheme,
    id: id.trim(),
    body,
    timestamp: timestamp.trim(),
    secret: secret.trim(),
    oldSecret: oldSecret.trim(),
  };
  const findings = timeFindings(given.timestamp, now);
  // The header has seconds. If milliseconds were pasted, the right signature is still over seconds.
  const right = { ...given, timestamp: inSeconds(given.timestamp) };
  const expected = await sign(scheme, right);

  const read = readSignature(scheme, signature, findings);
  const all = { ...given, rawSecret: secret, rawOldSecret: oldSecret };
  const match = read.length > 0 && (await firstMatch(right, all, read));
  if (match) findings.push(...match.map((code) => finding(code, scheme)));
  // X-Nano-Signature itself has one signature, which comes first.
  const isOther = /^\s*x-nano-signature-(next|previous)\s*:/i.test(signature);
  const isLater = read.length > 1 && match && !(await firstMatch(right, all, read.slice(0, 1)));
  const isBeside = scheme === PAGE && match && (isOther || isLater);
  if (isBeside) findings.push(finding('signed_beside', scheme));
  const problems = findings.some(({ problem }) => problem);
  if (!match && read.length > 0) {
    findings.push(finding('no_match', scheme));
    return { verdict: 'unknown', expected, findings };
  }
  // No part of the text is a signature, and no finding says why.
  if (read.length === 0 && !problems) {
    findings.push(finding('not_a_signature', scheme));
    return { verdict: 'explained', expected, findings };
  }
  return { verdict: problems ? 'explained' : 'equal', expected, findings };
}

// -- The signature as it was pasted ---------------------------------------------------------------------------------

/** The 32 bytes of each signature in the text. Adds a finding for each mistake in how they are written. */
function readSignature(scheme, text, findings) {
  const note = (code) => {
    if (!findings.some((other) => other.code === code)) findings.push(finding(code, scheme));
  };
  const bare = text
    .trim()
    .replace(/^["']|["']$/g, '')
    .replace(/^(x-nano-signature(-next|-previous)?|webhook-signature)\s*:\s*/i, '');
  const [all, parts] = [[], bare.split(/\s+/)];
  for (const part of parts) {
    const [, prefix, digest] = /^(v1=|v1,|sha256=)?(.*)$/i.exec(part);
    const { bytes, spelling } = decode(digest);
    if (!bytes) {
      // A list may contain signatures of other versions. A verifier ignores them.
      if (parts.length === 1) note(spelling);
      continue;
    }
    if (scheme === PAGE) {
      if (prefix === 'v1,' && spelling === 'base64') note('header_of_the_other_scheme');
      else {
        if (prefix !== 'v1=') note('v1_missing');
        if (spelling === 'base64') note('base64_for_hex');
        if (spelling === 'upper') note('hex_upper_case');
      }
    } else if (prefix === 'v1=' && spelling !== 'base64') note('header_of_the_other_scheme');
    else {
      if (prefix !== 'v1,') note('v1_missing');
      if (spelling !== 'base64') note('hex_for_base64');
      else if (digest !== base64(bytes)) note('base64_spelling');
    }
    all.push(bytes);
  }
  return all;
}

/** A digest's bytes and its spelling: `lower`, `upper`, `base64`; or, without bytes, the code of what is wrong. */
function decode(text) {
  if (/^[0-9a-f]+$/i.test(text) && [40, 64, 128].includes(text.length)) {
    if (text.length !== 64) return { spelling: text.length === 40 ? 'sha1' : 'sha512' };
    const bytes = Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
    return { bytes, spelling: text === text.toLowerCase() ? 'lower' : 'upper' };
  }
  const bytes = fromBase64(text);
  const algorithm = { 20: 'sha1', 64: 'sha512' }[bytes?.length];
  if (bytes?.length === 64 && /^[0-9a-f]{64}$/.test(new TextDecoder().decode(bytes)))
    return { spelling: 'base64_of_hex' };
  if (bytes?.length === 32) return { bytes, spelling: 'base64' };
  return { spelling: algorithm ?? 'not_a_signature' };
}

// -- The search -----------------------------------------------------------------------------------------------------

/** The codes of the fewest mistakes that lead to one of the signatures. `null` if none do. */
async function firstMatch(right, given, signatures) {
  const [keys, messages] = [await keysOf(given), messagesOf(right, given)];
  const most = 3;
  for (let mistakes = 0; mistakes <= most; mistakes += 1) {
    for (const message of messages) {
      for (const key of keys) {
        if (message.codes.length + key.codes.length !== mistakes) continue;
        const bytes = await key.sign(message.bytes);
        if (signatures.some((signature) => equal(signature, bytes))) return [...message.codes, ...key.codes];
      }
    }
  }
  return null;
}

function messagesOf(right, given) {
  const messages = [];
  for (const body of bodies(right.body)) {
    for (const timestamp of timestamps(right.timestamp, given)) {
      for (const form of forms(right.scheme, right.id)) {
        const codes = [...body.codes, ...(form.timed ? timestamp.codes : []), ...form.codes];
        if (!form.timed && timestamp.codes.length > 0) continue;
        messages.push({ codes, bytes: encode(form.join(right.id, timestamp.text, body.text)) });
      }
    }
  }
  return messages;
}

function forms(scheme, id) {
  const page = { join: (_, timestamp, body) => `${timestamp}.${body}`, timed: true };
  const standard = { join: (name, timestamp, body) => `${name}.${timestamp}.${body}`, timed: true };
  const right = { ...(scheme === PAGE ? page : standard), codes: [] };
  const other = { ...(scheme === PAGE ? standard : page), codes: [scheme === PAGE ? 'id_signed' : 'id_not_signed'] };
  return [
    right,
    ...(id ? [other] : []),
    { join: (_, timestamp, body) => body, timed: false, codes: ['timestamp_not_signed'] },
    { join: (_, timestamp, body) => `${timestamp}${body}`, timed: true, codes: ['dot_missing'] },
    { join: (_, timestamp, body) => `${body}.${timestamp}`, timed: true, codes: ['wrong_order'] },
  ];
}

function timestamps(right, { timestamp, body }) {
  const all = [
    { text: right, codes: [] },
    { text: `${right}000`, codes: ['milliseconds_signed'] },
  ];
  for (const text of NOTHING) all.push({ text, codes: ['timestamp_undefined'] });
  // The pasted text itself: milliseconds need not be a whole second.
  if (timestamp !== right) all.push({ text: timestamp, codes: ['milliseconds_signed'] });
  const own = parsed(body)?.timestamp;
  if (typeof own === 'string') {
    const milliseconds = Date.parse(own);
    const texts = [
      own,
      ...(Number.isNaN(milliseconds) ? [] : [String(Math.floor(milliseconds / 1000)), String(milliseconds)]),
    ];
    all.push(...texts.map((text) => ({ text, codes: ['payload_timestamp_signed'] })));
  }
  return once(all, ({ text }) => text);
}

async function keysOf({ scheme, secret, oldSecret, rawSecret, rawOldSecret }) {
  const all = [...keyBytes(scheme, secret, rawSecret)];
  // HMAC pads keys with zeros, so this key equals the empty one, which the browser refuses.
  all.push({ bytes: Uint8Array.of(0), codes: ['secret_empty'] });
  for (const text of NOTHING) all.push({ bytes: encode(text), codes: ['secret_undefined'] });
  if (oldSecret) {
    const old = keyBytes(scheme, oldSecret, rawOldSecret);
    all.push(...old.map(({ bytes, codes }) => ({ bytes, codes: ['old_secret', ...codes] })));
  }
  const keys = once(
    all.filter(({ bytes }) => bytes?.length > 0),
    ({ bytes }) => hex(bytes),
  );
  const signers = keys.map(async ({ bytes, codes }) => {
    const key = await importKey(bytes);
    return { codes, sign: async (message) => new Uint8Array(await crypto.subtle.sign('HMAC', key, message)) };
  });
  return [...(await Promise.all(signers)), ...plainHashes(encode(secret))];
}

/** SHA-256 alone, over the message and the secret in either order, or over the message. */
function plainHashes(secret) {
  const joined = [(message) => message, (message) => [...secret, ...message], (message) => [...message, ...secret]];
  return joined.map((join) => ({
    codes: ['no_hmac'],
    sign: async (message) => new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(join(message)))),
  }));
}

function keyBytes(scheme, secret, raw) {
  const bare = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : null;
  const wrong =
    scheme === PAGE
      ? [
          ['secret_prefix_removed', bare !== null && encode(bare)],
          ['secret_decoded', fromBase64(bare ?? secret)],
        ]
      : [
          ['secret_not_decoded', bare !== null && encode(secret)],
          ['secret_not_decoded', bare !== null && encode(bare)],
          ['secret_taken_for_base64', bare === null && fromBase64(secret)],
          // Python's decoder skips characters that are not base64.
          ['secret_taken_for_base64', bare === null && fromBase64(secret.replace(/[^A-Za-z0-9+/]/g, ''))],
        ];
  if (bare === null && scheme === PAGE) wrong.push(['secret_prefix_missing', encode(`whsec_${secret}`)]);
  if (/^([0-9a-f]{2})+$/i.test(secret)) {
    wrong.push(['secret_hex_decoded', Uint8Array.from(secret.match(/../g), (pair) => parseInt(pair, 16))]);
  }
  for (const text of new Set([raw, `${secret}\n`, ` ${secret}`, `${secret} `, `"${secret}"`, `'${secret}'`])) {
    if (text !== secret) wrong.push(['secret_spaces', encode(text)]);
  }
  wrong.push(['secret_python_bytes', encode(pythonBytes(secret))]);
  return [{ bytes: rightKey(scheme, secret), codes: [] }, ...wrong.map(([code, bytes]) => ({ bytes, codes: [code] }))];
}

// -- The right computation ------------------------------------------------------------------------------------------

function rightKey(scheme, secret) {
  const decoded =
    scheme === STANDARD && secret.startsWith('whsec_') ? keyFromBase64(secret.slice('whsec_'.length)) : null;
  return decoded ?? encode(secret);
}

/** As the service decodes: the standard alphabet, with padding or without; bits left over at the end are ignored. */
function keyFromBase64(text) {
  return /[-_]/.test(text) ? null : fromBase64(text);
}

function rightMessage(scheme, { id, timestamp, body }) {
  return encode(scheme === PAGE ? `${timestamp}.${body}` : `${id}.${timestamp}.${body}`);
}

async function hmac(key, message) {
  return new Uint8Array(await crypto.subtle.sign('HMAC', await importKey(key), message));
}

function importKey(bytes) {
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
}

// -- The timestamp --------------------------------------------------------------------------------------------------

function inSeconds(timestamp) {
  return /^\d{13}$/.test(timestamp) ? timestamp.slice(0, 10) : timestamp;
}

function timeFindings(timestamp, now) {
  if (/^\d{13}$/.test(timestamp)) return [finding('timestamp_in_milliseconds')];
  if (!/^\d{1,11}$/.test(timestamp)) return [finding('timestamp_not_seconds')];
  const age = now / 1000 - Number(timestamp);
  if (age > TOLERANCE) return [finding('timestamp_too_old')];
  return age < -TOLERANCE ? [finding('timestamp_in_the_future')] : [];
}

// -- Bytes and texts ------------------------------------------------------------------------------------------------

const encode = (string) => new TextEncoder().encode(string);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
const equal = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

function fromBase64(text) {
  const plain = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  if (plain === '' || !/^[A-Za-z0-9+/]+$/.test(plain) || plain.length % 4 === 1) return null;
  return Uint8Array.from(atob(plain), (char) => char.charCodeAt(0));
}
