// One webhook: its health, a test event, what happened in the last hours, and its deliveries.

import { poll, request } from './api.js';
import { deliveriesSection, watch } from './deliveries.js';
import { confirmDialog, editWebhook, failureText, openDialog, showSecret } from './dialogs.js';
import { duration, fill, h, safely, say, time } from './dom.js';
import { statusPill } from './webhooks.js';

const REFRESH_CHARTS = 60_000;

export async function webhookPage(content, { ids: [id], signal, reload, failed }) {
  const path = `webhooks/${id}`;
  const top = h('div');
  let webhook = await request('GET', path, { signal });
  document.title = `Webhook ${id} · Webhooks`;
  const showTop = (changed) => {
    webhook = changed;
    fill(top, head(), banner());
  };
  showTop(webhook);
  const list = deliveriesSection(path, signal, failed);
  const test = testSection();
  const activity = charts(path, signal, failed);
  fill(content, top, test, activity.section, list.section);
  await list.refresh();
  list.keepFresh();
  return null;

  function head() {
    const act = (text, onclick, style = '') => h('button', { type: 'button', class: `small ${style}`, onclick }, text);
    const saved = (changed) => {
      showTop(changed);
      say('Saved');
    };
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
        h(
          'div',
          { class: 'tools' },
          act('Edit', () => editWebhook(webhook, saved)),
          act('Rotate secret', rotate),
          webhook.status === 'active' ? act('Disable', disable) : act('Enable', enable, 'primary'),
          act('Delete', remove, 'danger'),
        ),
      ),
    ];
  }

  function banner() {
    const {
      status,
      failing_since: since,
      consecutive_failures: count,
      disabled_reason: reason,
      previous_secret_expires_at: old,
    } = webhook;
    const failing =
      since &&
      h(
        'p',
        {},
        count === 1 ? 'The last attempt failed, at ' : `The last ${count} attempts failed, since `,
        time(since),
        '. ',
        'Open a failed delivery below to see why. After days of nothing but failures, the webhook is disabled.',
      );
    return [
      status === 'disabled' &&
        h(
          'div',
          { class: 'notice' },
          h(
            'p',
            {},
            h('strong', {}, 'Disabled: '),
            reason ? [safely(reason), '. '] : null,
            'It gets no deliveries. Enable it once your endpoint is ready.',
          ),
        ),
      status === 'active' && failing && h('div', { class: 'notice red' }, failing),
      old &&
        new Date(old) > Date.now() &&
        h(
          'div',
          { class: 'notice' },
          h(
            'p',
            {},
            'The secret was replaced. Until ',
            time(old),
            ' deliveries are signed with the old one too, so that you can change your server without losing any.',
          ),
        ),
    ];
  }

  async function enable(event) {
    event.target.disabled = true;
    try {
      showTop(await request('PATCH', path, { body: { status: 'active' } }));
      say('Enabled');
    } catch (failure) {
      top.append(h('p', { class: 'error', role: 'alert' }, safely(failureText(failure))));
      event.target.disabled = false;
    }
  }

  function disable() {
    confirmDialog({
      title: 'Disable this webhook?',
      action: 'Disable',
      danger: false,
      text: h(
        'p',
        {},
        'It gets no deliveries until you enable it again. Events of that time are not sent later, and ' +
          'deliveries that wait for a retry are cancelled.',
      ),
      act: async () => {
        const changed = await request('PATCH', path, { body: { status: 'disabled' } });
        return () => {
          showTop(changed);
          say('Disabled');
        };
      },
    });
  }

  function remove() {
    confirmDialog({
      title: 'Delete this webhook?',
      action: 'Delete webhook',
      text: h(
        'p',
        {},
        h('span', { class: 'url' }, safely(webhook.url)),
        ' gets no more deliveries, and its secret and history are gone. This cannot be undone.',
      ),
      act: async () => {
        await request('DELETE', path);
        return () => {
          say('Deleted');
          location.hash = '#/';
        };
      },
    });
  }

  function rotate() {
    const overlap = h(
      'select',
      { id: 'overlap' },
      [
        [3600, '1 hour'],
        [86_400, '1 day'],
        [604_800, '7 days'],
        [0, 'Not at all: the old one has leaked'],
      ].map(([seconds, text]) => h('option', { value: seconds, selected: seconds === 86_400 }, text)),
    );
    const secret = h('input', {
      id: 'secret',
      type: 'text',
      autocomplete: 'off',
      spellcheck: 'false',
      autocapitalize: 'none',
    });
    const error = h('p', { class: 'error', role: 'alert' });
    const button = h('button', { class: 'primary' }, 'Rotate secret');
    const dialog = openDialog(
      'Rotate the signing secret',
      h(
        'form',
        { novalidate: true, onsubmit: submit },
        h(
          'p',
          {},
          'You get a new secret. The old one keeps signing beside it for a while, so that your server can ' +
            'change over without losing a delivery.',
        ),
        h('label', { for: 'overlap' }, 'How long the old one stays valid'),
        overlap,
        h(
          'details',
          {},
          h('summary', {}, 'Use a secret of my own'),
          h('label', { for: 'secret' }, 'New signing secret'),
          secret,
          h(
            'p',
            { class: 'hint' },
            '8 to 256 characters without spaces. Leave it empty and a strong one is made for you.',
          ),
        ),
        error,
        h(
          'div',
          { class: 'actions' },
          h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
          button,
        ),
      ),
    );

    async function submit(event) {
      event.preventDefault();
      button.disabled = true;
      const body = { overlap_seconds: Number(overlap.value), ...(secret.value && { secret_key: secret.value }) };
      try {
        const { secret_key: shown, ...changed } = await request('POST', `${path}/rotate-secret`, { body });
        dialog.close();
        showTop(changed);
        say('The secret was rotated');
        // Without an overlap, no cursor of before is good any more.
        list.refresh().catch(failed);
        if (shown) showSecret(shown, () => {});
      } catch (failure) {
        fill(error, safely(failureText(failure)));
        button.disabled = false;
      }
    }
  }

  function testSection() {
    const event = h(
      'select',
      { id: 'test-event' },
      ['job.completed', 'job.failed'].map((name) => h('option', { selected: name === webhook.events[0] }, name)),
    );
    const button = h('button', { type: 'button', class: 'primary', onclick: send }, 'Send test event');
    const result = h('div', { class: 'watch', role: 'status' });
    let watching = new AbortController();
    return h(
      'section',
      { class: 'card test' },
      h(
        'div',
        {},
        h('h2', {}, 'Try it'),
        h('p', { class: 'hint' }, 'Sends an example to this webhook alone, signed like any other.'),
      ),
      h('div', { class: 'inline' }, h('label', { for: 'test-event', class: 'sr-only' }, 'Event'), event, button),
      result,
    );

    async function send() {
      // The one before may wait for its retries; its line makes room for this one's.
      watching.abort();
      watching = new AbortController();
      const mine = AbortSignal.any([signal, watching.signal]);
      let known = null;
      button.disabled = true;
      fill(result, h('p', {}, dot('wait'), 'Sending …'));
      try {
        const { id: delivery } = await request('POST', `${path}/test`, { body: { event: event.value } });
        await watch(mine, {
          look: () =>
            request('GET', `${path}/deliveries/${delivery}`, { signal: mine }).catch((error) => {
              // It is in the history from its first attempt on. Until then it is queued.
              if (error.status !== 404) throw error;
            }),
          show: (state, gaveUp) => {
            fill(result, watchLine(id, delivery, state, gaveUp));
            if (!state || state.status === known) return;
            known = state.status;
            button.disabled = false;
            refreshAll();
          },
          isFinished: ({ status }) => status !== 'retrying',
        });
      } catch (failure) {
        if (mine.aborted) return;
        fill(result, h('p', {}, dot('bad'), safely(failureText(failure))));
      }
      button.disabled = false;
    }

    /** The rest of the page knows of it, too. What fails here is tried again by itself. */
    function refreshAll() {
      const webhook = request('GET', path, { signal }).then(showTop);
      Promise.allSettled([webhook, list.refresh(), activity.refresh()]);
    }
  }
}

