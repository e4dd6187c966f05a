// Rehearses a webhook's receiver, and shows what each step has shown.

import { request } from './api.js';
import { failureText } from './dialogs.js';
import { duration, errorText, fill, h, moment, refill, safely, say, serviceText, workButton } from './dom.js';
import { parts, t } from './text.js';
import { watch } from './watch.js';

const TITLES = {
  signed_event: t`A valid event`,
  wrong_signature: t`A wrong signature`,
  old_timestamp: t`An old timestamp`,
  repeated_id: t`The same event again`,
  unknown_event: t`An unknown event`,
};

/** The button that begins a rehearsal, and the element that shows the webhook's last one. */
export function rehearsals(path, signal) {
  const [report, problem] = [h('div'), h('p', { class: 'error', role: 'alert' })];
  const page = { path: `${path}/rehearse`, signal, report, problem };
  const button = workButton({ 'aria-describedby': 'test-hint' }, t`Rehearse`, () => rehearse(page));
  showLast(page).catch(() => null);
  return { button, report: h('div', { class: 'watch rehearsals' }, problem, report) };
}

/** Shows the last rehearsal, closed, if there is one. One that is running is followed. */
async function showLast(page) {
  const last = await request('GET', page.path, { signal: page.signal }).catch((error) => {
    if (error.status !== 404) throw error;
    return null;
  });
  if (!last) return;
  show(page, last, false);
  if (last.status === 'running') await follow(page);
}

async function rehearse(page) {
  try {
    const begun = await request('POST', page.path);
    fill(page.problem);
    fill(page.report);
    show(page, begun, true);
    await follow(page);
    if (!page.signal.aborted) say(t`The rehearsal has ended: ${page.words}`);
  } catch (failure) {
    // Too soon after the last one, which is still shown.
    const text = failure.status === 429 ? errorText(failure) : failureText(failure);
    if (!page.signal.aborted) fill(page.problem, text);
  }
}

async function follow(page) {
  await watch(page.signal, {
    look: () => request('GET', page.path, { signal: page.signal }),
    show: (rehearsal) => show(page, rehearsal, true),
    isFinished: ({ status }) => status !== 'running',
  });
}

function show(page, rehearsal, isOpen) {
  page.words = summary(rehearsal);
  const open = page.report.querySelector('details')?.open ?? isOpen;
  const { url, started_at: begun, stopped_reason: reason, steps } = rehearsal;
  refill(
    page.report,
    h(
      'details',
      { class: 'rehearsal', open },
      h('summary', { 'data-name': 'rehearsal' }, parts`Rehearsal at ${moment(begun)}: ${page.words}`),
      h('p', { class: 'hint' }, parts`Tested was ${h('code', { class: 'whole' }, safely(url))}`),
      h('ol', {}, steps.map((step) => stepItem(step, rehearsal.status))),
      reason && h('p', { class: 'error' }, parts`It has stopped: ${serviceText(reason)}.`),
    ),
  );
}

function summary({ status, passed, steps }) {
  const count = steps.filter((step) => step.passed).length;
  if (status === 'running') return t`under way …`;
  if (passed) return t`your endpoint passes.`;
  return t`${count} of ${steps.length} passed.`;
}

function stepItem(step, status) {
  const kind = step.passed === null ? 'wait' : step.passed ? 'good' : 'bad';
  const isPending = step.finding === null && status === 'running';
  return h(
    'li',
    {},
    h('p', {}, mark(step, isPending, kind), h('strong', {}, TITLES[step.name] ?? safely(step.name))),
    step.finding && h('p', {}, serviceText(step.finding)),
    step.message !== null &&
      h(
        'p',
        { class: 'hint' },
        parts`Sent: ${serviceText(step.sent)}. Expected: ${serviceText(step.expected)}.`,
        ' ',
        answer(step),
      ),
  );
}

/** The colour of a dot is not enough: its meaning is also said in a word. */
function mark(step, isPending, kind) {
  const open = isPending ? t`Waiting` : step.message === null ? t`Not sent` : t`Unclear`;
  const word = step.passed === null ? open : step.passed ? t`Passed` : t`Failed`;
  const colour = isPending || step.passed !== null ? kind : 'unclear';
  return [h('span', { class: `dot ${colour}`, 'aria-hidden': 'true' }), h('span', { class: 'judged' }, word), ' '];
}

function answer({ http_status: status, message, duration_ms: took, response }) {
  const said = status === null ? serviceText(message) : status;
  return response
    ? parts`Got: ${said} after ${duration(took)}, “${safely(response)}”.`
    : parts`Got: ${said} after ${duration(took)}.`;
}
