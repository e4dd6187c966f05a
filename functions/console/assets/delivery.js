// The page of one delivery: its status, its payload, every attempt with its answer, and a retry.

import { curl, request, sleep } from './api.js';
import { attemptsSection } from './attempts.js';
import { capital, copyButton, fill, h, refill, safely, say, serviceText, time, workButton } from './dom.js';
import { advice, answered, isAboutSignature, isFinished, stateName, succeeded, whyCancelled } from './explain.js';
import { failureText } from './dialogs.js';
import { setTitle } from './name.js';
import { payloadSection } from './payload.js';
import { statePill } from './rows.js';
import { parts, t } from './text.js';
import { watch } from './watch.js';

/** An attempt changes its webhook's health a second or two after it is recorded. */
const HEALTH_FOLLOWS = 3000;

export async function deliveryPage(content, { ids: [webhookId, id], signal, failed }) {
  const path = `webhooks/${webhookId}/deliveries/${id}`;
  const [delivery, webhook] = await Promise.all([
    request('GET', path, { signal }),
    findWebhook(webhookId, signal),
  ]);
  setTitle(t`Delivery ${id}`);
  // The API promises that the body has exactly the bytes that JSON.stringify returns.
  const body = delivery.payload && JSON.stringify(delivery.payload);
  const attempts = attemptsSection(id, body);
  const top = h('div');
  const page = { path, webhookId, webhook, signal, delivery, show, following: new AbortController() };
  fill(content, top, attempts.section, payloadSection(delivery.payload, body));
  show(delivery);
  if (!isFinished(delivery)) follow(page).catch(failed);
  return null;

  function show(changed) {
    page.delivery = changed;
    refill(top, head(page), notice(page, attempts.check));
    attempts.show(changed);
  }
}

/** The webhook; `null` if it was deleted. Its deliveries stay in the history. */
function findWebhook(id, signal) {
  return request('GET', `webhooks/${id}`, { signal }).catch((error) => {
    if (error.status !== 404) throw error;
    return null;
  });
}

function head(page) {
  const { webhookId, delivery } = page;
  const { id, event, task_id: task, status, timestamp, callback_url: callback } = delivery;
  return [
    h(
      'p',
      { class: 'crumbs' },
      h('a', { href: '#/' }, t`Webhooks`),
      ' / ',
      page.webhook ? h('a', { href: `#/webhooks/${webhookId}` }, t`Webhook ${webhookId}`) : t`Webhook ${webhookId}`,
      ' / ',
      t`Delivery`,
    ),
    h(
      'div',
      { class: 'head' },
      h(
        'div',
        { class: 'title' },
        h('h1', {}, h('code', {}, event), ' ', statePill(status)),
        h(
          'p',
          { class: 'facts' },
          h('code', {}, id),
          copyButton(id, t`Copy id`),
          h('span', { class: 'hint' }, parts`Task ended ${time(timestamp)}`),
        ),
        h(
          'p',
          {},
          parts`Task ${h('code', { class: 'whole' }, safely(task))}`,
          ' ',
          h('a', { href: `#/events/${id}` }, t`Its event, and all webhooks`),
        ),
        callback &&
          h(
            'p',
            { class: 'hint' },
            parts`Sent to the URL that the job named: ${h('span', { class: 'url' }, safely(callback))}`,
          ),
      ),
      h('div', { class: 'tools' }, retryTools(page)),
    ),
  ];
}

/** The retry button, disabled unless the webhook is active. It is not highlighted for a delivery that has arrived. */
function retryTools(page) {
  const { status, payload, next_attempt_at: next } = page.delivery;
  const isActive = page.webhook?.status === 'active' && payload !== null;
  const note = h(
    'span',
    { class: 'hint', id: 'retry-note', role: 'status' },
    isActive ? status === 'retrying' && parts`Next attempt at ${time(next)}` : whyNoRetry(page),
  );
  if (!page.webhook || payload === null) return note;
  const arrived = status === 'delivered';
  const properties = {
    class: arrived ? 'small' : 'primary',
    disabled: !isActive,
    'data-name': 'retry',
    'aria-describedby': 'retry-note',
  };
  return [note, workButton(properties, arrived ? t`Send again` : t`Retry now`, () => retryNow(page, note))];
}

