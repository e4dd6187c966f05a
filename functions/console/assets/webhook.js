// The page of one webhook: its health, a test event, its statistics, and its deliveries.

import { activitySection } from './activity.js';
import { keepLively, poll, request, sleep } from './api.js';
import { deliveriesSection } from './deliveries.js';
import { fill, h, refill, safely } from './dom.js';
import { healthNotice, statusPill } from './health.js';
import { rotationNotice } from './rotate.js';
import { tabs } from './tabs.js';
import { testSection } from './test-event.js';
import { webhookTools } from './webhook-tools.js';

const REFRESH_HEALTH = 30_000;
/** In milliseconds. An attempt changes the webhook's health one or two seconds after it is recorded. */
const HEALTH_FOLLOWS = 3000;

export async function webhookPage(content, { ids: [id], signal, failed }) {
  const path = `webhooks/${id}`;
  // `page.webhook` is always the newest known state.
  const page = { path, signal, webhook: await request('GET', path, { signal }), changed: showTop };
  document.title = `Webhook ${id} · Webhooks`;
  const list = deliveriesSection(path, signal, failed);
  const activity = activitySection(path, signal, failed);
  // Failures are ignored here: each part refreshes itself again later.
  const refreshAll = () => {
    sleep(HEALTH_FOLLOWS, signal).then(() => signal.aborted || refreshHealth().catch(() => null));
    return Promise.allSettled([refreshHealth(), list.refresh(), activity.refresh()]);
  };
  const test = testSection({ id, events: page.webhook.events, signal, changed: refreshAll });
  // A rotation without an overlap makes all earlier cursors invalid.
  const tools = webhookTools(page, () => list.refresh().catch(failed));
  const top = h('div');
  let shown = null;
  showTop(page.webhook);
  fill(content, top, test.section, activity.section, list.section);
  await list.refresh();
  list.keepFresh();
  poll(signal, async () => {
    await refreshHealth();
    return REFRESH_HEALTH;
  }).catch(failed);
  return null;

  async function refreshHealth() {
    showTop(await request('GET', path, { signal }));
  }

  function showTop(webhook) {
    page.webhook = webhook;
    const text = JSON.stringify(webhook);
    // While the circuit is open, the shown time of the next probe passes, so the notice must be updated.
    if (text === shown && webhook.circuit !== 'open') return;
    if (shown !== null && text !== shown) keepLively();
    shown = text;
    test.allow(webhook.status === 'active');
    const isProbed = webhook.circuit === 'open' && webhook.status === 'active';
    refill(
      top,
      head(id, webhook, tools.buttons()),
      tools.problem,
      healthNotice(webhook, isProbed && tools.probe),
      rotationNotice(webhook, tools.switchNow),
    );
  }
}

function head(id, webhook, buttons) {
  return [
    h('p', { class: 'crumbs' }, h('a', { href: '#/' }, 'Webhooks'), ` / Webhook ${id}`),
    h(
      'div',
      { class: 'head' },
      h(
        'div',
        { class: 'title' },
        h('h1', { class: 'url' }, safely(webhook.url)),
        h(
          'p',
          { class: 'facts' },
          statusPill(webhook),
          webhook.events.map((event) => h('code', { class: 'chip' }, event)),
        ),
      ),
      h('div', { class: 'tools' }, buttons),
    ),
    tabs(id),
  ];
}
