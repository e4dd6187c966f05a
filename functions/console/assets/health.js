// A webhook's health, in one word and in sentences for the customer.

import { h, moment, serviceText, time } from './dom.js';
import { number, parts, t } from './text.js';

/** The API counts held deliveries up to this number. */
const MOST_COUNTED = 1000;
/** The API counts failures in a row exactly up to this number. */
const EXACT_FAILURES = 10;

const CONDITIONS = {
  active: [t`Active`, 'green'],
  failing: [t`Failing`, 'amber'],
  recovering: [t`Recovering`, 'accent'],
  paced: [t`Catching up`, 'accent'],
  down: [t`Down`, 'red'],
  disabled: [t`Disabled`, 'grey'],
  'given-up': [t`Given up`, 'red'],
};

/** The condition of a webhook. Only a webhook with its details has the fields for it. */
export function condition({ status, circuit, held, failing_since: since, disabled_reason: reason, max_per_minute: limit }) {
  // There is a reason only if the service disabled the webhook, and not the customer.
  if (status === 'disabled') return reason ? 'given-up' : 'disabled';
  if (circuit === 'open') return 'down';
  if (circuit === 'recovering' && held > 0) return limit && !since ? 'paced' : 'recovering';
  return since ? 'failing' : 'active';
}

export function statusPill(webhook) {
  const [text, colour] = CONDITIONS[condition(webhook)];
  return h('span', { class: `pill ${colour}` }, text);
}

/** A notice about the webhook's health; `null` if it is healthy. `tools` are the buttons to show with it. */
export function healthNotice(webhook, tools) {
  const about = { down, recovering, paced, failing, disabled, 'given-up': givenUp }[condition(webhook)];
  if (!about) return null;
  const [, colour] = CONDITIONS[condition(webhook)];
  return h('div', { class: `notice ${colour}` }, about(webhook), tools && h('div', { class: 'tools' }, tools));
}

function down({ failing_since: since, last_failed_at: last, next_probe_at: next, held }) {
  const soon = !next || Date.parse(next) <= Date.now();
  const count = number(held);
  const waiting = counted(
    held,
    t`1 event waits and will be sent when it does.`,
    t`${count} events wait and will be sent when it does.`,
    t`At least ${count} events wait and will be sent when it does.`,
  );
  return [
    h(
      'p',
      {},
      h(
        'strong',
        {},
        since ? parts`Your endpoint has not answered since ${moment(since)}.` : t`Your endpoint has not answered.`,
      ),
      ' ',
      held > 0 ? waiting : t`New events wait and will be sent when it does.`,
      ' ',
      soon ? t`The next try comes within a minute or two.` : parts`Next try at ${moment(next)}.`,
    ),
    h(
      'p',
      { class: 'hint' },
      last && [parts`The last try failed at ${moment(last)}.`, ' '],
      t`Only a status from 200 to 299 counts as an answer: open a delivery below to see what came instead. After days
        without one, the webhook is disabled.`,
    ),
  ];
}

function recovering({ held, failing_since: since }) {
  const count = number(held);
  const waiting = counted(
    held,
    t`1 event waits and is on its way`,
    t`${count} events wait and are on their way`,
    t`At least ${count} events wait and are on their way`,
  );
  return [
    h(
      'p',
      {},
      parts`${h('strong', {}, waiting)}: slowly at first, and faster each minute while your endpoint takes them. New
        events are sent as they come.`,
    ),
    since &&
      h('p', { class: 'hint' }, parts`Not all goes well yet: an attempt failed at ${moment(since)}.`),
  ];
}

function paced({ held, max_per_minute: limit }) {
  const count = number(held);
  const text = counted(
    held,
    t`1 event waits for a later minute`,
    t`${count} events wait for a later minute`,
    t`At least ${count} events wait for a later minute`,
  );
  const waiting = h('strong', {}, text);
  return h(
    'p',
    {},
    limit === 1
      ? parts`${waiting}: this webhook gets at most 1 request a minute.`
      : parts`${waiting}: this webhook gets at most ${number(limit)} requests a minute.`,
  );
}

function failing({ failing_since: since, consecutive_failures: count }) {
  const severalFailed =
    count > EXACT_FAILURES
      ? parts`At least the last ${number(count)} attempts failed, since ${time(since)}.`
      : parts`The last ${number(count)} attempts failed, since ${time(since)}.`;
  return h(
    'p',
    {},
    count === 1 ? parts`The last attempt failed, at ${time(since)}.` : severalFailed,
    ' ',
    t`Open a delivery below to see why. If your endpoint stays down, events wait and are sent when it answers.`,
  );
}

function disabled({ held }) {
  return h('p', {}, h('strong', {}, t`Disabled.`), ' ', enableIt(held));
}

function givenUp({ disabled_reason: reason, held }) {
  return h(
    'p',
    {},
    h('strong', {}, parts`The service has disabled this webhook: ${serviceText(reason)}.`),
    ' ',
    enableIt(held),
  );
}

function enableIt(held) {
  const count = number(held);
  const waiting = counted(
    held,
    t`Enable it once your endpoint is ready: 1 event waits and will be sent then.`,
    t`Enable it once your endpoint is ready: ${count} events wait and will be sent then.`,
    t`Enable it once your endpoint is ready: at least ${count} events wait and will be sent then.`,
  );
  return [t`It gets no deliveries.`, ' ', held > 0 ? waiting : t`Enable it once your endpoint is ready.`];
}

/** The text for a number of held events: for one, for several, or for more than the API counts. */
function counted(held, one, several, atLeast) {
  if (held === 1) return one;
  return held >= MOST_COUNTED ? atLeast : several;
}