function whyNoRetry({ webhook, webhookId, delivery }) {
  if (!webhook) return t`The webhook was deleted.`;
  if (delivery.payload === null) return t`Without its payload it cannot be sent again.`;
  const link = h('a', { href: `#/webhooks/${webhookId}` }, t`its webhook`);
  return parts`To send it again, first enable ${link}.`;
}

/** Notices about the delivery's status and its last failure. */
function notice({ delivery, webhook }, check) {
  const last = delivery.attempts.at(-1);
  const failure = last && !succeeded(last) && failureNotice(last, check);
  const colour = delivery.status === 'held' && webhook ? 'accent' : 'grey';
  const about = aboutState(delivery, webhook);
  return [about && h('div', { class: `notice ${colour}` }, h('p', {}, about)), failure];
}

function aboutState(delivery, webhook) {
  if (delivery.status === 'cancelled') return whyCancelled(delivery);
  if (delivery.status !== 'held') return null;
  if (!webhook) return t`The webhook was deleted while it waited, so it is not sent any more.`;
  return webhook.status === 'disabled'
    ? t`It waits because the webhook is disabled, and is sent by itself when you enable it.`
    : t`It waits until your endpoint answers again, and is sent by itself then. “Retry now” tries it at once.`;
}

function failureNotice(attempt, check) {
  const words = answered(attempt);
  const message = serviceText(attempt.message, capital);
  return h(
    'div',
    { class: 'notice red' },
    h(
      'p',
      {},
      h('strong', {}, words ? parts`${message}: “${safely(words)}”.` : [message, '.']),
      ' ',
      advice(attempt),
    ),
    isAboutSignature(attempt) &&
      h(
        'div',
        { class: 'tools' },
        h('a', { class: 'button small', href: '#/signature', onclick: () => check(attempt) }, t`Check this signature`),
      ),
  );
}

async function retryNow(page, note) {
  fill(note, t`Queued …`);
  const known = page.delivery.attempts.at(-1)?.started_at;
  try {
    await request('POST', `${page.path}/retry`);
    say(t`Queued`);
    await follow(page, (delivery) => delivery.attempts.at(-1)?.started_at !== known);
    // If an attempt came, the page has replaced this note, so this text is not shown.
    fill(note, t`No attempt came so far. Look again in a while.`);
  } catch (failure) {
    if (!page.signal.aborted) fill(note, failureText(failure));
  }
}

/** Shows the changes of the delivery until it is finished. With `isNewer`, shows nothing until `isNewer` accepts it. */
async function follow(page, isNewer) {
  page.following.abort();
  page.following = new AbortController();
  let before = JSON.stringify(page.delivery);
  await watch(AbortSignal.any([page.signal, page.following.signal]), {
    look: () => request('GET', page.path, { signal: page.signal }),
    isNewer,
    show: (changed) => {
      if (isNewer && !isNewer(changed)) return;
      if (JSON.stringify(changed) === before) return;
      before = JSON.stringify(changed);
      page.show(changed);
      say(t`The delivery is ${stateName(changed.status)}`);
      // Without it, the page offers a retry that the API refuses.
      refreshWebhook(page).catch(() => null);
    },
    isFinished: (changed) => (isNewer ? isNewer(changed) && changed.status !== 'retrying' : isFinished(changed)),
  });
}

/** Checks whether the webhook was disabled or deleted: immediately, and when the last attempt has changed its health. */
async function refreshWebhook(page) {
  for (const wait of [0, HEALTH_FOLLOWS]) {
    await sleep(wait, page.signal);
    const webhook = await findWebhook(page.webhookId, page.signal);
    if (webhook?.status === page.webhook?.status) continue;
    page.webhook = webhook;
    page.show(page.delivery);
  }
}
