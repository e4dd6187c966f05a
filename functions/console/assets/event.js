// The page of one event: its payload, and its way to each webhook.

import { curl, request } from './api.js';
import { confirmDialog, failureText } from './dialogs.js';
import { capital, copyButton, fill, h, refill, safely, say, serviceText, time, workButton } from './dom.js';
import { isFinished, stateName } from './explain.js';
import { setTitle } from './name.js';
import { payloadSection } from './payload.js';
import { statePill } from './rows.js';
import { number, parts, t } from './text.js';
import { watch } from './watch.js';

export async function eventPage(content, { ids: [id], signal }) {
  const path = `events/${id}`;
  const page = { path, signal, event: await request('GET', path, { signal }), following: new AbortController() };
  setTitle(t`Event ${id}`);
  page.top = h('div');
  page.ways = h('ul', { class: 'card ways' });
  page.payload = h('div');
  // By webhook: the note beside its button, which says what came of it.
  page.notes = new Map();
  // By webhook: how many attempts there were before a button was pressed, and what to call when there are more.
  page.queued = new Map();
  fill(content, page.top, h('section', {}, h('h2', {}, t`Webhooks`), page.ways), page.payload);
  show(page, page.event);
  if (!isOver(page.event)) follow(page).catch(() => null);
}

function show(page, event) {
  const isFirst = page.event === event;
  page.event = event;
  refill(page.top, head(page), event.erased_at && erasedNotice(page));
  refill(page.ways, ways(page));
  // Drawing it again would lose what the user selected.
  if (isFirst || !event.payload) fill(page.payload, payloadSection(event.payload, JSON.stringify(event.payload)));
}

function head(page) {
  const { id, event, task_id: task, task_type: type, timestamp, erased_at: erased } = page.event;
  const kind = type && h('code', { class: 'chip' }, safely(type));
  const properties = { type: 'button', class: 'small danger changes', 'data-name': 'erase', onclick: () => erase(page) };
  const eraseButton = h('button', properties, t`Erase`);
  return [
    h('p', { class: 'crumbs' }, h('a', { href: '#/events' }, t`Events`), ' / ', t`Event`),
    h(
      'div',
      { class: 'head' },
      h(
        'div',
        { class: 'title' },
        h('h1', {}, h('code', {}, event)),
        h(
          'p',
          { class: 'facts' },
          h('code', {}, id),
          copyButton(id, t`Copy id`),
          h('span', { class: 'hint' }, parts`Task ended ${time(timestamp)}`),
        ),
        h('p', {}, parts`Task ${h('code', { class: 'whole' }, safely(task))}`, ' ', kind),
      ),
      h('div', { class: 'tools' }, copyButton(curl(page.path), t`Copy as curl`), !erased && eraseButton),
    ),
  ];
}

function erasedNotice({ event, remains }) {
  return h(
    'div',
    { class: 'notice grey' },
    h(
      'p',
      {},
      parts`${h('strong', {}, t`Erased`)} at ${time(event.erased_at)}. It is not sent any more.`,
    ),
    remains?.length > 0 && [t`What remains:`, h('ul', {}, remains.map((text) => h('li', {}, said(text))))],
  );
}

function ways(page) {
  const { webhooks, reason, callback } = page.event;
  const about = [reason, callback].filter((text) => text).map((text) => h('li', {}, h('p', {}, said(text))));
  return [about, webhooks.map((way) => wayRow(page, way))];
}

/** A reason from the service, as a sentence. */
function said(reason) {
  return serviceText(reason, (text) => capital(text) + (text.endsWith('.') ? '' : '.'));
}

