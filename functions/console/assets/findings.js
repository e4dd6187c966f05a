// The signature checker's text for each mistake that it finds, and for facts that are useful to know.

import { PAGE, STANDARD } from './schemes.js';
import { t } from './text.js';

const RAW = t`Compute it over the bytes of the request as they arrived, before any framework parses them.`;
const SECONDS = t`Take the value of the header as it is: Unix seconds, ten digits.`;

/** By code: whether it is a problem, the finding, and what to do. A text may depend on the scheme. */
const MEANINGS = {
  body_compact: [
    true,
    t`The body was re-serialised`,
    t`The signature is right for this JSON written without spaces, and your body has other white space or escapes.
      ${RAW}`,
  ],
  body_indented: [
    true,
    t`The body was re-serialised with indentation`,
    t`The signature is over an indented spelling of this JSON. ${RAW}`,
  ],
  body_spaced: [
    true,
    t`The body was re-serialised with spaces`,
    t`The signature is over this JSON with a space after each comma and colon, as Python’s json.dumps has it. ${RAW}`,
  ],
  body_escaped: [
    true,
    t`The body was re-serialised with other escapes`,
    t`The signature is over this JSON with characters written as \\u escapes or \\/, as Python, PHP or Go write it.
      ${RAW}`,
  ],
  body_sorted: [
    true,
    t`The body was re-serialised with its keys in another order`,
    t`The signature is over this JSON with sorted keys. ${RAW}`,
  ],
  trailing_newline: [
    true,
    t`A line break at the end of the body`,
    t`The body that was sent ends with its closing brace. An editor, echo or a file has added a line break, or one was
      cut off.`,
  ],
  body_quoted: [
    true,
    t`The body was serialised twice`,
    t`The signature is over the body as a JSON string, in quotes. ${RAW}`,
  ],
  body_object: [
    true,
    t`An object was signed instead of the body`,
    t`The signature is over the text “[object Object]”: a parsed body was put into a string. ${RAW}`,
  ],
  body_data: [
    true,
    t`Only the data was signed`,
    t`The signature is over the value of “data” alone. The whole body is signed. ${RAW}`,
  ],
  body_python_bytes: [
    true,
    t`Python’s spelling of bytes was signed`,
    t`The signature is over b'…': bytes were put into a text. Join bytes with bytes, (timestamp + ".").encode() +
      body, or decode the body first.`,
  ],
  body_buffer: [
    true,
    t`A Buffer was signed as JSON`,
    t`The signature is over {"type":"Buffer","data":[…]}: JSON.stringify was given the raw bytes. ${RAW}`,
  ],
  body_undefined: [
    true,
    t`The body was missing`,
    t`The signature is over “undefined”, “null” or “None” where the body should be: the variable had no value. ${RAW}`,
  ],
  body_empty: [
    true,
    t`An empty body was signed`,
    t`The signature is over nothing where the body should be: something has read the request before your verifier did.`,
  ],
  timestamp_in_milliseconds: [true, t`The timestamp is in milliseconds`, t`It has 13 digits. ${SECONDS}`],
  milliseconds_signed: [
    true,
    t`The signature is over milliseconds`,
    t`It was computed with the timestamp in milliseconds. ${SECONDS}`,
  ],
  payload_timestamp_signed: [
    true,
    t`The payload’s timestamp was signed`,
    t`The signature was computed with the “timestamp” in the body. Take the header X-Nano-Timestamp: it is the time of
      the attempt.`,
  ],
  timestamp_undefined: [
    true,
    t`The timestamp was missing`,
    t`The signature is over “undefined”, “null” or “None” where the timestamp should be: read the header
      X-Nano-Timestamp (some frameworks have its name in lower case).`,
  ],
  timestamp_not_seconds: [true, t`The timestamp is not a number of seconds`, SECONDS],
  timestamp_too_old: [
    false,
    t`The timestamp is more than five minutes old`,
    t`That is to be expected when you look at a past attempt. A verifier should refuse it, as a replay; if yours does
      so with fresh ones, look at your server’s clock.`,
  ],
  timestamp_in_the_future: [
    false,
    t`The timestamp is in the future`,
    t`By more than five minutes, measured by this device’s clock. A verifier should refuse it.`,
  ],
  timestamp_not_signed: [
    true,
    t`The body alone was signed`,
    t`The timestamp belongs in front of it, with a dot in between: <timestamp>.<body>`,
  ],
  dot_missing: [true, t`The dot is missing`, t`Between the timestamp and the body stands a dot: <timestamp>.<body>`],
  wrong_order: [true, t`The body stands before the timestamp`, t`The timestamp comes first: <timestamp>.<body>`],
  id_signed: [
    true,
    t`The delivery’s id was signed too`,
    t`That is how webhook-signature is made. X-Nano-Signature is over <timestamp>.<body>, without the id.`,
  ],
  id_not_signed: [
    true,
    t`The delivery’s id was not signed`,
    t`That is how X-Nano-Signature is made. webhook-signature is over <id>.<timestamp>.<body>.`,
  ],
  old_secret: [
    true,
    t`The other secret was used`,
    t`The signature is right for the other secret that you gave. If it is another webhook’s, use this webhook’s own:
      each has one. If this webhook’s secret is being rotated, the old one signs X-Nano-Signature until the switch and
      the new one from then on. The other of the two signs X-Nano-Signature-Next or X-Nano-Signature-Previous, and
      webhook-signature has both.`,
  ],
  signed_beside: [
    false,
    t`This secret signs a header beside X-Nano-Signature`,
    t`The webhook’s secret is being rotated. If your server reads X-Nano-Signature alone, it needs the old secret
      until the switch and the new one from then on. The webhook’s page says how far the rotation is.`,
  ],
  secret_prefix_removed: [
    true,
    t`The secret lacks its whsec_`,
    t`For X-Nano-Signature the key is the whole secret as text, whsec_ included.`,
  ],
  secret_prefix_missing: [
    true,
    t`The secret lacks its whsec_`,
    t`The signature is right for the secret with whsec_ in front. Copy the secret whole.`,
  ],
  secret_taken_for_base64: [
    true,
    t`The secret was base64-decoded`,
    t`Your library took the secret for base64. If it is a text of your own, give the library its bytes
      (Webhook(secret.encode()) in Python, new Webhook(secret, { format: "raw" }) in Node); if it began with whsec_,
      copy it whole.`,
  ],
  secret_decoded: [
    true,
    t`The secret was base64-decoded`,
    t`For X-Nano-Signature the key is the secret’s text as it is. Only webhook-signature uses the decoded bytes.`,
  ],
  secret_not_decoded: [
    true,
    t`The secret was not base64-decoded`,
    t`For webhook-signature the key is what follows whsec_, base64-decoded. Standard Webhooks libraries do that
      themselves.`,
  ],
  secret_hex_decoded: [
    true,
    t`The secret was hex-decoded`,
    t`The key is the secret’s text as it is, even where it looks like hex.`,
  ],
  secret_empty: [
    true,
    t`There was no secret`,
    t`The signature was computed with an empty key, as with a variable that is not set. Stop when there is no secret:
      with an empty one, everybody can sign.`,
  ],
  secret_undefined: [
    true,
    t`The secret was missing`,
    t`The key was the text “undefined”, “null” or “None”: the variable had no value. Stop when there is no secret:
      with a known one, everybody can sign.`,
  ],
  secret_python_bytes: [
    true,
    t`The key was Python’s spelling of bytes`,
    t`The key was b'…': bytes were put into a text. Use secret.encode().`,
  ],
  no_hmac: [
    true,
    t`This is a plain SHA-256`,
    t`It is a hash without a key, or with the secret joined to the text. Use HMAC with SHA-256, as your language’s
      standard library has it.`,
  ],
  secret_spaces: [
    true,
    t`There is more than the secret in the key`,
    t`A space, a line break or quotes around the secret were taken for a part of it; that happens in .env files and
      when copying.`,
  ],
  header_of_the_other_scheme: [
    true,
    t`This is the other header’s form`,
    {
      [PAGE]: t`v1,<base64> is a webhook-signature. Choose that scheme above, or take the header X-Nano-Signature.`,
      [STANDARD]: t`v1=<hex> is an X-Nano-Signature. Choose that scheme above, or take the header webhook-signature.`,
    },
  ],
  v1_missing: [
    true,
    { [PAGE]: t`The v1= in front is missing`, [STANDARD]: t`The v1, in front is missing` },
    {
      [PAGE]:
        t`The header is v1= and then the hex. Put it in front of what you computed before you compare, or cut it from
          the header.`,
      [STANDARD]:
        t`The header is v1, and then the base64. Put it in front of what you computed before you compare, or cut it
          from the header.`,
    },
  ],
  hex_upper_case: [
    true,
    t`The hex is in upper case`,
    t`The header has lower-case hex, and a comparison of texts tells them apart.`,
  ],
  base64_for_hex: [
    true,
    t`This is base64 instead of hex`,
    t`X-Nano-Signature is written in hex; ask your HMAC function for a hex digest.`,
  ],
  hex_for_base64: [
    true,
    t`This is hex instead of base64`,
    t`webhook-signature is written in base64; ask your HMAC function for a base64 digest.`,
  ],
  base64_spelling: [
    true,
    t`The base64 is spelt differently`,
    t`The header has the standard alphabet, with + and /, and the = at the end. A comparison of texts refuses
      base64url (with - and _) and base64 without its padding.`,
  ],
  base64_of_hex: [
    true,
    t`This is the base64 of a hex text`,
    t`The digest was written as hex first and then encoded again. Encode the 32 bytes once.`,
  ],
  sha1: [true, t`This is as long as a SHA-1 digest`, t`The signature is an HMAC with SHA-256: 32 bytes.`],
  sha512: [true, t`This is as long as a SHA-512 digest`, t`The signature is an HMAC with SHA-256: 32 bytes.`],
  not_a_signature: [
    true,
    t`This is not a whole signature`,
    {
      [PAGE]: t`It should be v1= and 64 characters of hex. Was it cut while copying?`,
      [STANDARD]: t`It should be v1, and 44 characters of base64. Was it cut while copying?`,
    },
  ],
  no_match: [
    true,
    t`The signature is of something else`,
    t`None of the usual mistakes explains it. The body, the timestamp and the secret must be of the same attempt: each
      attempt has a timestamp of its own, and each webhook a secret of its own. If you have several webhooks, give the
      other one’s secret as the other secret.`,
  ],
};

/** The finding of a code for this scheme: `{ code, problem, title, fix }`. */
export function finding(code, scheme) {
  const [problem, title, fix] = MEANINGS[code];
  const of = (text) => (typeof text === 'string' ? text : text[scheme]);
  return { code, problem, title: of(title), fix: of(fix) };
}
