// Sends a test event, and shows what becomes of it; or rehearses the receiver.

import { request } from './api.js';
import { failureText } from './dialogs.js';
import { duration, fill, h, safely, serviceText, time, workButton } from './dom.js';
import { answered, isFinished, whyCancelled } from './explain.js';
import { rehearsals } from './rehearse.js';
import { parts, t } from './text.js';
import { watch } from './watch.js';

/**
 * The section that sends a test event or rehearses. `allow` enables or disables it. Calls `changed` when the test event's
 * status changes.
 */
export function testSection({ id, events, signal, changed }) {
  const test = {
    id,
    signal,
    changed,
    event: h(
      'select',
      { id: 'test-event' },
      ['job.completed', 'job.failed'].map((name) => h('option', { selected: name === events[0] }, name)),
    ),
    hint: h('p', { class: 'hint changes', id: 'test-hint' }),
    result: h('div', { class: 'watch', role: 'status' }),
    watching: new AbortController(),
    rehearsal: rehearsals(`webhooks/${id}`, signal),
  };
  test.button = workButton({ class: 'primary', 'aria-describedby': 'test-hint' }, t`Send test event`, () => send(test));
  const label = h('label', { for: 'test-event', class: 'sr-only' }, t`Event`);
  const section = h(
    'section',
    { class: 'card test' },
    h('div', {}, h('h2', {}, t`Try it`), test.hint),
    h('div', { class: 'inline changes' }, label, test.event, test.button, test.rehearsal.button),
    test.result,
    test.rehearsal.report,
  );
  return { section, allow: (isActive) => allow(test, isActive) };
}

function allow({ button, hint, rehearsal }, isActive) {
  button.disabled = !isActive;
  rehearsal.button.disabled = !isActive;
  const sent =
    t`A test event is an example, signed like any other. A rehearsal sends five requests, also wrong ones, and says
      what your endpoint should do otherwise.`;
  fill(hint, isActive ? sent : t`Enable the webhook first: a disabled one gets no test events either.`);
}

async function send(test) {
  const { result } = test;
  // Stop following the previous event, which may still wait for a retry: there is only one line.
  test.watching.abort();
  test.watching = new AbortController();
  const signal = AbortSignal.any([test.signal, test.watching.signal]);
  fill(result, h('p', {}, dot('wait'), t`Sending …`));
  const firstStatus = Promise.withResolvers();
  follow(test, signal, firstStatus.resolve)
    .catch((failure) => signal.aborted || fill(result, h('p', {}, dot('bad'), failureText(failure))))
    .finally(firstStatus.resolve);
  // The button works again once the first status is known.
  await firstStatus.promise;
}

/** Sends the event and shows its status until the delivery is finished. Calls `arrived` at each new status. */
async function follow({ id, event, result, changed }, signal, arrived) {
  let known = null;
  const path = `webhooks/${id}`;
  const { id: delivery } = await request('POST', `${path}/test`, { body: { event: event.value } });
  await watch(signal, {
    look: () =>
      request('GET', `${path}/deliveries/${delivery}`, { signal }).catch((error) => {
        // A delivery is in the history after its first attempt. Until then it is queued.
        if (error.status !== 404) throw error;
      }),
    show: (state, gaveUp) => {
      fill(result, watchLine(id, delivery, state, gaveUp));
      if (!state || state.status === known) return;
      known = state.status;
      arrived();
      changed();
    },
    isFinished,
  });
}

function watchLine(webhookId, id, state, gaveUp) {
  const open = h('a', { href: `#/webhooks/${webhookId}/deliveries/${id}` }, t`Open the delivery`);
  if (!state) {
    const queued = gaveUp ? t`Still queued. Look at the deliveries below in a while.` : t`Queued …`;
    return h('p', {}, dot(gaveUp ? 'bad' : 'wait'), queued);
  }
  const [last, count] = [state.attempts.at(-1), state.attempts.length];
  if (state.status === 'delivered') {
    const [delivered, took] = [h('strong', {}, t`Delivered`), duration(last.duration_ms)];
    const answer = last.http_status;
    const text =
      count === 1
        ? parts`${delivered} in ${took}: your endpoint answered ${answer}.`
        : parts`${delivered} in ${took}: your endpoint answered ${answer}, at attempt ${count}.`;
    return h('p', {}, dot('good'), text, ' ', open);
  }
  return h(
    'p',
    {},
    dot('bad'),
    whatFailed(count, last),
    ' ',
    then(state),
    ' ',
    open,
  );
}

function whatFailed(count, last) {
  if (!last) return [h('strong', {}, t`No attempt was made`), '.'];
  const failed = h('strong', {}, t`Attempt ${count} failed`);
  const [message, words] = [serviceText(last.message), answered(last)];
  return words ? parts`${failed}: ${message}, “${safely(words)}”.` : parts`${failed}: ${message}.`;
}

function then(state) {
  const { status, next_attempt_at: next } = state;
  if (status === 'retrying') return parts`The next attempt comes at ${time(next)}.`;
  if (status === 'held') return t`It waits until your endpoint answers.`;
  if (status === 'pending') return t`It is being tried.`;
  return status === 'cancelled' ? whyCancelled(state) : t`There will be no further attempt.`;
}

function dot(kind) {
  return h('span', { class: `dot ${kind}`, 'aria-hidden': 'true' });
}
