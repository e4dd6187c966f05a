// The top of a webhook's pages: the path to the page, and links between the pages.

import { h, safely } from './dom.js';

/** The links between a webhook's pages. */
export function tabs(id) {
  const tab = (href, text) =>
    h('a', { href, 'aria-current': location.hash.split('?')[0] === href ? 'page' : false }, text);
  return h(
    'nav',
    { class: 'tabs', 'aria-label': `Webhook ${id}` },
    tab(`#/webhooks/${id}`, 'Deliveries and health'),
    tab(`#/webhooks/${id}/receive`, 'Receive it'),
  );
}

/** The top of a page that has no buttons for the webhook. */
export function webhookTabs(id, url) {
  return h(
    'div',
    {},
    h('p', { class: 'crumbs' }, h('a', { href: '#/' }, 'Webhooks'), ` / Webhook ${id}`),
    h('div', { class: 'title' }, h('h1', { class: 'url' }, safely(url))),
    tabs(id),
  );
}
