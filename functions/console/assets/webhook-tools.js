// The actions of a webhook. `page` has its path, its newest state as `webhook`, and `changed` to call with a newer
// one.

import { request } from './api.js';
import { confirmDialog, failureText } from './dialogs.js';
import { fill, h, moment, safely, say, workButton } from './dom.js';
import { editWebhook } from './edit-webhook.js';
import { offerMissed } from './missed.js';
import { rotateSecret } from './rotate.js';
import { parts, t } from './text.js';
import { watch } from './watch.js';

/**
 * `buttons` makes the buttons for the webhook's state, `probe` is for an open circuit, `switchNow` for a secret that is
 * being rotated, `problem` shows errors.
 */
export function webhookTools(page) {
  const problem = h('p', { class: 'error', role: 'alert' });
  const probed = h('span', { class: 'hint', role: 'status' });
  const probe = [
    workButton({ class: 'small', 'data-name': 'probe' }, t`Probe now`, () => probeNow(page, probed)),
    probed,
  ];
  const switchNow = workButton({ class: 'small primary', 'data-name': 'switch' }, t`Switch now`, () =>
    makeSwitch(page, problem),
  );
  // A button keeps its name when its text changes, so that it keeps the focus.
  const act = (name, text, onclick, style = '') =>
    h('button', { type: 'button', class: `small changes ${style}`, 'data-name': name, onclick }, text);
  const buttons = () => [
    act('edit', t`Edit`, () => editWebhook(page.webhook, (webhook) => show(page, webhook, t`Saved`))),
    act('rotate', t`Rotate secret`, () =>
      rotateSecret(page.path, Boolean(page.webhook.secret_switches_at), page.changed),
    ),
    page.webhook.status === 'active'
      ? act('status', t`Disable`, () => disable(page))
      : workButton({ class: 'small primary', 'data-name': 'status' }, t`Enable`, () => enable(page, problem)),
    act('delete', t`Delete`, () => remove(page), 'danger'),
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
  fill(note, t`Asked for. What comes of it is here within a minute or two.`);
  try {
    await request('POST', `${page.path}/probe`);
    await watch(page.signal, {
      look: () => request('GET', page.path, { signal: page.signal }),
      show: page.changed,
      isFinished: (webhook) => webhook.circuit !== 'open' || webhook.last_failed_at !== before,
    });
    const { circuit, last_failed_at: last } = page.webhook;
    const failed = last === before ? t`Nothing came of it so far.` : parts`It failed, at ${moment(last)}.`;
    fill(note, circuit === 'open' ? failed : null);
  } catch (failure) {
    if (!page.signal.aborted) fill(note, failureText(failure));
  }
}

function enable(page, problem) {
  return change(page, problem, t`Enabled`, () => request('PATCH', page.path, { body: { status: 'active' } }));
}

function makeSwitch(page, problem) {
  const body = { switch: 'now' };
  return change(page, problem, t`Switched`, () => request('POST', `${page.path}/rotate-secret`, { body }));
}

async function change(page, problem, text, ask) {
  try {
    const webhook = await ask();
    fill(problem);
    show(page, webhook, text);
  } catch (failure) {
    fill(problem, failureText(failure));
  }
}

function disable(page) {
  const text =
    t`It gets no deliveries until you enable it again. Deliveries that wait are held, and sent when you enable it;
      events of the time between are sent only if you ask for it then.`;
  confirmDialog({
    title: t`Disable this webhook?`,
    action: t`Disable`,
    danger: false,
    text: h('p', {}, text),
    act: async () => {
      const webhook = await request('PATCH', page.path, { body: { status: 'disabled' } });
      return () => show(page, webhook, t`Disabled`);
    },
  });
}

function remove(page) {
  const url = h('span', { class: 'url' }, safely(page.webhook.url));
  confirmDialog({
    title: t`Delete this webhook?`,
    action: t`Delete webhook`,
    text: [
      h(
        'p',
        {},
        parts`${url} gets no more deliveries, and its secret is gone.`,
        ' ',
        t`This cannot be undone.`,
      ),
      h(
        'p',
        {},
        t`Its history is kept until its time is over, but this webhook’s page is gone. Events stay, with what this
          webhook got: the Events page has them.`,
      ),
    ],
    act: async () => {
      await request('DELETE', page.path);
      return () => {
        say(t`Deleted`);
        location.hash = '#/';
      };
    },
  });
}
