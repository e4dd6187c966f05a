// The variants of a body that other programs write, by mistake or by habit. Does not use the DOM.

/** The texts that a variable without a value becomes. */
export const NOTHING = ['undefined', 'null', 'None', 'nil', 'NaN'];

const encode = (string) => new TextEncoder().encode(string);

/** The body, and the texts that programs often sign by mistake: `{ text, codes }`, the right one first. */
export function bodies(body) {
  const all = [{ text: body, codes: [] }];
  const trimmed = body.replace(/\s+$/, '');
  for (const text of [trimmed, `${trimmed}\n`, `${trimmed}\r\n`]) all.push({ text, codes: ['trailing_newline'] });
  const value = parsed(body);
  if (value !== undefined) {
    for (const [code, text] of spellings(value)) all.push({ text, codes: [code] });
    const data = value?.data;
    if (data !== undefined) all.push(...spellings(data).map(([, text]) => ({ text, codes: ['body_data'] })));
  }
  all.push({ text: pythonBytes(body), codes: ['body_python_bytes'] });
  all.push({ text: JSON.stringify({ type: 'Buffer', data: [...encode(body)] }), codes: ['body_buffer'] });
  for (const text of NOTHING) all.push({ text, codes: ['body_undefined'] });
  all.push({ text: JSON.stringify(body), codes: ['body_quoted'] });
  all.push({ text: '[object Object]', codes: ['body_object'] }, { text: '', codes: ['body_empty'] });
  return once(all, ({ text }) => text);
}

/** The same JSON in the formats of other programs. */
function spellings(value) {
  const compact = { comma: ',', colon: ':' };
  const spaced = { comma: ', ', colon: ': ' };
  const both = (style) => [write(value, style), write(value, { ...style, sorted: true })];
  return [
    ['body_compact', JSON.stringify(value)],
    ...[2, 4, '\t'].map((indent) => ['body_indented', JSON.stringify(value, null, indent)]),
    ...both({ ...spaced, ascii: true }).map((text) => ['body_spaced', text]),
    ...both(spaced).map((text) => ['body_spaced', text]),
    ['body_sorted', write(value, { ...compact, sorted: true })],
    ...both({ ...compact, ascii: true }).map((text) => ['body_escaped', text]),
    ...both({ ...compact, ascii: true, slashes: true }).map((text) => ['body_escaped', text]),
    ...both({ ...compact, html: true }).map((text) => ['body_escaped', text]),
  ];
}

function write(value, style) {
  if (typeof value === 'string') return text(value, style);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, style)).join(style.comma)}]`;
  const names = style.sorted ? Object.keys(value).sort() : Object.keys(value);
  return `{${names.map((name) => text(name, style) + style.colon + write(value[name], style)).join(style.comma)}}`;
}

function text(string, { ascii, slashes, html }) {
  const escape = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  let written = JSON.stringify(string);
  if (ascii) written = written.replace(/[\u007f-\uffff]/g, escape);
  if (slashes) written = written.replaceAll('/', '\\/');
  if (html) written = written.replace(/[<>&\u2028\u2029]/g, escape);
  return written;
}

/** A text in the form in which Python's str() writes bytes: b'…' */
export function pythonBytes(string) {
  const quote = string.includes("'") && !string.includes('"') ? '"' : "'";
  const named = { 9: '\\t', 10: '\\n', 13: '\\r', 92: '\\\\', [quote.charCodeAt(0)]: `\\${quote}` };
  const written = (byte) => {
    if (named[byte]) return named[byte];
    return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  };
  return `b${quote}${Array.from(encode(string), written).join('')}${quote}`;
}

export function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The items without duplicates: of several with the same name, only the first. */
export function once(items, name) {
  const seen = new Set();
  return items.filter((item) => !seen.has(name(item)) && seen.add(name(item)));
}