function watchLine(webhookId, id, state, gaveUp) {
  const open = h('a', { href: `#/webhooks/${webhookId}/deliveries/${id}` }, 'Open the delivery');
  if (!state)
    return h(
      'p',
      {},
      dot(gaveUp ? 'bad' : 'wait'),
      gaveUp ? 'Still queued. Look at the deliveries below in a while.' : 'Queued …',
    );
  const [last, count] = [state.attempts.at(-1), state.attempts.length];
  const times = count === 1 ? '' : `, at attempt ${count}`;
  if (state.status === 'delivered') {
    return h(
      'p',
      {},
      dot('good'),
      h('strong', {}, 'Delivered'),
      ` in ${duration(last.duration_ms)}: your endpoint answered ${last.http_status}${times}. `,
      open,
    );
  }
  const then =
    state.status === 'retrying'
      ? ['The next attempt comes at ', time(state.next_attempt_at), '. ']
      : [state.status === 'cancelled' ? 'The delivery was cancelled. ' : 'There will be no further attempt. '];
  return h(
    'p',
    {},
    dot('bad'),
    h('strong', {}, count > 0 ? `Attempt ${count} failed` : 'No attempt was made'),
    last ? [': ', safely(last.message), '. '] : '. ',
    then,
    open,
  );
}

function dot(kind) {
  return h('span', { class: `dot ${kind}`, 'aria-hidden': 'true' });
}

function charts(path, signal, failed) {
  const hours = h(
    'select',
    { 'aria-label': 'Period', onchange: () => refresh().catch(failed) },
    h('option', { value: 24 }, 'Last 24 hours'),
    h('option', { value: 168 }, 'Last 7 days'),
  );
  const body = h('div', { class: 'charts' }, h('p', { class: 'loading' }, 'Loading …'));
  let drawing;
  async function refresh() {
    const stats = await request('GET', `${path}/stats?hours=${hours.value}`, { signal });
    const { drawCharts } = await import('./charts.js');
    if (signal.aborted) return;
    drawing?.stop();
    drawing = drawCharts(body, stats.hours);
  }
  signal.addEventListener('abort', () => drawing?.stop());
  poll(signal, async () => {
    await refresh().catch((error) => {
      if (signal.aborted || error.goOnAt) throw error;
      // Without the charts, the rest of the page is as useful as ever.
      fill(body, h('p', { class: 'none' }, `The charts cannot be shown. ${error.message}`));
    });
    return REFRESH_CHARTS;
  }).catch(failed);
  return {
    section: h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, 'Activity'), hours), body),
    refresh,
  };
}
