// The signature checker's page; the thinking is in signature.js.

import { copyButton, fill, h, say } from './dom.js';
import { readRequest, schemeOf } from './request.js';
import { PAGE, STANDARD } from './schemes.js';
import { check } from './signature.js';

/** What another page wants to have checked. It is taken once. */
let prepared = {};

export function checkThis(fields) {
  prepared = fields;
}

export function checkerPage(content, { signal }) {
  document.title = 'Signature checker · Webhooks';
  const { id = '', body = '', timestamp = '', secret = '' } = prepared;
  prepared = {};
  const field = (name, tag, properties, ...rest) =>
    h(
      tag,
      {
        id: `check-${name}`,
        autocomplete: 'off',
        autocapitalize: 'none',
        spellcheck: 'false',
        oninput: update,
        ...properties,
      },
      rest,
    );
  const fields = {
    body: field('body', 'textarea', { rows: 7, placeholder: '{"event":"job.completed", …}' }, body),
    timestamp: field('timestamp', 'input', { inputmode: 'numeric', value: timestamp, placeholder: '1734949200' }),
    id: field('id', 'input', { value: id, placeholder: '01KDYAK3482WAV4DVEFM6KBDXQ' }),
    secret: field('secret', 'input', { value: secret, placeholder: 'whsec_…' }),
    oldSecret: field('old-secret', 'input', {}),
    signature: field('signature', 'input', { placeholder: 'v1=…' }),
  };
  const request = field('request', 'textarea', { rows: 5, oninput: takeRequest });
  const schemes = [PAGE, STANDARD].map((name) =>
    h('input', { type: 'radio', name: 'scheme', value: name, checked: name === PAGE, onchange: update }),
  );
  const row = (name, label, hint) =>
    h(
      'div',
      { class: 'field' },
      h('label', { for: fields[name].id }, label),
      fields[name],
      hint && h('p', { class: 'hint' }, hint),
    );
  const idRow = row('id', 'Delivery id', 'The header webhook-id.');
  const result = h('div', { class: 'result', role: 'status' });
  fill(
    content,
    h(
      'div',
      { class: 'head' },
      h(
        'div',
        {},
        h('h1', {}, 'Signature checker'),
        h(
          'p',
          { class: 'hint' },
          'Your server says no to a signature? Paste what it worked with, and see what went wrong. All of it ' +
            'stays in this tab.',
        ),
      ),
    ),
    h(
      'div',
      { class: 'two checker' },
      h(
        'form',
        { class: 'card', novalidate: true, onsubmit: (event) => event.preventDefault() },
        h(
          'details',
          {},
          h('summary', {}, 'Paste the whole request'),
          h('label', { for: request.id }, 'Request'),
          request,
          h(
            'p',
            { class: 'hint' },
            'Headers, an empty line and the body, as a log or a tunnel shows them. The fields take what they need.',
          ),
        ),
        h(
          'fieldset',
          {},
          h('legend', {}, 'Header'),
          h(
            'div',
            { class: 'segments' },
            [PAGE, STANDARD].map((name, at) => h('label', {}, schemes[at], h('span', {}, name))),
          ),
        ),
        row('body', 'Body', 'As it arrived, before anything parsed it.'),
        row('timestamp', 'Timestamp', 'The header X-Nano-Timestamp (webhook-timestamp has the same value).'),
        idRow,
        row('secret', 'Signing secret'),
        h(
          'details',
          {},
          h('summary', {}, 'It may have been another secret: an old one, or another webhook’s'),
          row('oldSecret', 'The other secret'),
        ),
        row('signature', 'The signature that you computed', 'Or the one that arrived.'),
      ),
      result,
    ),
  );
  update();

  /** The form of what was pasted says which header is meant. */
  function choose(signature) {
    const scheme = schemeOf(signature);
    for (const input of schemes) if (scheme) input.checked = input.value === scheme;
  }

  function takeRequest() {
    for (const [name, value] of Object.entries(readRequest(request.value))) fields[name].value = value;
    choose(fields.signature.value);
    update();
  }

  async function update() {
    if (this === fields.signature) choose(this.value);
    const scheme = schemes.find((input) => input.checked).value;
    idRow.hidden = scheme === PAGE;
    fields.signature.placeholder = scheme === PAGE ? 'v1=…' : 'v1,…';
    const stamp = (update.stamp = Symbol('the last check'));
    const values = Object.fromEntries(Object.entries(fields).map(([name, input]) => [name, input.value]));
    const needed = ['body', 'timestamp', ...(scheme === PAGE ? [] : ['id']), 'secret', 'signature'];
    const missing = needed.filter((name) => values[name].trim() === '');
    if (missing.length > 0) return fill(result, missingCard(missing));
    const verdict = await check({ scheme, ...values });
    // The next letter may have been typed meanwhile.
    if (!signal.aborted && update.stamp === stamp) fill(result, verdictCard(scheme, verdict));
  }
}

const NAMES = {
  body: 'the body',
  timestamp: 'the timestamp',
  id: 'the delivery’s id',
  secret: 'the secret',
  signature: 'the signature',
};

function missingCard(missing) {
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Result'),
    h('p', { class: 'none' }, `Still missing: ${missing.map((name) => NAMES[name]).join(', ')}.`),
  );
}

function verdictCard(scheme, { verdict, expected, findings }) {
  const title = {
    equal: 'The signature is right',
    explained: 'The signature is wrong, and this is why',
    unknown: 'The signature is wrong',
  }[verdict];
  say(title);
  const one = ({ title: what, fix, problem }) =>
    h('li', { class: problem ? 'problem' : 'remark' }, h('strong', {}, what), h('p', {}, fix));
  return h(
    'section',
    { class: `card verdict ${verdict === 'equal' ? 'right' : 'wrong'}` },
    h('h2', {}, title),
    findings.length > 0 && h('ul', { class: 'findings' }, findings.map(one)),
    h('h3', {}, `${scheme} should be`),
    h('div', { class: 'secret' }, h('code', {}, expected), copyButton(expected)),
  );
}
