// The list of a webhook's deliveries, and `watch`, which follows one delivery.

import { parameters, setParameters } from './address.js';
import { keepLively, poll, request } from './api.js';
import { capital, duration, fill, h, safely, time, zone } from './dom.js';
import { answered, label, succeeded } from './explain.js';

const REFRESH_LIST = 15_000;
/** The states that the list can be filtered by. `pending` is missing, because it ends within moments. */
const STATES = ['delivered', 'retrying', 'held', 'failed', 'cancelled'];
const ABOUT_HELD =
  'A held delivery waits because your endpoint does not answer, or because the webhook is disabled. It is sent by itself ' +
  'when your endpoint answers again or you enable the webhook.';

/** The list as a section. `refresh` loads it once, `keepFresh` repeatedly. */
export function deliveriesSection(path, signal, failed) {
  const { status, cursor } = Object.fromEntries(parameters());
  // One cursor for each page up to the one that is shown. The first page's cursor is empty. The address has the last
  // one.
  let [state, cursors, shown] = [STATES.includes(status) ? status : '', cursor ? ['', cursor] : [''], null];
  const webhookId = path.split('/')[1];
  const body = h('div', {}, h('p', { class: 'loading' }, 'Loading …'));
  const choice = (value, text) =>
    h(
      'label',
      {},
      h('input', { type: 'radio', name: 'state', value, checked: value === state, onchange: () => choose(value) }),
      h('span', {}, text),
    );
  const newer = h('button', { type: 'button', class: 'small', onclick: () => turn(() => cursors.pop()) }, '← Newer');
  const older = h(
    'button',
    { type: 'button', class: 'small', onclick: () => turn(() => cursors.push(older.cursor)) },
    'Older →',
  );
  const pages = h('div', { class: 'pages', hidden: true }, newer, older);
  const section = h(
    'section',
    { class: 'card', 'aria-labelledby': 'deliveries-title' },
    h(
      'div',
      { class: 'head' },
      h('h2', { id: 'deliveries-title' }, 'Deliveries'),
      h(
        'fieldset',
        { class: 'segments' },
        h('legend', { class: 'sr-only' }, 'Show'),
        choice('', 'All'),
        STATES.map((name) => choice(name, capital(name))),
      ),
    ),
    body,
    pages,
  );
  return { section, refresh, keepFresh };

  async function refresh() {
    const query = new URLSearchParams({
      limit: 20,
      ...(state && { status: state }),
      ...(cursors.at(-1) && { cursor: cursors.at(-1) }),
    });
    const asked = `${state} ${cursors.at(-1)}`;
    const isCurrent = () => asked === `${state} ${cursors.at(-1)}`;
    let page;
    try {
      page = await request('GET', `${path}/deliveries?${query}`, { signal });
    } catch (error) {
      if (error.status !== 400 || cursors.length === 1 || !isCurrent()) throw error;
      // A cursor is invalid once the secret that sealed it has expired.
      cursors = [''];
      return refresh();
    }
    // The user may have requested another page meanwhile.
    if (!isCurrent()) return;
    [newer.disabled, older.disabled, older.cursor] = [cursors.length === 1, !page.next_cursor, page.next_cursor];
    pages.hidden = newer.disabled && older.disabled;
    const text = JSON.stringify([asked, page]);
    if (text === shown) return;
    shown = text;
    keepLively();
    const focused = document.activeElement?.getAttribute('href');
    fill(
      body,
      state === 'held' && h('p', { class: 'hint' }, ABOUT_HELD),
      page.deliveries.length > 0 ? table(page.deliveries) : h('p', { class: 'none' }, nothing()),
    );
    if (focused) body.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Refreshes the first page regularly; the other pages do not change by themselves. */
  function keepFresh() {
    poll(signal, async () => {
      if (cursors.length === 1) await refresh();
      return REFRESH_LIST;
    }).catch(failed);
  }

  function choose(value) {
    [state, cursors] = [value, ['']];
    setParameters({ status: state, cursor: null });
    refresh().catch(failed);
  }

  function turn(change) {
    change();
    setParameters({ cursor: cursors.at(-1) });
    refresh()
      .then(() => {
        section.scrollIntoView({ block: 'nearest' });
        // On the first and on the last page a button is disabled, and a disabled button loses the focus.
        const other = newer.disabled ? older : newer;
        if (document.activeElement === document.body || document.activeElement.disabled) other.focus();
      })
      .catch(failed);
  }

  function nothing() {
    if (cursors.length > 1) return 'Nothing more here.';
    if (state) return `No delivery is ${state} at the moment.`;
    return (
      'Nothing yet. Send a test event above, or wait for a task to finish: a delivery appears with its ' +
      'first attempt.'
    );
  }

  function table(rows) {
    return h(
      'table',
      { class: 'list' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ['Status', 'Event', 'Last answer', 'Attempts', `Task ended (${zone()})`].map((name) =>
            h('th', { scope: 'col' }, name),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            {},
            h(
              'td',
              {},
              h(
                'a',
                {
                  href: `#/webhooks/${webhookId}/deliveries/${row.id}`,
                  'aria-label': `${row.status}, ${row.event}, ${row.id}`,
                },
                statePill(row.status),
              ),
            ),
            h('td', {}, h('code', {}, row.event)),
            h(
              'td',
              { class: row.last_attempt && !succeeded(row.last_attempt) ? 'bad' : '' },
              lastAnswer(row.last_attempt),
            ),
            h('td', {}, row.attempt_count.toLocaleString()),
            h('td', {}, time(row.timestamp)),
          ),
        ),
      ),
    );
  }
}

function lastAnswer(attempt) {
  if (!attempt) return '–';
  const words = succeeded(attempt) ? null : answered(attempt);
  return [
    label(attempt),
    words && h('span', { class: 'said', title: words }, safely(words)),
    h('span', { class: 'hint' }, duration(attempt.duration_ms)),
  ];
}

export function statePill(state) {
  const colour = { delivered: 'green', retrying: 'amber', held: 'accent', failed: 'red' }[state] ?? 'grey';
  return h('span', { class: `pill ${colour}` }, capital(state));
}

/**
 * Polls a delivery until it is finished, about fifteen times in the first minute, and gives up after three minutes.
 * If `isNews` accepts the delivery and its next attempt has a time, it waits until then. It may use all of the key's
 * limit, because the user is waiting.
 */
export async function watch(signal, { look, show, isFinished, isNews = () => true }) {
  const began = Date.now();
  const step = async () => {
    const waited = Date.now() - began;
    const delivery = await look();
    const finished = delivery && isFinished(delivery);
    const gaveUp = !finished && waited > 180_000;
    show(delivery, gaveUp);
    if (finished || gaveUp) return null;
    const next = delivery && isNews(delivery) ? delivery.next_attempt_at : null;
    const due = next ? Date.parse(next) - Date.now() + 1000 : 0;
    return Math.max(due, waited < 8000 ? 1500 : waited < 40_000 ? 5000 : 15_000);
  };
  await poll(signal, step, 0);
}
