// Two charts of the hourly statistics. Below each are the numbers of the hour under the pointer, or of all hours.

import uPlot from './uplot-1.6.32.js';
import { duration, fill, h, say } from './dom.js';
import { OUTCOMES } from './explain.js';

const HEIGHT = 180;
/** With more points than this, the points of a line would overlap. */
const MOST_POINTS = 48;
/** Steps of an axis. Deliveries and milliseconds have no fractions. */
const WHOLE_STEPS = [...Array(9).keys()].flatMap((zeros) => [1, 2, 5].map((digit) => digit * 10 ** zeros));

/** Draws both charts into an element. Call the result's `stop` when they are no longer needed. */
export function drawCharts(element, hours) {
  const times = hours.map(({ hour }) => Date.parse(hour) / 1000);
  const column = (name) => hours.map((hour) => hour[name]);
  const [delivered, failed] = [column('deliveries'), column('failures')];
  const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
  const both = delivered.map((count, at) => count + failed[at]);
  const median = column('p50_ms');
  const slow = column('p95_ms');
  const lastAt = slow.findLastIndex((value) => value !== null);

  const volume = chart({
    title: 'Deliveries and failures per hour',
    times,
    // The failures' bars are drawn behind the deliveries' bars, and as high as both together: the part above is
    // visible.
    series: [
      { name: 'Failed attempts', values: failed, drawn: both, colour: '--red', bars: true },
      { name: 'Delivered', values: delivered, colour: '--green', bars: true },
    ],
    show: (value) => value.toLocaleString(),
    mark: short,
    idle: { when: 'Total', values: [sum(failed), sum(delivered)] },
    empty: sum(both) === 0,
    note: (at) => reasons(at === null ? hours : [hours[at]]),
  });
  const speed = chart({
    title: 'Response time of answers',
    times,
    series: [
      { name: '95 % within', values: slow, colour: '--amber' },
      { name: 'Median', values: median, colour: '--accent' },
    ],
    show: (value) => (value === null ? '–' : duration(value)),
    idle: { at: lastAt, values: [slow[lastAt], median[lastAt]] },
    empty: lastAt < 0,
  });
  fill(element, volume.figure, speed.figure);
  volume.draw();
  speed.draw();

  // The colours come from the page's style, which changes between light and dark.
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const redraw = () => {
    volume.draw();
    speed.draw();
  };
  const resized = new ResizeObserver(() => {
    volume.fit();
    speed.fit();
  });
  dark.addEventListener('change', redraw);
  resized.observe(element);
  return {
    stop() {
      dark.removeEventListener('change', redraw);
      resized.disconnect();
      volume.destroy();
      speed.destroy();
    },
  };
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
    `Failed: ${all.map(([outcome, count]) => `${count.toLocaleString()} × ${OUTCOMES[outcome]}`).join(', ')}`
  );
}

/** A number in the short form for an axis: 12.5k */
function short(value) {
  return value.toLocaleString(undefined, { notation: 'compact', maximumFractionDigits: 1 });
}

/** Makes one chart. `idle` has the numbers to show while no hour is chosen: those of the hour `at`, or others. */
function chart({ title, times, series, show, mark = show, idle, empty, note = () => null }) {
  const values = series.map(() => h('strong'));
  const when = h('span', { class: 'hint' });
  const reason = h('p', { class: 'hint' });
  const canvas = h('div', { class: 'canvas', tabindex: empty ? null : 0, role: 'img', onkeydown: move });
  const figure = h(
    'figure',
    {},
    h('figcaption', {}, h('h3', {}, title), when),
    canvas,
    h(
      'p',
      { class: 'legend' },
      series
        .map(({ name, colour }, at) =>
          h('span', {}, h('i', { class: `swatch ${colour.slice(2)}` }), name, ' ', values[at]),
        )
        .reverse(),
    ),
    reason,
  );
  let plot;
  return {
    figure,
    draw,
    fit: () => plot?.setSize({ width: canvas.clientWidth, height: HEIGHT }),
    destroy: () => plot?.destroy(),
  };

  function tell(at) {
    const style = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' };
    const hour = (index) => new Date(times[index] * 1000).toLocaleString(undefined, style);
    const chosen = at ?? null;
    fill(reason, empty ? null : note(chosen));
    fill(when, empty ? '' : chosen !== null ? hour(chosen) : (idle.when ?? hour(idle.at)));
    series.forEach((one, index) =>
      fill(values[index], empty ? '' : show(chosen === null ? idle.values[index] : one.values[chosen])),
    );
  }

  function draw() {
    plot?.destroy();
    tell(null);
    const told = series.map(({ name }, at) => `${name}: ${show(idle.values[at] ?? null)}`).join(', ');
    canvas.setAttribute(
      'aria-label',
      empty ? `${title}: nothing in this time` : `${title}. ${told}. The arrow keys go through the hours.`,
    );
    if (empty) {
      fill(canvas, h('p', { class: 'none' }, 'Nothing in this time. What happens is counted within a minute or two.'));
      return;
    }
    fill(canvas);
    const colour = (name) => getComputedStyle(canvas).getPropertyValue(name);
    const axis = {
      stroke: colour('--muted'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui',
    };
    plot = new uPlot(
      {
        width: canvas.clientWidth,
        height: HEIGHT,
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { show: false } },
        scales: {
          x: { range: (_, from, to) => [from - 1800, to + 1800] },
          y: { range: (_, __, top) => [0, Math.max(top ?? 0, 1) * 1.1] },
        },
        axes: [
          { ...axis, size: 30, grid: { show: false }, values: hourLabels },
          { ...axis, size: 52, incrs: WHOLE_STEPS, values: (_, marks) => marks.map(mark) },
        ],
        series: [
          {},
          ...series.map((one) => ({
            stroke: colour(one.colour),
            width: one.bars ? 0 : 2,
            fill: one.bars ? colour(one.colour) : undefined,
            paths: one.bars ? uPlot.paths.bars({ size: [0.7, 40] }) : uPlot.paths.linear(),
            points: {
              show: !one.bars && times.length <= MOST_POINTS,
              // A line through a single hour cannot be seen.
              filter: (_, __, show) => (one.bars || show ? null : lonely(one.values)),
              size: 6,
              fill: colour(one.colour),
            },
          })),
        ],
        hooks: { setCursor: [({ cursor }) => tell(cursor.idx)] },
      },
      [times, ...series.map(({ values, drawn }) => drawn ?? values)],
      canvas,
    );
  }

  function move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !plot) return;
    event.preventDefault();
    const at = Math.min(Math.max((plot.cursor.idx ?? times.length) + step, 0), times.length - 1);
    plot.setCursor({ left: plot.valToPos(times[at], 'x'), top: 0 });
    say(`${when.textContent}: ${series.map(({ name }, index) => `${name} ${values[index].textContent}`).join(', ')}`);
  }
}

/** The places of the values that have none beside them. */
function lonely(values) {
  const has = (at) => Number.isFinite(values[at]);
  return [...values.keys()].filter((at) => has(at) && !has(at - 1) && !has(at + 1));
}

function hourLabels(_, marks) {
  return marks.map((mark, at) => {
    const date = new Date(mark * 1000);
    const isDay = date.getHours() === 0 || (at > 0 && date.getDate() !== new Date(marks[at - 1] * 1000).getDate());
    return date.toLocaleString(
      undefined,
      isDay ? { day: 'numeric', month: 'short' } : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
    );
  });
}
