// The page with the account's webhooks.

import { poll, request } from './api.js';
import { editWebhook } from './edit-webhook.js';
import { fill, h, safely } from './dom.js';
import { statusPill } from './health.js';

/** How many webhooks' health is loaded immediately, with one request each. The others follow slowly. */
const AT_ONCE = 8;
const SLOWLY = 3000;

export async function webhooksPage(content, { signal, reload, failed }) {
  const webhooks = await request('GET', 'webhooks', { signal });
  const add = () =>
    editWebhook(null, (webhook) => {
      location.hash = `#/webhooks/${webhook.id}`;
    });
  const addButton = h('button', { type: 'button', class: 'primary', onclick: add }, 'Add webhook');
  if (webhooks.length === 0) return fill(content, empty(add, addButton));

  const rows = webhooks.map((webhook) => ({ webhook, status: h('span', {}, statusPill(webhook)) }));
  fill(
    content,
    h('div', { class: 'head' }, h('h1', {}, 'Webhooks'), addButton),
    h(
      'ul',
      { class: 'card rows' },
      rows.map(({ webhook, status }) =>
        h(
          'li',
          {},
          h(
            'a',
            { href: `#/webhooks/${webhook.id}` },
            h('span', { class: 'url' }, safely(webhook.url)),
            h(
              'span',
              { class: 'events' },
              webhook.events.map((event) => h('code', { class: 'chip' }, event)),
            ),
            status,
          ),
        ),
      ),
    ),
  );

  // The list has no health, so each webhook is loaded by itself.
  const rest = [...rows];
  const slowFrom = rest.length - AT_ONCE;
  poll(signal, async () => {
    const row = rest[0];
    if (!row) return null;
    fill(row.status, statusPill(await request('GET', `webhooks/${row.webhook.id}`, { signal })));
    rest.shift();
    if (rest.length === 0) return null;
    return rest.length > slowFrom ? 100 : SLOWLY;
  }).catch((error) => (error.status === 404 ? reload() : failed(error)));
  return null;
}

function empty(add, addButton) {
  const step = (link, text) => h('li', {}, h('strong', {}, link), h('span', {}, text));
  const to = (href, title) => h('a', { href }, title);
  return h(
    'section',
    { class: 'card empty' },
    h('h1', {}, 'Hear of finished tasks'),
    h(
      'p',
      {},
      'Register the URL of your server, and every task that finishes is sent to it: signed, and again if your ' +
        'server was down.',
    ),
    h(
      'ol',
      { class: 'steps' },
      step(
        h('button', { type: 'button', class: 'link', onclick: add }, 'Add a webhook'),
        'A URL of yours that takes POST requests.',
      ),
      step(to('#/receive', 'Receive it'), 'With a tested program in your language.'),
      step(to('docs#testWebhook', 'Send a test event'), 'And watch it arrive, or see why it did not.'),
      step(to('#/signature', 'Check the signature'), 'So that nobody else can send you events.'),
    ),
    addButton,
  );
}
