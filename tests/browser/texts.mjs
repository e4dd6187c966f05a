// Reads the console's modules with a parser, and prints as JSON: `wrong`, what is wrong with their texts; `service`, the
// texts of the service that the German file has; and `untranslated`, those of the given sentences of the service that the
// console would show in English. Arguments: the folder with the modules, and the folder with the installed packages. The
// sentences come from the standard input, as a list in JSON.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, packages] = process.argv.slice(2);
const { parse } = await import(pathToFileURL(join(packages, 'acorn/dist/acorn.mjs')));
const { TEXTS, SERVICE } = await module('texts/de.js');
const { translator } = await module('text.js');

const TAGS = ['t', 'parts'];
/** The functions whose arguments, from this one on, are shown or read out. */
const SHOWN = {
  h: 2, svg: 2, fill: 1, refill: 1, say: 0, openDialog: 0, problem: 0, showMissing: 0, setTitle: 0, refuse: 2, notice: 1,
  workButton: 1, copyButton: 1, turnButton: 0, choice: 0, step: 0, counted: 1,
};
/** The properties that are shown or read out. */
const SHOWN_PROPERTIES = ['title', 'aria-label', 'placeholder', 'alt', 'text', 'action', 'empty'];
/** The properties whose values are words of HTML, CSS or HTTP. */
const WORDS = ['class', 'd', 'role', 'rel', 'id', 'authorization', 'data-name', 'autocomplete', 'aria-describedby'];
/** What is code, or a name that is the same in every language. */
const CODE = [
  '.env', 'Content-Type', 'DNS', 'HMAC', 'PATCH', 'SHA-256', 'TLS', 'User-Agent', 'X-Api-Key: …', 'X-Nano-Attempt',
  'X-Nano-Event', 'X-Nano-Signature', 'X-Nano-Timestamp', '/webhook', 'application/json', 'https://example.com/webhooks',
  'job.completed', 'job.failed', 'nano-webhooks keys create', 'sk-…', 'v1,…', 'v1=…', 'webhook-id', 'webhook-signature',
  'select all', 'webhook-timestamp', 'whsec_…', '{"event":"job.completed", …}', '01KDYAK3482WAV4DVEFM6KBDXQ', '1734949200',
];
/** English in every language: the beginnings of English messages of the API, and a command of a shell. */
const ENGLISH = [
  'The URL', 'The secret', 'Task types', 'The number of requests', 'the service answered {0}',
  'curl \'{0}\' -H "Authorization: Bearer $NANO_WEBHOOKS_KEY"',
];
/** Modules without anything that is shown. */
const SILENT = ['signature.js', 'spellings.js', 'text.js'];

const wrong = [];
const used = new Set();

for (const name of readdirSync(folder).filter((file) => file.endsWith('.js'))) {
  const source = readFileSync(join(folder, name), 'utf8');
  visit(parse(source, { ecmaVersion: 'latest', sourceType: 'module', locations: true }), [], name);
}
for (const [text, translation] of Object.entries(TEXTS)) {
  if (!used.has(text)) wrong.push(`no module has the text ${JSON.stringify(text)}`);
  compare(text, translation);
}
for (const [text, translation] of Object.entries(SERVICE)) compare(text, translation);
const translate = translator(SERVICE);
const untranslated = JSON.parse(readFileSync(0, 'utf8')).filter((sentence) => translate(sentence) === null);
console.log(JSON.stringify({ wrong, service: Object.keys(SERVICE), untranslated }));

/** Imports a module of the console. Node would take a file outside of a package for another kind of module. */
function module(name) {
  return import(`data:text/javascript,${encodeURIComponent(readFileSync(join(folder, name), 'utf8'))}`);
}

function visit(node, above, file) {
  const at = `${file}:${node.loc?.start.line}`;
  if (node.type === 'TaggedTemplateExpression' && TAGS.includes(node.tag.name)) {
    const key = keyOf(node.quasi);
    used.add(key);
    if (!(key in TEXTS)) wrong.push(`${at}: no translation of ${JSON.stringify(key)}`);
    if (key !== key.trim()) wrong.push(`${at}: a part of a sentence, not a whole text: ${JSON.stringify(key)}`);
  } else if (!SILENT.includes(file)) {
    const text = textOf(node);
    if (text !== null && !isExempt(text, above) && (isProse(text) || (/\p{L}/u.test(text) && isShown(node, above)))) {
      wrong.push(`${at}: not marked as a text: ${JSON.stringify(text)}`);
    }
  }
  for (const [name, child] of Object.entries(node)) {
    if (name === 'loc') continue;
    for (const one of Array.isArray(child) ? child : [child]) {
      if (one && typeof one.type === 'string') visit(one, [...above, node], file);
    }
  }
}

/** A literal's text, with numbers at the places of a template's values. `null` if the node is no text. */
function textOf(node) {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  return node.type === 'TemplateLiteral' ? keyOf(node) : null;
}

function keyOf({ quasis }) {
  const texts = quasis.map(({ value }) => value.cooked.replace(/\s*\n\s*/g, ' '));
  return texts.map((text, at) => (at === 0 ? text : `{${at - 1}}${text}`)).join('');
}

/** Words with a space between them, or one with a capital. */
function isProse(text) {
  return /\p{L}[,.:;]? +(\{\d+\} +)?\p{L}/u.test(text) || /^\p{Lu}\p{Ll}+[ .…]*$/u.test(text);
}

function isExempt(text, above) {
  const parent = above.at(-1);
  const property = above.findLast(({ type }) => type === 'Property');
  const propertyName = property?.key.name ?? property?.key.value;
  return (
    CODE.includes(text) ||
    ENGLISH.includes(text) ||
    // A place with code around it, such as the end of a key.
    /^(sk-…|whsec_|WEBHOOK_SECRET=|nano-webhooks\/|#|webhooks\/|events|docs|\\u|\{0\} ms|\{0\} s|\{0\} min|\{0\} h)/.test(text) ||
    parent.type === 'ImportDeclaration' ||
    parent.type === 'TaggedTemplateExpression' ||
    (parent.type === 'Property' && (parent.key === text || parent.key.value === text)) ||
    (above.length > 1 && isComparison(parent)) ||
    WORDS.includes(propertyName)
  );
}

function isComparison({ type, operator }) {
  return type === 'SwitchCase' || (type === 'BinaryExpression' && operator !== '+');
}

/** Whether a node is, as it is or as one of several choices, an argument or a property that is shown. */
function isShown(node, above) {
  let below = node;
  for (const parent of above.toReversed()) {
    if (['ConditionalExpression', 'LogicalExpression', 'ArrayExpression', 'TemplateLiteral'].includes(parent.type)) {
      if (parent.test === below) return false;
    } else if (parent.type === 'CallExpression') {
      const first = SHOWN[parent.callee.name];
      return first !== undefined && parent.arguments.indexOf(below) >= first;
    } else if (parent.type === 'Property') {
      return parent.value === below && SHOWN_PROPERTIES.includes(parent.key.name ?? parent.key.value);
    } else if (parent.type === 'AssignmentExpression') {
      return parent.left.property?.name === 'textContent';
    } else if (parent.type !== 'BinaryExpression' || parent.operator !== '+') return false;
    below = parent;
  }
  return false;
}

function compare(text, translation) {
  const places = (of) => [...of.matchAll(/\{\d+\}/g)].map(([place]) => place).sort().join();
  if (places(text) !== places(translation)) wrong.push(`other places in the translation of ${JSON.stringify(text)}`);
}
