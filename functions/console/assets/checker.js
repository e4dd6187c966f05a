// The signature checker's page. signature.js does the checking.

import { copyButton, fill, h, say } from './dom.js';
import { setTitle } from './name.js';
import { readRequest, schemeOf } from './request.js';
import { PAGE, STANDARD } from './schemes.js';
import { check } from './signature.js';
import { t } from './text.js';

/** What another page wants to have checked. The checker's next visit takes it, and only that visit. */
let prepared = {};

/** Fills the fields of the checker's next visit. */
export function checkThis(fields) {
  prepared = fields;
}

export function checkerPage(content, { signal }) {
  setTitle(t`Signature checker`);
  const page = { signal, result: h('div', { class: 'result', role: 'status' }), lastCheck: null };
  page.schemes = [PAGE, STANDARD].map((name) =>
    h('input', { type: 'radio', name: 'scheme', value: name, checked: name === PAGE, onchange: () => update(page) }),
  );
  page.fields = fieldsOf(page, prepared);
  prepared = {};
  page.idRow = row(page, 'id', t`Delivery id`, t`The header webhook-id.`);
  const intro =
    t`Your server says no to a signature? Paste what it worked with, and see what went wrong. All of it stays in this
      tab.`;
  fill(
    content,
    h('div', { class: 'head' }, h('div', {}, h('h1', {}, t`Signature checker`), h('p', { class: 'hint' }, intro))),
    h('div', { class: 'two checker' }, checkerForm(page), page.result),
  );
  update(page);
}

/** The inputs, by the names of what `check` takes. */
function fieldsOf(page, { id = '', body = '', timestamp = '', secret = '' }) {
  const typed = () => update(page);
  const input = (name, properties) => field(name, 'input', { oninput: typed, ...properties });
  const signature = input('signature', {
    placeholder: 'v1=…',
    oninput: () => {
      chooseScheme(page, signature.value);
      update(page);
    },
  });
  return {
    body: field('body', 'textarea', { rows: 7, placeholder: '{"event":"job.completed", …}', oninput: typed }, body),
    timestamp: input('timestamp', { inputmode: 'numeric', value: timestamp, placeholder: '1734949200' }),
    id: input('id', { value: id, placeholder: '01KDYAK3482WAV4DVEFM6KBDXQ' }),
    secret: input('secret', { value: secret, placeholder: 'whsec_…' }),
    oldSecret: input('old-secret', {}),
    signature,
  };
}

function field(name, tag, properties, text = '') {
  const common = { id: `check-${name}`, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' };
  return h(tag, { ...common, ...properties }, text);
}

function checkerForm(page) {
  return h(
    'form',
    { class: 'card', novalidate: true, onsubmit: (event) => event.preventDefault() },
    wholeRequest(page),
    h(
      'fieldset',
      {},
      h('legend', {}, t`Header`),
      h(
        'div',
        { class: 'segments' },
        page.schemes.map((input) => h('label', {}, input, h('span', {}, input.value))),
      ),
    ),
    row(page, 'body', t`Body`, t`As it arrived, before anything parsed it.`),
    row(page, 'timestamp', t`Timestamp`, t`The header X-Nano-Timestamp (webhook-timestamp has the same value).`),
    page.idRow,
    row(page, 'secret', t`Signing secret`),
    h(
      'details',
      {},
      h('summary', {}, t`It may have been another secret: an old one, or another webhook’s`),
      row(page, 'oldSecret', t`The other secret`),
    ),
    row(page, 'signature', t`The signature that you computed`, t`Or the one that arrived.`),
  );
}

/** A field for a whole request, which fills the other fields. */
function wholeRequest(page) {
  const request = field('request', 'textarea', {
    rows: 5,
    oninput: () => {
      for (const [name, value] of Object.entries(readRequest(request.value))) page.fields[name].value = value;
      chooseScheme(page, page.fields.signature.value);
      update(page);
    },
  });
  const hint = t`Headers, an empty line and the body, as a log or a tunnel shows them. The fields take what they need.`;
  return h(
    'details',
    {},
    h('summary', {}, t`Paste the whole request`),
    h('label', { for: request.id }, t`Request`),
    request,
    h('p', { class: 'hint' }, hint),
  );
}

function row({ fields }, name, label, hint) {
  return h(
    'div',
    { class: 'field' },
    h('label', { for: fields[name].id }, label),
    fields[name],
    hint && h('p', { class: 'hint' }, hint),
  );
}

/** Chooses the header that a signature's form belongs to. */
function chooseScheme({ schemes }, signature) {
  const scheme = schemeOf(signature);
  for (const input of schemes) if (scheme) input.checked = input.value === scheme;
}

/** Checks what the fields contain, and shows the result. */
async function update(page) {
  const { fields, result } = page;
  const scheme = page.schemes.find((input) => input.checked).value;
  page.idRow.hidden = scheme === PAGE;
  fields.signature.placeholder = scheme === PAGE ? 'v1=…' : 'v1,…';
  const thisCheck = Symbol('check');
  page.lastCheck = thisCheck;
  const values = Object.fromEntries(Object.entries(fields).map(([name, input]) => [name, input.value]));
  const needed = ['body', 'timestamp', ...(scheme === PAGE ? [] : ['id']), 'secret', 'signature'];
  const missing = needed.filter((name) => values[name].trim() === '');
  if (missing.length > 0) return fill(result, missingCard(missing));
  const verdict = await check({ scheme, ...values });
  // The next letter may have been typed meanwhile.
  if (!page.signal.aborted && page.lastCheck === thisCheck) fill(result, verdictCard(scheme, verdict));
}

const NAMES = {
  body: t`the body`,
  timestamp: t`the timestamp`,
  id: t`the delivery’s id`,
  secret: t`the secret`,
  signature: t`the signature`,
};

function missingCard(missing) {
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, t`Result`),
    h('p', { class: 'none' }, t`Still missing: ${missing.map((name) => NAMES[name]).join(', ')}.`),
  );
}

function verdictCard(scheme, { verdict, expected, findings }) {
  const title = {
    equal: t`The signature is right`,
    explained: t`The signature is wrong, and this is why`,
    unknown: t`The signature is wrong`,
  }[verdict];
  say(title);
  const one = ({ title: what, fix, problem }) =>
    h('li', { class: problem ? 'problem' : 'remark' }, h('strong', {}, what), h('p', {}, fix));
  return h(
    'section',
    { class: `card verdict ${verdict === 'equal' ? 'right' : 'wrong'}` },
    h('h2', {}, title),
    findings.length > 0 && h('ul', { class: 'findings' }, findings.map(one)),
    h('h3', {}, t`${scheme} should be`),
    h('div', { class: 'secret' }, h('code', {}, expected), copyButton(expected)),
  );
}
