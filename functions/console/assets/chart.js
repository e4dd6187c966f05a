// A chart with its title and the numbers of one hour: the hour that the pointer or the arrow keys choose.

import { fill, h, say } from './dom.js';
import { plot } from './plot.js';
import { t, timeFormat } from './text.js';

/**
 * Makes a chart. `series` are drawn in their order, and listed in the opposite order. `show` formats a value, `mark` a
 * value on the axis. `idle` has the numbers to show while no hour is chosen: those of the hour `at`, or others.
 *
 * Returns the `figure`, and `draw`, which draws the chart as wide as its place is now.
 */
export function chart(description) {
  const { title, series, empty } = description;
  const state = {
    ...description,
    chosen: null,
    plot: null,
    when: h('span', { class: 'hint' }),
    values: series.map(() => h('strong')),
    reason: h('p', { class: 'hint' }),
    canvas: h('div', {
      class: 'canvas',
      role: 'img',
      tabindex: empty ? null : 0,
      'aria-label': summary(description),
      onkeydown: (event) => moveByKey(state, event),
      onmousemove: ({ clientX }) => choose(state, hourAt(state, clientX)),
      onmouseleave: () => choose(state, null),
    }),
  };
  const figure = h(
    'figure',
    {},
    h('figcaption', {}, h('h3', {}, title), state.when),
    state.canvas,
    h('p', { class: 'legend' }, series.map((one, at) => legend(one, state.values[at])).reverse()),
    state.reason,
  );
  choose(state, null);
  return { figure, draw: () => draw(state) };
}

/** What a screen reader says of a chart. */
function summary({ title, series, show, idle, empty }) {
  if (empty) return t`${title}: nothing in this time`;
  const numbers = series.map(({ name }, at) => `${name}: ${show(idle.values[at])}`).join(', ');
  return t`${title}. ${numbers}. The arrow keys go through the hours.`;
}

function legend({ name, colour }, value) {
  return h('span', {}, h('i', { class: `swatch ${colour}` }), name, ' ', value);
}

function draw(state) {
  if (state.empty) {
    const text = t`Nothing in this time. What happens is counted within a minute or two.`;
    fill(state.canvas, h('p', { class: 'none' }, text));
    return;
  }
  state.plot = plot(state.canvas.clientWidth, state);
  fill(state.canvas, state.plot.svg);
  state.plot.point(state.chosen);
}

/** Shows the numbers of an hour, or the idle ones for `null`. */
function choose(state, at) {
  state.chosen = at;
  state.plot?.point(at);
  if (state.empty) return;
  const { times, series, show, idle } = state;
  fill(state.reason, state.note(at));
  fill(state.when, at === null ? (idle.when ?? hourName(times[idle.at])) : hourName(times[at]));
  series.forEach(({ values }, index) => fill(state.values[index], show(at === null ? idle.values[index] : values[at])));
}

function hourAt({ plot: drawn, canvas }, clientX) {
  return drawn ? drawn.hourAt(clientX - canvas.getBoundingClientRect().left) : null;
}

function moveByKey(state, event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || state.empty) return;
  event.preventDefault();
  const count = state.times.length;
  choose(state, Math.min(Math.max((state.chosen ?? count) + step, 0), count - 1));
  const numbers = state.series.map(({ name }, at) => `${name} ${state.values[at].textContent}`).join(', ');
  say(`${state.when.textContent}: ${numbers}`);
}

function hourName(time) {
  const style = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' };
  return timeFormat(style).format(new Date(time));
}
