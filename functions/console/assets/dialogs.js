// The dialogs that create, change and delete a webhook.

import { request } from './api.js';
import { clock, copyButton, fill, h, safely, say } from './dom.js';

const EVENTS = [
  ['job.completed', 'A task finished, and its result is in the payload.'],
  ['job.failed', 'A task failed, and the payload says why.'],
];

/** The URL that a user means: `example.com/hooks` gets the scheme https. */
function withScheme(text) {
  const url = text.trim();
  return /^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?([/?#]|$)/i.test(url) ? `https://${url}` : url;
}

/** Opens a modal dialog and returns it. When it closes, the element that opened it gets the focus again. */
export function openDialog(title, ...children) {
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'dialog-title', onclose: () => dialog.remove() },
    h('h2', { id: 'dialog-title' }, title),
    children,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Opens the dialog that creates or changes a webhook. Calls `done` with the webhook, after showing a new secret. */
export function editWebhook(webhook, done) {
  const url = h('input', {
    id: 'url',
    type: 'url',
    inputmode: 'url',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: 2048,
    placeholder: 'https://example.com/webhooks',
    onchange: () => (url.value = withScheme(url.value)),
    value: webhook?.url ?? '',
    'aria-describedby': 'url-hint form-error',
  });
  const boxes = EVENTS.map(([event, meaning], at) => {
    const box = h('input', {
      type: 'checkbox',
      id: `event-${at}`,
      value: event,
      checked: webhook?.events.includes(event) ?? true,
    });
    return {
      box,
      row: h(
        'div',
        { class: 'check' },
        box,
        h('label', { for: `event-${at}` }, h('code', {}, event), h('span', { class: 'hint' }, meaning)),
      ),
    };
  });
  const secret = h('input', {
    id: 'secret',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'none',
    'aria-describedby': 'secret-hint',
  });
  const error = h('p', { class: 'error', id: 'form-error', role: 'alert' });
  const save = h('button', { class: 'primary' }, webhook ? 'Save' : 'Add webhook');
  const form = h(
    'form',
    { novalidate: true, onsubmit: submit },
    h('label', { for: 'url' }, 'Endpoint URL'),
    url,
    h('p', { class: 'hint', id: 'url-hint' }, 'https, and reachable from the internet.'),
    h(
      'fieldset',
      {},
      h('legend', {}, 'Events'),
      boxes.map(({ row }) => row),
    ),
    !webhook &&
      h(
        'details',
        {},
        h('summary', {}, 'Use a secret of my own'),
        h('label', { for: 'secret' }, 'Signing secret'),
        secret,
        h(
          'p',
          { class: 'hint', id: 'secret-hint' },
          '8 to 256 characters without spaces. Leave it empty and a strong one is made for you.',
        ),
      ),
    h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'), save),
  );
  const dialog = openDialog(webhook ? 'Edit webhook' : 'Add webhook', form);
  url.focus();

  // A repeated request keeps its idempotency key, so that a retry after a lost response does not create a second
  // webhook.
  let [asked, idempotencyKey] = ['', ''];

  async function submit(event) {
    event.preventDefault();
    url.value = withScheme(url.value);
    const body = { url: url.value, events: boxes.filter(({ box }) => box.checked).map(({ box }) => box.value) };
    if (!webhook && secret.value !== '') body.secret_key = secret.value;
    if (!body.url) return refuse(url, 'Enter the URL of your endpoint.');
    if (body.events.length === 0) return refuse(boxes[0].box, 'Choose at least one event.');
    if (JSON.stringify(body) !== asked) [asked, idempotencyKey] = [JSON.stringify(body), crypto.randomUUID()];
    save.disabled = true;
    try {
      const saved = webhook
        ? await request('PATCH', `webhooks/${webhook.id}`, { body })
        : await request('POST', 'webhooks', { body, headers: { 'idempotency-key': idempotencyKey } });
      dialog.close();
      say(webhook ? 'Saved' : 'Webhook added');
      if (saved.secret_key) showSecret(saved.secret_key, () => done(saved));
      else done(saved);
    } catch (failure) {
      const [, name] = /^(url|events|secret_key)\b/i.exec(failure.message) ?? [];
      const field = { Url: url, Events: boxes[0].box, Secret_key: secret }[name] ?? save;
      refuse(
        field,
        failureText(failure)
          .replace(/^Url\b/, 'The URL')
          .replace(/^Secret_key\b/, 'The secret'),
      );
    }
    save.disabled = false;
  }

  function refuse(field, text) {
    fill(error, safely(text));
    // Show the error beside the field that it is about.
    if (field === save) field.parentElement.before(error);
    else if (field === boxes[0].box) field.closest('fieldset').append(error);
    else field.nextElementSibling.after(error);
    for (const input of [url, secret, boxes[0].box, save]) input.removeAttribute('aria-invalid');
    field.setAttribute('aria-invalid', 'true');
    field.focus();
  }
}

/** Shows a secret that cannot be read again. Escape closes the dialog only after the user has copied the secret. */
export function showSecret(secret, done) {
  let kept = false;
  const copied = () => {
    kept = true;
    dialog.removeAttribute('closedby');
  };
  const dialog = openDialog(
    'Save the signing secret',
    h(
      'p',
      {},
      'Your server needs it to check that a delivery comes from us. ',
      h('strong', {}, 'It is shown this once'),
      ' and cannot be read again, only replaced.',
    ),
    h(
      'div',
      { class: 'secret' },
      h('code', { 'aria-label': 'Signing secret' }, secret),
      copyButton(secret, 'Copy', copied),
    ),
    h(
      'div',
      { class: 'actions' },
      copyButton(`WEBHOOK_SECRET=${secret}\n`, 'Copy as a line of .env', copied),
      h('button', { type: 'button', class: 'primary', onclick: () => dialog.close() }, 'I have saved it'),
    ),
  );
  // Escape closes dialogs, so it is blocked below: not every browser supports `closedby`. That also blocks a phone's
  // back gesture.
  dialog.setAttribute('closedby', 'none');
  for (const [type, isWayOut] of [
    ['keydown', ({ key }) => key === 'Escape'],
    ['cancel', () => true],
  ]) {
    dialog.addEventListener(type, (event) => {
      if (!kept && isWayOut(event)) event.preventDefault();
    });
  }
  dialog.addEventListener('close', done);
}

/** Asks for confirmation before an action that cannot be undone. */
export function confirmDialog({ title, text, action, danger = true, act }) {
  const error = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { type: 'button', class: danger ? 'danger' : 'primary', onclick: run }, action);
  const dialog = openDialog(
    title,
    text,
    error,
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, 'Cancel'),
      button,
    ),
  );

  async function run() {
    button.disabled = true;
    try {
      const done = await act();
      dialog.close();
      done?.();
    } catch (failure) {
      fill(error, safely(failureText(failure)));
      button.disabled = false;
    }
  }
}

/** The text for a failed request, shown beside the button that made it. */
export function failureText(failure) {
  if (!failure.goOnAt) return failure.message;
  return `Too many requests with this key. Try again at ${clock(failure.goOnAt)}.`;
}
