// The actions of a webhook. `page` has its path, its newest state as `webhook`, and `changed` to call with a newer
// one.

import { request } from './api.js';
import { confirmDialog, failureText } from './dialogs.js';
import { fill, h, moment, safely, say, workButton } from './dom.js';
import { editWebhook } from './edit-webhook.js';
import { offerMissed } from './missed.js';
import { rotateSecret } from './rotate.js';
import { watch } from './watch.js';

/**
 * `buttons` makes the buttons for the webhook's state, `probe` is for an open circuit, `switchNow` for a secret that is
 * being rotated, `problem` shows errors.
 */
export function webhookTools(page) {
  const problem = h('p', { class: 'error', role: 'alert' });
  const probed = h('span', { class: 'hint', role: 'status' });
  const probe = [
    workButton({ class: 'small', 'data-name': 'probe' }, 'Probe now', () => probeNow(page, probed)),
    probed,
  ];
  const switchNow = workButton({ class: 'small primary', 'data-name': 'switch' }, 'Switch now', () =>
    makeSwitch(page, problem),
  );
  // A button keeps its name when its text changes, so that it keeps the focus.
  const act = (name, text, onclick, style = '') =>
    h('button', { type: 'button', class: `small changes ${style}`, 'data-name': name, onclick }, text);
  const buttons = () => [
    act('edit', 'Edit', () => editWebhook(page.webhook, (webhook) => show(page, webhook, 'Saved'))),
    act('rotate', 'Rotate secret', () =>
      rotateSecret(page.path, Boolean(page.webhook.secret_switches_at), page.changed),
    ),
    page.webhook.status === 'active'
      ? act('status', 'Disable', () => disable(page))
      : workButton({ class: 'small primary', 'data-name': 'status' }, 'Enable', () => enable(page, problem)),
    act('delete', 'Delete', () => remove(page), 'danger'),
  ];
  return { problem, probe, switchNow, buttons };
}

function show(page, webhook, text) {
  const since = webhook.status === 'active' && page.webhook.disabled_at;
  page.changed(webhook);
  say(text);
  fill(page.offer);
  // The webhook works without the offer.
  if (since) offerMissed(page.offer, page, since, page.resends.begin).catch(() => null);
}

async function probeNow(page, note) {
  const before = page.webhook.last_failed_at;
  fill(note, 'Asked for. What comes of it is here within a minute or two.');
  try {
    await request('POST', `${page.path}/probe`);
    await watch(page.signal, {
      look: () => request('GET', page.path, { signal: page.signal }),
      show: page.changed,
      isFinished: (webhook) => webhook.circuit !== 'open' || webhook.last_failed_at !== before,
    });
    const { circuit, last_failed_at: last } = page.webhook;
    const failed = last === before ? 'Nothing came of it so far.' : ['It failed, at ', moment(last), '.'];
    fill(note, circuit === 'open' ? failed : null);
  } catch (failure) {
    if (!page.signal.aborted) fill(note, safely(failureText(failure)));
  }
}

function enable(page, problem) {
  return change(page, problem, 'Enabled', () => request('PATCH', page.path, { body: { status: 'active' } }));
}

function makeSwitch(page, problem) {
  const body = { switch: 'now' };
  return change(page, problem, 'Switched', () => request('POST', `${page.path}/rotate-secret`, { body }));
}

async function change(page, problem, text, ask) {
  try {
    const webhook = await ask();
    fill(problem);
    show(page, webhook, text);
  } catch (failure) {
    fill(problem, safely(failureText(failure)));
  }
}

function disable(page) {
  const text =
    'It gets no deliveries until you enable it again. Deliveries that wait are held, and sent when you enable it; ' +
    'events of the time between are sent only if you ask for it then.';
  confirmDialog({
    title: 'Disable this webhook?',
    action: 'Disable',
    danger: false,
    text: h('p', {}, text),
    act: async () => {
      const webhook = await request('PATCH', page.path, { body: { status: 'disabled' } });
      return () => show(page, webhook, 'Disabled');
    },
  });
}

function remove(page) {
  confirmDialog({
    title: 'Delete this webhook?',
    action: 'Delete webhook',
    text: [
      h(
        'p',
        {},
        h('span', { class: 'url' }, safely(page.webhook.url)),
        ' gets no more deliveries, and its secret is gone. This cannot be undone.',
      ),
      h(
        'p',
        {},
        'Its history is kept until its time is over, but this webhook’s page is gone. Events stay, with what this webhook ' +
          'got: the Events page has them.',
      ),
    ],
    act: async () => {
      await request('DELETE', page.path);
      return () => {
        say('Deleted');
        location.hash = '#/';
      };
    },
  });
}
