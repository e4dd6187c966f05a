// Draws bars or lines over hours, as SVG. The style sheet has the colours, so a drawing follows light, dark and forced
// colours by itself. All lengths are in pixels.

import { svg } from './dom.js';
import { timeFormat } from './text.js';

const HEIGHT = 180;
/** The space around the area of the bars and lines. The axes' labels are at the left and at the bottom. */
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 16, 8, 30];
const FLOOR = HEIGHT - BOTTOM;
/** The least distance between two labels of an axis. */
const [ROW, COLUMN] = [30, 56];
const HALF_LABEL = 24;
/** With more hours than this, the dots of a line would overlap. */
const MOST_DOTS = 48;

/**
 * Draws the `series` over consecutive hours that begin at `times`. Returns the drawing as `svg`. `hourAt` returns the
 * index of the hour at a horizontal position, or null. `point` puts a vertical line at an hour; null removes it.
 */
export function plot(width, { times, series, mark }) {
  const scale = scaleOf(width, times.length, series);
  const line = svg('line', { class: 'cursor', y1: TOP, y2: FLOOR, hidden: true });
  return {
    svg: svg(
      'svg',
      { width, height: HEIGHT },
      valueAxis(scale, mark),
      hourAxis(scale, times),
      series.map((one) => (one.bars ? bars(scale, one) : lines(scale, one))),
      line,
    ),
    hourAt: (x) => (x < LEFT || x >= scale.right ? null : Math.floor((x - LEFT) / scale.column)),
    point(at) {
      line.toggleAttribute('hidden', at === null);
      if (at !== null) for (const name of ['x1', 'x2']) line.setAttribute(name, scale.x(at));
    },
  };
}

/** Where hours and values are in the drawing: `x` is the middle of an hour, `column` the width of one. */
function scaleOf(width, count, series) {
  const right = width - RIGHT;
  const column = (right - LEFT) / count;
  const top = Math.max(1, ...series.flatMap(({ drawn }) => drawn)) * 1.1;
  return {
    right,
    column,
    top,
    x: (at) => LEFT + (at + 0.5) * column,
    y: (value) => FLOOR - (value / top) * (FLOOR - TOP),
  };
}

/** Horizontal lines at round values, and their labels. */
function valueAxis({ top, right, y }, mark) {
  const least = Math.max(1, (top * ROW) / (FLOOR - TOP));
  const power = 10 ** Math.floor(Math.log10(least));
  // Deliveries and milliseconds have no fractions.
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((digit) => digit >= least);
  const values = [...Array(Math.floor(top / step) + 1).keys()].map((nth) => nth * step);
  return values.map((value) => [
    svg('line', { class: 'grid', x1: LEFT, x2: right, y1: y(value), y2: y(value) }),
    svg('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, mark(value)),
  ]);
}

/** Labels at round hours of the user's time zone. The first label of a day is its date. */
function hourAxis({ column, right, x }, times) {
  const step = [1, 2, 3, 4, 6, 8, 12, 24].find((hours) => hours * column >= COLUMN) ?? 48;
  const dates = times.map((time) => new Date(time));
  const marks = [...dates.keys()]
    .filter((at) => dates[at].getHours() % Math.min(step, 24) === 0)
    .filter((_, nth) => step <= 24 || nth % 2 === 0);
  return marks.map((at, nth) => {
    const isDay = dates[at].getHours() === 0 || (nth > 0 && dates[at].getDate() !== dates[marks[nth - 1]].getDate());
    const style = isDay ? { day: 'numeric', month: 'short' } : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
    const label = timeFormat(style).format(dates[at]);
    return x(at) + HALF_LABEL <= right + RIGHT && svg('text', { x: x(at), y: FLOOR + 20, 'text-anchor': 'middle' }, label);
  });
}

function bars({ column, x, y }, { drawn, colour }) {
  // Gaps between narrow bars would be uneven.
  const width = column < 4 ? column : Math.min(column * 0.7, 40);
  const path = drawn.map((value, at) => value > 0 && `M${x(at) - width / 2},${FLOOR}V${y(value)}h${width}V${FLOOR}`);
  return svg('path', { class: `bars ${colour}`, d: path.filter(Boolean).join('') });
}

/** A line with gaps where there is no value, and dots, without which a line through a single hour cannot be seen. */
function lines({ x, y }, { drawn, colour }) {
  const has = (at) => Number.isFinite(drawn[at]);
  const points = [...drawn.keys()].filter(has);
  const line = points.map((at) => `${has(at - 1) ? 'L' : 'M'}${x(at)},${y(drawn[at])}`);
  const dots = points
    .filter((at) => drawn.length <= MOST_DOTS || (!has(at - 1) && !has(at + 1)))
    .map((at) => `M${x(at)},${y(drawn[at])}h.01`);
  return [
    svg('path', { class: `line ${colour}`, d: line.join('') }),
    svg('path', { class: `dots ${colour}`, d: dots.join('') }),
  ];
}
