// The page with the account's webhooks.

import { request } from './api.js';
import { docsLink } from './docs-link.js';
import { editWebhook } from './edit-webhook.js';
import { fill, h, safely } from './dom.js';
import { statusPill } from './health.js';
import { t } from './text.js';

export async function webhooksPage(content, { signal }) {
  const webhooks = await request('GET', 'webhooks?include=details', { signal });
  const add = () =>
    editWebhook(null, (webhook) => {
      location.hash = `#/webhooks/${webhook.id}`;
    });
  const addButton = h('button', { type: 'button', class: 'primary changes', onclick: add }, t`Add webhook`);
  if (webhooks.length === 0) {
    const none = h('p', { class: 'card empty read-only' }, t`This account has no webhooks.`);
    return fill(content, none, empty(add, addButton));
  }

  fill(
    content,
    h('div', { class: 'head' }, h('h1', {}, t`Webhooks`), addButton),
    h(
      'ul',
      { class: 'card rows' },
      webhooks.map((webhook) =>
        h(
          'li',
          {},
          h(
            'a',
            { href: `#/webhooks/${webhook.id}` },
            h(
              'span',
              { class: 'url' },
              safely(webhook.url),
              webhook.description && h('span', { class: 'hint' }, ' ', safely(webhook.description)),
            ),
            h(
              'span',
              { class: 'events' },
              webhook.events.map((event) => h('code', { class: 'chip' }, event)),
            ),
            h('span', {}, statusPill(webhook)),
          ),
        ),
      ),
    ),
  );
  return null;
}

function empty(add, addButton) {
  const step = (link, text) => h('li', {}, h('strong', {}, link), h('span', {}, text));
  const to = (href, title) => h('a', { href }, title);
  return h(
    'section',
    { class: 'card empty changes' },
    h('h1', {}, t`Hear of finished tasks`),
    h(
      'p',
      {},
      t`Register the URL of your server, and every task that finishes is sent to it: signed, and again if your server
        was down.`,
    ),
    h(
      'ol',
      { class: 'steps' },
      step(
        h('button', { type: 'button', class: 'link', onclick: add }, t`Add a webhook`),
        t`A URL of yours that takes POST requests.`,
      ),
      step(to('#/receive', t`Receive it`), t`With a tested program in your language.`),
      step(docsLink(t`Send a test event`, 'testWebhook'), t`And watch it arrive, or see why it did not.`),
      step(to('#/signature', t`Check the signature`), t`So that nobody else can send you events.`),
    ),
    addButton,
  );
}
