// The page of one webhook: its health, a test event, its statistics, and its deliveries.

import { activitySection } from './activity.js';
import { keepLively, poll, request, sleep } from './api.js';
import { deliveriesSection } from './deliveries.js';
import { fill, h, refill, safely } from './dom.js';
import { healthNotice, statusPill } from './health.js';
import { setTitle } from './name.js';
import { resends } from './resend.js';
import { rotationNotice } from './rotate.js';
import { tabs } from './tabs.js';
import { testSection } from './test-event.js';
import { number, parts, t } from './text.js';
import { webhookTools } from './webhook-tools.js';

const REFRESH_HEALTH = 30_000;
/** In milliseconds. An attempt changes the webhook's health one or two seconds after it is recorded. */
const HEALTH_FOLLOWS = 3000;

export async function webhookPage(content, { ids: [id], signal, failed }) {
  const path = `webhooks/${id}`;
  const page = {
    id,
    path,
    signal,
    // Always the newest known state.
    webhook: await request('GET', path, { signal }),
    // The state that the top shows, as text.
    shown: null,
    top: h('div'),
    // What the webhook missed while it was disabled.
    offer: h('div'),
    changed: (webhook) => showTop(page, webhook),
  };
  setTitle(t`Webhook ${id}`);
  page.resends = resends(path, signal, () => page.list.refresh().catch(failed));
  page.list = deliveriesSection(path, signal, failed, page.resends.ask);
  page.activity = activitySection(path, signal, failed);
  page.test = testSection({ id, events: page.webhook.events, signal, changed: () => refreshAll(page) });
  page.tools = webhookTools(page);
  showTop(page, page.webhook);
  const top = h('div', {}, page.top, page.offer, page.resends.element);
  fill(content, top, page.test.section, page.activity.section, page.list.section);
  await page.list.open();
  poll(signal, async () => {
    await refreshHealth(page);
    return REFRESH_HEALTH;
  }).catch(failed);
}

async function refreshHealth(page) {
  showTop(page, await request('GET', page.path, { signal: page.signal }));
}

/** Refreshes each part of the page. Failures are ignored: each part refreshes itself again later. */
function refreshAll(page) {
  sleep(HEALTH_FOLLOWS, page.signal).then(() => page.signal.aborted || refreshHealth(page).catch(() => null));
  return Promise.allSettled([refreshHealth(page), page.list.refresh(), page.activity.refresh()]);
}

/** Shows a newer state of the webhook: its name, its actions and its notices. */
function showTop(page, webhook) {
  page.webhook = webhook;
  const text = JSON.stringify(webhook);
  // While the circuit is open, the shown time of the next probe passes, so the notice must be updated.
  if (text === page.shown && webhook.circuit !== 'open') return;
  if (page.shown !== null && text !== page.shown) keepLively();
  page.shown = text;
  page.test.allow(webhook.status === 'active');
  const { buttons, problem, probe, switchNow } = page.tools;
  const isProbed = webhook.circuit === 'open' && webhook.status === 'active';
  refill(
    page.top,
    head(page.id, webhook, buttons()),
    problem,
    healthNotice(webhook, isProbed && probe),
    rotationNotice(webhook, switchNow),
  );
}

function head(id, webhook, buttons) {
  const chip = (text) => h('code', { class: 'chip' }, safely(text));
  return [
    h('p', { class: 'crumbs' }, h('a', { href: '#/' }, t`Webhooks`), ' / ', t`Webhook ${id}`),
    h(
      'div',
      { class: 'head' },
      h(
        'div',
        { class: 'title' },
        h('h1', { class: 'url' }, safely(webhook.url)),
        webhook.description && h('p', {}, safely(webhook.description)),
        h(
          'p',
          { class: 'facts' },
          statusPill(webhook),
          webhook.events.map(chip),
          webhook.task_types && parts`of ${webhook.task_types.map(chip)}`,
          webhook.headers.length > 0 && parts`with ${webhook.headers.map(chip)}`,
          webhook.max_per_minute && t`at most ${number(webhook.max_per_minute)} a minute`,
        ),
      ),
      h('div', { class: 'tools' }, buttons),
    ),
    tabs(id),
  ];
}
