// The dialog that creates or changes a webhook.

import { request } from './api.js';
import { failureText, openDialog, showSecret } from './dialogs.js';
import { fill, h, safely, say } from './dom.js';

const EVENTS = [
  ['job.completed', 'A task finished, and its result is in the payload.'],
  ['job.failed', 'A task failed, and the payload says why.'],
];

/**
 * Opens the dialog. It creates a webhook if `webhook` is null. Calls `done` with the saved webhook, after showing a new
 * secret.
 */
export function editWebhook(webhook, done) {
  const form = {
    webhook,
    done,
    url: urlInput(webhook),
    boxes: EVENTS.map(([event], at) => eventBox(event, at, webhook)),
    secret: secretInput(),
    error: h('p', { class: 'error', id: 'form-error', role: 'alert' }),
    save: h('button', { class: 'primary' }, webhook ? 'Save' : 'Add webhook'),
    // A repeated request keeps its idempotency key, so that a retry after a lost response does not create a second
    // webhook.
    asked: '',
    idempotencyKey: '',
  };
  form.dialog = openDialog(webhook ? 'Edit webhook' : 'Add webhook', formElement(form));
  form.url.focus();
}

function formElement(form) {
  const close = () => form.dialog.close();
  return h(
    'form',
    { novalidate: true, onsubmit: (event) => submit(form, event) },
    h('label', { for: 'url' }, 'Endpoint URL'),
    form.url,
    h('p', { class: 'hint', id: 'url-hint' }, 'https, and reachable from the internet.'),
    h(
      'fieldset',
      {},
      h('legend', {}, 'Events'),
      form.boxes.map((box, at) => eventRow(box, EVENTS[at])),
    ),
    !form.webhook && ownSecret(form.secret),
    h('div', { class: 'actions' }, h('button', { type: 'button', onclick: close }, 'Cancel'), form.save),
  );
}

function urlInput(webhook) {
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
  return url;
}

/** The URL that a user means: `example.com/hooks` gets the scheme https. */
function withScheme(text) {
  const url = text.trim();
  return /^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?([/?#]|$)/i.test(url) ? `https://${url}` : url;
}

function eventBox(event, at, webhook) {
  const checked = webhook?.events.includes(event) ?? true;
  return h('input', { type: 'checkbox', id: `event-${at}`, value: event, checked });
}

function eventRow(box, [event, meaning]) {
  const label = h('label', { for: box.id }, h('code', {}, event), h('span', { class: 'hint' }, meaning));
  return h('div', { class: 'check' }, box, label);
}

function secretInput() {
  return h('input', {
    id: 'secret',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'none',
    'aria-describedby': 'secret-hint',
  });
}

function ownSecret(secret) {
  return h(
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
  );
}

async function submit(form, event) {
  event.preventDefault();
  const { webhook, url, boxes, secret, save, done } = form;
  url.value = withScheme(url.value);
  const body = { url: url.value, events: boxes.filter((box) => box.checked).map((box) => box.value) };
  if (!webhook && secret.value !== '') body.secret_key = secret.value;
  if (!body.url) return refuse(form, url, 'Enter the URL of your endpoint.');
  if (body.events.length === 0) return refuse(form, boxes[0], 'Choose at least one event.');
  save.disabled = true;
  try {
    const saved = await send(form, body);
    form.dialog.close();
    say(webhook ? 'Saved' : 'Webhook added');
    if (saved.secret_key) showSecret(saved.secret_key, () => done(saved));
    else done(saved);
  } catch (failure) {
    const [, name] = /^(url|events|secret_key)\b/i.exec(failure.message) ?? [];
    const text = failureText(failure)
      .replace(/^Url\b/, 'The URL')
      .replace(/^Secret_key\b/, 'The secret');
    refuse(form, { Url: url, Events: boxes[0], Secret_key: secret }[name] ?? save, text);
  }
  save.disabled = false;
}

function send(form, body) {
  if (form.webhook) return request('PATCH', `webhooks/${form.webhook.id}`, { body });
  const asked = JSON.stringify(body);
  if (asked !== form.asked) Object.assign(form, { asked, idempotencyKey: crypto.randomUUID() });
  return request('POST', 'webhooks', { body, headers: { 'idempotency-key': form.idempotencyKey } });
}

/** Shows an error beside the field that it is about. */
function refuse({ url, boxes, secret, save, error }, field, text) {
  fill(error, safely(text));
  if (field === save) field.parentElement.before(error);
  else if (field === boxes[0]) field.closest('fieldset').append(error);
  else field.nextElementSibling.after(error);
  for (const input of [url, secret, boxes[0], save]) input.removeAttribute('aria-invalid');
  field.setAttribute('aria-invalid', 'true');
  field.focus();
}
