// One delivery: what was sent, every attempt with its answer, and one more try.

import { request } from './api.js';
import { checkThis } from './checker.js';
import { statePill, watch } from './deliveries.js';
import { capital, copyButton, duration, fill, h, safely, say, time } from './dom.js';
import { advice, label, succeeded } from './explain.js';
import { PAGE, STANDARD } from './schemes.js';
import { sign } from './signature.js';
import { failureText, openDialog } from './dialogs.js';
import { VERSION } from './version.js';

/** After this time a person may take a retry that did not come into their own hands. */
const LONG_OVERDUE = 3_600_000;
/** Outcomes of attempts that did not come as far as the request. */
const NOT_SENT = ['blocked', 'dns', 'connect', 'tls'];

export async function deliveryPage(content, { ids: [webhookId, id], signal, failed }) {
  const path = `webhooks/${webhookId}/deliveries/${id}`;
  let delivery = await request('GET', path, { signal });
  document.title = `Delivery ${id} · Webhooks`;
  // By the API's promise the body has exactly the bytes that JSON.stringify gives.
  const body = JSON.stringify(delivery.payload);
  const [top, attempts] = [h('div'), h('div', { class: 'card attempts' })];
  // For this page's headers; it is forgotten with the page.
  let secret = '';
  const opened = new Map();

  fill(content, top, h('section', {}, h('h2', {}, 'Attempts'), attempts), payloadSection(delivery.payload, body));
  show(delivery);
  if (delivery.status === 'retrying') follow(() => true).catch(failed);
  return null;

  function show(changed) {
    delivery = changed;
    fill(top, head());
    fill(
      attempts,
      delivery.attempts.length > 0
        ? delivery.attempts.map(attemptRow).reverse()
        : h('p', { class: 'none' }, 'None was made.'),
    );
  }

  function head() {
    const { status, next_attempt_at: next } = delivery;
    const waits = status === 'retrying' && Date.now() - Date.parse(next) < LONG_OVERDUE;
    const note = h('p', { class: 'hint', id: 'retry-note', role: 'status' }, waits && ['Next attempt at ', time(next)]);
    const retry = h(
      'button',
      {
        type: 'button',
        class: 'primary',
        disabled: waits,
        onclick: () => retryNow(retry, note),
        'aria-describedby': 'retry-note',
      },
      'Retry now',
    );
    const last = delivery.attempts.at(-1);
    return [
      h(
        'p',
        { class: 'crumbs' },
        h('a', { href: '#/' }, 'Webhooks'),
        ' / ',
        h('a', { href: `#/webhooks/${webhookId}` }, `Webhook ${webhookId}`),
        ' / Delivery',
      ),
      h(
        'div',
        { class: 'head' },
        h(
          'div',
          { class: 'title' },
          h('h1', {}, h('code', {}, delivery.event), ' ', statePill(status)),
          h(
            'p',
            { class: 'facts' },
            h('code', {}, id),
            copyButton(id, 'Copy id'),
            h('span', { class: 'hint' }, 'Task ended ', time(delivery.timestamp)),
          ),
        ),
        h('div', { class: 'tools' }, note, retry),
      ),
      last &&
        !succeeded(last) &&
        h(
          'div',
          { class: 'notice red' },
          h('p', {}, h('strong', {}, safely(capital(last.message)), '. '), advice(last)),
        ),
    ];
  }

  async function retryNow(button, note) {
    button.disabled = true;
    fill(note, 'Queued …');
    const known = delivery.attempts.at(-1)?.started_at;
    try {
      await request('POST', `${path}/retry`);
      say('Queued');
      await follow((changed) => changed.attempts.at(-1)?.started_at !== known);
      // With the first news another button took its place.
      fill(note, 'No attempt came so far. Look again in a while.');
      button.disabled = false;
    } catch (failure) {
      if (signal.aborted) return;
      fill(note, safely(failureText(failure)));
      button.disabled = false;
    }
  }

  /** Shows what comes, from the first news on, until the delivery is finished. */
  async function follow(isNews) {
    let before = JSON.stringify(delivery);
    await watch(signal, {
      look: () => request('GET', path, { signal }),
      show: (changed) => {
        if (!isNews(changed) || JSON.stringify(changed) === before) return;
        before = JSON.stringify(changed);
        show(changed);
        say(`The delivery is ${changed.status}`);
      },
      isFinished: (changed) => changed.status !== 'retrying' && isNews(changed),
    });
  }

  function attemptRow(attempt, at) {
    const isLast = at === delivery.attempts.length - 1;
    const row = h(
      'details',
      { class: 'attempt', open: opened.get(attempt.started_at) ?? isLast },
      h(
        'summary',
        {},
        h('span', { class: `pill ${succeeded(attempt) ? 'green' : 'red'}` }, label(attempt)),
        h('strong', {}, `Attempt ${at + 1}`),
        h('span', { class: 'what' }, safely(capital(attempt.message))),
        h('span', { class: 'hint' }, duration(attempt.duration_ms)),
        h('span', { class: 'hint' }, time(attempt.started_at)),
      ),
      attempt.resent &&
        h(
          'p',
          { class: 'hint' },
          'The connection was an old one and had died, so the request was sent a second time. You may have ' +
            'received it twice.',
        ),
      h(
        'div',
        { class: 'two' },
        h('div', {}, h('h3', {}, 'Response'), response(attempt)),
        h(
          'div',
          {},
          h('h3', {}, NOT_SENT.includes(attempt.outcome) ? 'Headers, had they been sent' : 'Headers'),
          headers(attempt),
        ),
      ),
    );
    // The click comes before the change. A toggle event would come for what the page itself opens, too.
    row.firstChild.addEventListener('click', () => opened.set(attempt.started_at, !row.open));
    return row;
  }

  function response({ response: text, http_status: status }) {
    if (text === null) return h('p', { class: 'none' }, 'No answer came.');
    if (text === '') return h('p', { class: 'none' }, `${status}, with an empty body.`);
    return h('pre', { tabindex: 0, 'aria-label': 'Response body' }, safely(text));
  }

  function headers(attempt) {
    const timestamp = String(Math.floor(Date.parse(attempt.started_at) / 1000));
    const row = (name, content) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, content));
    const signature = (scheme, form) => {
      const value = h(
        'span',
        {},
        form,
        !secret && [' ', h('button', { type: 'button', class: 'link', onclick: askSecret }, 'compute it')],
      );
      if (secret) sign(scheme, { id, timestamp, body, secret }).then((text) => fill(value, text));
      return value;
    };
    const check = () => checkThis({ id, body, timestamp, secret });
    return [
      h(
        'table',
        { class: 'headers' },
        h(
          'tbody',
          {},
          row('Content-Type', 'application/json'),
          row('User-Agent', `nano-webhooks/${VERSION}`),
          row('X-Nano-Event', delivery.event),
          row('X-Nano-Timestamp', timestamp),
          row(PAGE, signature(PAGE, 'v1=…')),
          row('webhook-id', id),
          row('webhook-timestamp', timestamp),
          row(STANDARD, signature(STANDARD, 'v1,…')),
        ),
      ),
      h(
        'p',
        { class: 'hint' },
        'During a rotation there is also X-Nano-Signature-Previous, and one more value in webhook-signature. The ' +
          'history does not keep headers: User-Agent is the current version’s.',
      ),
      h(
        'p',
        { class: 'hint' },
        h('a', { href: '#/signature', onclick: check }, 'Check the signature'),
        ' that your server computed for this attempt.',
      ),
    ];
  }

  function askSecret() {
    const input = h('input', {
      id: 'sign-secret',
      type: 'password',
      autocomplete: 'off',
      'aria-describedby': 'sign-hint',
    });
    const dialog = openDialog(
      'Compute the signatures',
      h(
        'form',
        { novalidate: true, onsubmit },
        h('label', { for: 'sign-secret' }, 'Signing secret'),
        input,
        h(
          'p',
          { class: 'hint', id: 'sign-hint' },
          'It cannot be read from here. Paste yours: the signatures are computed in this tab, and it is sent ' +
            'nowhere and not kept.',
        ),
        h(
          'div',
          { class: 'actions' },
          h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
          h('button', { class: 'primary' }, 'Compute'),
        ),
      ),
    );

    function onsubmit(event) {
      event.preventDefault();
      secret = input.value.trim();
      dialog.close();
      show(delivery);
    }
  }
}

function payloadSection(payload, body) {
  const view = h('pre', { tabindex: 0, class: 'payload', 'aria-label': 'Payload' });
  const readable = () => fill(view, safely(JSON.stringify(payload, null, 2)));
  const asSent = () => fill(view, safely(body));
  const choice = (text, show) =>
    h(
      'label',
      {},
      h('input', { type: 'radio', name: 'form', checked: show === readable, onchange: show }),
      h('span', {}, text),
    );
  readable();
  return h(
    'section',
    { class: 'card' },
    h(
      'div',
      { class: 'head' },
      h('h2', {}, 'Payload'),
      h(
        'div',
        { class: 'inline' },
        h(
          'fieldset',
          { class: 'segments' },
          h('legend', { class: 'sr-only' }, 'Form'),
          choice('Readable', readable),
          choice('As sent', asSent),
        ),
        copyButton(body, 'Copy as sent'),
      ),
    ),
    view,
    h(
      'p',
      { class: 'hint after' },
      `${new TextEncoder().encode(body).length.toLocaleString()} bytes. Signatures are over the payload as ` +
        `sent, byte for byte.`,
    ),
  );
}
