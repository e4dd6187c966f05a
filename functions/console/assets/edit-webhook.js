// The dialog that creates or changes a webhook.

import { request } from './api.js';
import { failureText, openDialog, showSecret } from './dialogs.js';
import { fill, h, say } from './dom.js';
import { sendingFields, sendingInputs, sendingSection } from './edit-sending.js';
import { t } from './text.js';

const EVENTS = [
  ['job.completed', t`A task finished, and its result is in the payload.`],
  ['job.failed', t`A task failed, and the payload says why.`],
  ['*', t`Every event, also those that are added later.`],
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
    description: textInput('description', webhook?.description ?? '', { maxlength: 256 }),
    types: textInput('task-types', webhook?.task_types?.join(', ') ?? '', { 'aria-describedby': 'task-types-hint' }),
    sending: sendingInputs(webhook),
    secret: secretInput(),
    error: h('p', { class: 'error', id: 'form-error', role: 'alert' }),
    save: h('button', { class: 'primary' }, webhook ? t`Save` : t`Add webhook`),
    // A repeated request keeps its idempotency key, so that a retry after a lost response does not create a second
    // webhook.
    asked: '',
    idempotencyKey: '',
  };
  form.dialog = openDialog(webhook ? t`Edit webhook` : t`Add webhook`, formElement(form));
  form.url.focus();
}

function formElement(form) {
  const close = () => form.dialog.close();
  return h(
    'form',
    { novalidate: true, onsubmit: (event) => submit(form, event) },
    h('label', { for: 'url' }, t`Endpoint URL`),
    form.url,
    h('p', { class: 'hint', id: 'url-hint' }, t`https, and reachable from the internet.`),
    h(
      'fieldset',
      {},
      h('legend', {}, t`Events`),
      form.boxes.map((box, at) => eventRow(box, EVENTS[at])),
    ),
    h('label', { for: 'task-types' }, t`Task types`),
    form.types,
    h('p', { class: 'hint', id: 'task-types-hint' }, t`Separated by commas. Empty: tasks of all types.`),
    h('label', { for: 'description' }, t`Description`),
    form.description,
    h('p', { class: 'hint' }, t`For yourself: what this endpoint is for.`),
    sendingSection(form.sending),
    !form.webhook && ownSecret(form.secret),
    h('div', { class: 'actions' }, h('button', { type: 'button', onclick: close }, t`Cancel`), form.save),
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
  const checked = webhook?.events.includes(event) ?? event !== '*';
  return h('input', { type: 'checkbox', id: `event-${at}`, value: event, checked });
}

function eventRow(box, [event, meaning]) {
  const label = h('label', { for: box.id }, h('code', {}, event), h('span', { class: 'hint' }, meaning));
  return h('div', { class: 'check' }, box, label);
}

function secretInput() {
  return textInput('secret', '', { spellcheck: 'false', autocapitalize: 'none', 'aria-describedby': 'secret-hint' });
}

function textInput(id, value, properties) {
  return h('input', { id, type: 'text', autocomplete: 'off', value, ...properties });
}

function ownSecret(secret) {
  return h(
    'details',
    {},
    h('summary', {}, t`Use a secret of my own`),
    h('label', { for: 'secret' }, t`Signing secret`),
    secret,
    h(
      'p',
      { class: 'hint', id: 'secret-hint' },
      t`8 to 256 characters without spaces. Leave it empty and a strong one is made for you.`,
    ),
  );
}

async function submit(form, event) {
  event.preventDefault();
  const { webhook, url, boxes, description, types, sending, secret, save, done } = form;
  url.value = withScheme(url.value);
  const body = bodyOf(form);
  if (!body.url) return refuse(form, url, t`Enter the URL of your endpoint.`);
  if (body.events.length === 0) return refuse(form, boxes[0], t`Choose at least one event.`);
  save.disabled = true;
  try {
    const saved = await send(form, body);
    form.dialog.close();
    say(webhook ? t`Saved` : t`Webhook added`);
    if (saved.secret_key) showSecret(saved.secret_key, () => done(saved));
    else done(saved);
  } catch (failure) {
    const { limit, headers } = sending;
    const others = { description, task_types: types, max_per_minute: limit, headers };
    const inputs = { url, events: boxes[0], secret_key: secret, ...others };
    refuse(form, inputs[failure.field] ?? save, failureText(failure, withNames));
  }
  save.disabled = false;
}

/** The service's text about a field, which is in English, with the field's name as a user knows it. */
function withNames(text) {
  return text
    .replace(/^Url\b/, 'The URL')
    .replace(/^Secret_key\b/, 'The secret')
    .replace(/^Task_types\b/, 'Task types')
    .replace(/^Max_per_minute\b/, 'The number of requests');
}

/** The request's body. A change removes what the user has emptied. */
function bodyOf({ webhook, url, boxes, description, types, sending, secret }) {
  const events = boxes.filter((box) => box.checked).map((box) => box.value);
  const body = { url: url.value, events: events.includes('*') ? ['*'] : events };
  const names = types.value.split(',').map((name) => name.trim());
  const given = {
    description: description.value.trim() || null,
    task_types: names.some((name) => name !== '') ? names.filter((name) => name !== '') : null,
    ...sendingFields(sending),
  };
  for (const [field, value] of Object.entries(given)) {
    if (value !== null || (webhook?.[field] ?? null) !== null) body[field] = value;
  }
  if (!webhook && secret.value !== '') body.secret_key = secret.value;
  return body;
}

function send(form, body) {
  if (form.webhook) return request('PATCH', `webhooks/${form.webhook.id}`, { body });
  const asked = JSON.stringify(body);
  if (asked !== form.asked) Object.assign(form, { asked, idempotencyKey: crypto.randomUUID() });
  return request('POST', 'webhooks', { body, headers: { 'idempotency-key': form.idempotencyKey } });
}

/** Shows an error beside the field that it is about. `text` is one or more children of an element. */
function refuse({ url, boxes, description, types, sending, secret, save, error }, field, text) {
  fill(error, text);
  if (field === save) field.parentElement.before(error);
  else if (field === boxes[0]) field.closest('fieldset').append(error);
  else field.nextElementSibling.after(error);
  const { limit, headers } = sending;
  for (const input of [url, description, types, limit, headers, secret, boxes[0], save]) input.removeAttribute('aria-invalid');
  field.setAttribute('aria-invalid', 'true');
  field.focus();
}
