// Two charts of the hourly statistics. Below each are the numbers of the hour under the pointer, or of all hours.

import { chart } from './chart.js';
import { duration, fill } from './dom.js';
import { OUTCOMES } from './explain.js';
import { number, t } from './text.js';

/** Draws both charts into an element. Call the result's `stop` when they are no longer needed. */
export function drawCharts(element, hours) {
  const charts = [volume(hours), speed(hours)].map(chart);
  fill(
    element,
    charts.map(({ figure }) => figure),
  );
  // This also draws them the first time.
  const resized = new ResizeObserver(() => charts.forEach(({ draw }) => draw()));
  resized.observe(element);
  return { stop: () => resized.disconnect() };
}

function volume(hours) {
  const [delivered, failed] = [column(hours, 'deliveries'), column(hours, 'failures')];
  const both = delivered.map((count, at) => count + failed[at]);
  return {
    title: t`Deliveries and failures per hour`,
    times: hours.map(({ hour }) => Date.parse(hour)),
    // The failures' bars are drawn behind the deliveries' bars, and as high as both together: the part above is
    // visible.
    series: [
      { name: t`Failed attempts`, values: failed, drawn: both, colour: 'red', bars: true },
      { name: t`Delivered`, values: delivered, drawn: delivered, colour: 'green', bars: true },
    ],
    show: (value) => number(value),
    mark: short,
    idle: { when: t`Total`, values: [sum(failed), sum(delivered)] },
    empty: sum(both) === 0,
    note: (at) => reasons(at === null ? hours : [hours[at]]),
  };
}

function speed(hours) {
  const [median, slow] = [column(hours, 'p50_ms'), column(hours, 'p95_ms')];
  const lastAt = slow.findLastIndex((value) => value !== null);
  const show = (value) => (value === null ? '–' : duration(value));
  return {
    title: t`Response time of answers`,
    times: hours.map(({ hour }) => Date.parse(hour)),
    series: [
      { name: t`95 % within`, values: slow, drawn: slow, colour: 'amber' },
      { name: t`Median`, values: median, drawn: median, colour: 'accent' },
    ],
    show,
    mark: show,
    idle: { at: lastAt, values: [slow[lastAt], median[lastAt]] },
    empty: lastAt < 0,
    note: () => null,
  };
}

function column(hours, name) {
  return hours.map((hour) => hour[name]);
}

function sum(numbers) {
  return numbers.reduce((one, other) => one + other, 0);
}

/** A number in the short form for an axis: 12.5k */
function short(value) {
  return number(value, { notation: 'compact', maximumFractionDigits: 1 });
}

/** The reasons of failed attempts, the most frequent first. */
function reasons(hours) {
  const counts = {};
  for (const { failures_by_outcome: outcomes } of hours) {
    for (const [outcome, count] of Object.entries(outcomes)) counts[outcome] = (counts[outcome] ?? 0) + count;
  }
  const all = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return (
    all.length > 0 &&
    t`Failed: ${all.map(([outcome, count]) => `${number(count)} × ${OUTCOMES[outcome] ?? outcome}`).join(', ')}`
  );
}
