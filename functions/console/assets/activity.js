// What happened to a webhook in the last hours, as charts.

import { poll, request } from './api.js';
import { fill, h } from './dom.js';

const REFRESH = 60_000;

/** The charts as a section that keeps itself fresh; `refresh` loads them at once. */
export function activitySection(path, signal, failed) {
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
    return REFRESH;
  }).catch(failed);
  return {
    section: h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, 'Activity'), hours), body),
    refresh,
  };
}
