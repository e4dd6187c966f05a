// A webhook's health, in one word and in sentences for the customer.

import { capital, h, moment, safely, time } from './dom.js';

/** The API counts held deliveries up to this number. */
const MOST_COUNTED = 1000;
/** The API counts failures in a row exactly up to this number. */
const EXACT_FAILURES = 10;

const CONDITIONS = {
  active: ['Active', 'green'],
  failing: ['Failing', 'amber'],
  recovering: ['Recovering', 'accent'],
  paced: ['Catching up', 'accent'],
  down: ['Down', 'red'],
  disabled: ['Disabled', 'grey'],
  'given-up': ['Given up', 'red'],
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
  return [
    h(
      'p',
      {},
      h('strong', {}, 'Your endpoint has not answered', since && [' since ', moment(since)], '.'),
      ` ${held > 0 ? capital(waiting(held)) : 'New events wait'} and will be sent when it does. `,
      soon ? 'The next try comes within a minute or two.' : ['Next try at ', moment(next), '.'],
    ),
    h(
      'p',
      { class: 'hint' },
      last && ['The last try failed at ', moment(last), '. '],
      'Only a status from 200 to 299 counts as an answer: open a delivery below to see what came instead. After days ' +
        'without one, the webhook is disabled.',
    ),
  ];
}

function recovering({ held, failing_since: since }) {
  return [
    h(
      'p',
      {},
      h('strong', {}, `${capital(waiting(held))} and ${held === 1 ? 'is on its' : 'are on their'} way`),
      ': slowly at first, and faster each minute while your endpoint takes them. New events are sent as they come.',
    ),
    since && h('p', { class: 'hint' }, 'Not all goes well yet: an attempt failed at ', moment(since), '.'),
  ];
}

function paced({ held, max_per_minute: limit }) {
  return h(
    'p',
    {},
    h('strong', {}, `${capital(waiting(held))} for a later minute`),
    `: this webhook gets at most ${limit.toLocaleString()} ${limit === 1 ? 'request' : 'requests'} a minute.`,
  );
}

function failing({ failing_since: since, consecutive_failures: count }) {
  const least = count > EXACT_FAILURES ? 'At least the' : 'The';
  return h(
    'p',
    {},
    count === 1 ? 'The last attempt failed, at ' : `${least} last ${count.toLocaleString()} attempts failed, since `,
    time(since),
    '. Open a delivery below to see why. If your endpoint stays down, events wait and are sent when it answers.',
  );
}

function disabled({ held }) {
  return h(
    'p',
    {},
    h('strong', {}, 'Disabled.'),
    ' It gets no deliveries. Enable it once your endpoint is ready',
    held > 0 ? `: ${waiting(held)} and will be sent then.` : '.',
  );
}

function givenUp({ disabled_reason: reason, held }) {
  return h(
    'p',
    {},
    h('strong', {}, 'The service has disabled this webhook: ', safely(reason), '.'),
    ' It gets no deliveries. Enable it once your endpoint is ready',
    held > 0 ? `: ${waiting(held)} and will be sent then.` : '.',
  );
}

/** The number of held events, as in `1,204 events wait`. */
function waiting(held) {
  if (held === 1) return '1 event waits';
  return `${held >= MOST_COUNTED ? 'at least ' : ''}${held.toLocaleString()} events wait`;
}
