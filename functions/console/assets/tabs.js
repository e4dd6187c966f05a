// The top of a webhook's pages: the path to the page, and links between the pages.

import { h, safely } from './dom.js';
import { t } from './text.js';

/** The links between a webhook's pages. */
export function tabs(id) {
  const tab = (href, text) =>
    h('a', { href, 'aria-current': location.hash.split('?')[0] === href ? 'page' : false }, text);
  return h(
    'nav',
    { class: 'tabs', 'aria-label': t`Webhook ${id}` },
    tab(`#/webhooks/${id}`, t`Deliveries and health`),
    tab(`#/webhooks/${id}/receive`, t`Receive it`),
  );
}

/** The top of a page that has no buttons for the webhook. */
export function webhookTabs(id, url) {
  return h(
    'div',
    {},
    h('p', { class: 'crumbs' }, h('a', { href: '#/' }, t`Webhooks`), ' / ', t`Webhook ${id}`),
    h('div', { class: 'title' }, h('h1', { class: 'url' }, safely(url))),
    tabs(id),
  );
}
