// The charts of a webhook's statistics.

import { parameters, setParameters } from './address.js';
import { poll, request } from './api.js';
import { drawCharts } from './charts.js';
import { errorText, fill, h } from './dom.js';
import { parts, t } from './text.js';

const REFRESH = 60_000;
/** The periods in hours. The first is shown unless the address has another. */
const PERIODS = [
  ['24', t`Last 24 hours`],
  ['168', t`Last 7 days`],
];

/** The charts as a section that refreshes itself. `refresh` loads them immediately. */
export function activitySection(path, signal, failed) {
  const shown = parameters().get('hours');
  const hours = h(
    'select',
    { 'aria-label': t`Period`, onchange: choose },
    PERIODS.map(([value, text]) => h('option', { value, selected: value === shown }, text)),
  );
  const body = h('div', { class: 'charts' }, h('p', { class: 'loading' }, t`Loading …`));
  let drawing;
  function choose() {
    setParameters({ hours: hours.value === PERIODS[0][0] ? null : hours.value });
    refresh().catch(failed);
  }
  async function refresh() {
    const period = hours.value;
    const stats = await request('GET', `${path}/stats?hours=${period}`, { signal });
    // Another period may have been chosen meanwhile, and its reply may have come first.
    if (signal.aborted || period !== hours.value) return;
    // Drawing again would take the focus from somebody who reads the hours by keyboard.
    if (body.contains(document.activeElement)) return;
    drawing?.stop();
    drawing = drawCharts(body, stats.hours);
  }
  signal.addEventListener('abort', () => drawing?.stop());
  poll(signal, async () => {
    await refresh().catch((error) => {
      if (signal.aborted || error.goOnAt) throw error;
      // The rest of the page works without the charts.
      fill(body, h('p', { class: 'none' }, parts`The charts cannot be shown. ${errorText(error)}`));
    });
    return REFRESH;
  }).catch(failed);
  return {
    section: h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, t`Activity`), hours), body),
    refresh,
  };
}