function wayRow(page, way) {
  const { id, url, status, reason, attempt_count: count, next_attempt_at: next } = way;
  // A delivery has a page once it was attempted, held or cancelled.
  const isRecorded = count > 0 || !['not_sent', 'pending'].includes(status);
  // A deleted webhook has no URL. What it got is still there.
  const name = url ? h('a', { href: `#/webhooks/${id}` }, t`Webhook ${id}`) : t`Webhook ${id}`;
  const href = `#/webhooks/${id}/deliveries/${page.event.id}`;
  const attempts = count > 0 && [count === 1 ? t`1 attempt.` : t`${number(count)} attempts.`, ' '];
  return h(
    'li',
    {},
    h(
      'div',
      { class: 'title' },
      h('p', { class: 'facts' }, h('strong', {}, name), statePill(status)),
      url && h('p', { class: 'url hint' }, safely(url)),
      reason && h('p', {}, said(reason)),
      h(
        'p',
        { class: 'hint' },
        attempts,
        next && [parts`Next attempt at ${time(next)}.`, ' '],
        isRecorded && h('a', { href, 'data-name': `open ${id}` }, t`Open the delivery`),
      ),
    ),
    url && !page.event.erased_at && sendTools(page, way),
  );
}

function sendTools(page, way) {
  const { id, status } = way;
  if (!page.notes.has(id)) page.notes.set(id, h('span', { class: 'hint', role: 'status' }));
  const note = page.notes.get(id);
  const [text, name] =
    status === 'not_sent'
      ? [t`Send`, t`Send to webhook ${id}`]
      : [t`Send again`, t`Send again to webhook ${id}`];
  const properties = {
    class: 'small',
    'data-name': `send ${id}`,
    'aria-label': name,
    // Disabled while what it sent is under way.
    'aria-disabled': page.queued.has(id) && 'true',
  };
  return h('div', { class: 'tools' }, note, workButton(properties, text, () => send(page, way, note)));
}

async function send(page, { id, attempt_count: known }, note) {
  fill(note, t`Queued …`);
  try {
    await request('POST', `webhooks/${id}/deliveries/${page.event.id}/retry`);
    const { promise, resolve } = Promise.withResolvers();
    page.queued.set(id, { known, resolve });
    follow(page).catch(() => null);
    const hasCome = await promise;
    fill(note, hasCome ? null : t`No attempt came so far. Look again in a while.`);
  } catch (failure) {
    if (!page.signal.aborted) fill(note, failureText(failure));
  }
}

/** Shows the changes of the event until every delivery is finished, or for three minutes. */
async function follow(page) {
  page.following.abort();
  page.following = new AbortController();
  await watch(AbortSignal.any([page.signal, page.following.signal]), {
    look: () => request('GET', page.path, { signal: page.signal }),
    show: (event, gaveUp) => {
      const isChanged = JSON.stringify(event) !== JSON.stringify(page.event);
      settle(event, page.queued, gaveUp);
      if (isChanged || gaveUp) show(page, event);
    },
    isFinished: (event) => page.queued.size === 0 && isOver(event),
  });
}

/** Ends the waiting for each attempt that has come, or for all of them. */
function settle({ webhooks }, queued, isEnd) {
  for (const { id, status, attempt_count: count } of webhooks) {
    const sent = queued.get(id);
    const hasCome = sent && (count !== sent.known || status === 'held');
    if (!hasCome && !isEnd) continue;
    queued.delete(id);
    sent?.resolve(hasCome);
    if (hasCome) say(t`Webhook ${id}: ${stateName(status)}`);
  }
}

function isOver({ webhooks }) {
  return webhooks.every((way) => way.status === 'not_sent' || isFinished(way));
}

function erase(page) {
  confirmDialog({
    title: t`Erase this event?`,
    action: t`Erase`,
    text: [
      h(
        'p',
        {},
        t`Its payload is removed everywhere it is kept, with what your endpoints answered, and a delivery that waits
          is cancelled. This cannot be undone.`,
      ),
      h(
        'p',
        {},
        t`What remains: the event itself, with its task’s id, its times and states; what your endpoints got already;
          and, for up to five weeks, backups of the service. This page then says what else remains, and until when.`,
      ),
    ],
    act: async () => {
      const { erased_at: at, remains } = await request('DELETE', page.path);
      return () => {
        page.remains = remains;
        show(page, { ...page.event, erased_at: at, payload: null });
        say(t`Erased`);
        follow(page).catch(() => null);
      };
    },
  });
}
