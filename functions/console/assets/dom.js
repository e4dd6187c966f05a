// Makes elements from values. Nothing in the console turns text into markup: data from customers and receivers
// becomes text nodes, and the page's security policy blocks the browser's other ways.

import { LANGUAGE, fromService, number, t, timeFormat } from './text.js';

/**
 * Makes an element. Properties that start with `on` are listeners. `true` sets an attribute, and `false` leaves it
 * out. Children are elements, texts, lists of these, or nothing (null, undefined, false).
 */
export function h(tag, properties = {}, ...children) {
  return made(document.createElement(tag), properties, children);
}

/** The same for an element of a drawing. */
export function svg(tag, properties, ...children) {
  return made(document.createElementNS('http://www.w3.org/2000/svg', tag), properties, children);
}

function made(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...flat(children));
  return element;
}

/** Replaces all children of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/**
 * As `fill`, but keeps the focus: on the new element with the same `data-name`, or else on the first heading.
 * Otherwise a keyboard user would start again at the top of the page.
 */
export function refill(element, ...children) {
  const focused = element.contains(document.activeElement) && document.activeElement;
  fill(element, ...children);
  if (!focused || document.activeElement !== document.body) return element;
  const same = focused.dataset.name && element.querySelector(`[data-name="${CSS.escape(focused.dataset.name)}"]`);
  const heading = element.querySelector('h1, h2, h3');
  if (!same) heading?.setAttribute('tabindex', -1);
  (same || heading)?.focus({ preventScroll: true });
  return element;
}

/** Moves the focus to an element that is not a control: what the user pressed is gone. */
export function focusOn(element) {
  element.setAttribute('tabindex', -1);
  element.focus({ preventScroll: true });
}

/**
 * A button that changes or sends something, which takes time. It cannot be pressed again until that has ended, and keeps
 * the focus, which a disabled button would lose. A key that may only read does not see it.
 */
export function workButton(properties, label, work) {
  const button = h('button', { type: 'button', ...properties, onclick: press }, label);
  button.classList.add('changes');
  async function press() {
    if (button.ariaDisabled) return;
    button.ariaDisabled = 'true';
    try {
      await work(button);
    } finally {
      button.ariaDisabled = null;
    }
  }
  return button;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

// Control characters except tab and line feed; direction marks, embeddings, overrides and isolates; invisible
// characters.
const INVISIBLE =
  /[\0-\x08\x0B-\x1F\x7F-\x9F\xAD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/;

/**
 * A text from a customer or a receiver, safe to show: a character that is invisible, or that changes the order in
 * which the browser shows its neighbours, is replaced by its escape.
 */
export function safely(text) {
  return text
    .split(new RegExp(`(${INVISIBLE.source})`))
    .filter((part) => part !== '')
    .map((part) => {
      if (!INVISIBLE.test(part)) return part;
      const code = part.charCodeAt(0).toString(16).padStart(4, '0');
      return h('span', { class: 'escape', title: t`the invisible character U+${code.toUpperCase()}` }, `\\u${code}`);
    });
}

/**
 * A text of the service, for the children of an element: in the console's language or, if it has no translation, marked
 * as English. `change` changes the text that is shown.
 */
export function serviceText(text, change = (same) => same) {
  const translated = fromService(text);
  return inLanguage(translated === null ? 'en' : null, change(translated ?? text));
}

/** The message of a failed request, for the children of an element. */
export function errorText({ message, language }, change = (same) => same) {
  return inLanguage(language, language === LANGUAGE ? message : change(message));
}

function inLanguage(language, text) {
  return language ? h('span', { lang: language }, safely(text)) : safely(text);
}

/** Announces to a screen reader what has just happened. */
export function say(text) {
  document.getElementById('said').textContent = text;
}

/** A button that copies a text and says so, and then calls `done`. */
export function copyButton(text, label = t`Copy`, done = () => {}) {
  const button = h('button', { type: 'button', class: 'small', onclick: copy }, label);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = t`Copied`;
      say(t`Copied`);
      done();
    } catch {
      button.textContent = t`Not allowed: select the text instead`;
    }
    setTimeout(() => {
      button.textContent = label;
    }, 2000);
  }
  return button;
}

/** A point in time, short and in the user's time zone. The title has it in UTC, and names the user's zone. */
export function time(text) {
  const date = new Date(text);
  const style = {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  };
  return h(
    'time',
    { datetime: text, title: t`${text} (shown in ${zone()})` },
    timeFormat(style).format(date),
  );
}

/** The name of the time zone in which times are shown. */
export function zone() {
  const parts = timeFormat({ timeZoneName: 'short' }).formatToParts(new Date());
  return parts.find(({ type }) => type === 'timeZoneName').value;
}

/** A point in time for use in a sentence: hours and minutes, and the day unless it is today. */
export function moment(text) {
  const date = new Date(text);
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: 'numeric', month: 'short' };
  const style = { ...day, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  return h(
    'time',
    { datetime: text, title: t`${text} (shown in ${zone()})` },
    timeFormat(style).format(date),
  );
}

/** A time of day, as a clock shows it. */
export function clock(milliseconds) {
  return timeFormat({ timeStyle: 'medium', hourCycle: 'h23' }).format(milliseconds);
}

/** A text with a capital first letter. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A length of time, in its short form. */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const tenth = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  if (milliseconds < 60_000) return `${number(milliseconds / 1000, tenth)} s`;
  if (milliseconds < 5_400_000) return `${Math.round(milliseconds / 60_000)} min`;
  if (milliseconds < 129_600_000) return `${Math.round(milliseconds / 3_600_000)} h`;
  return t`${number(Math.round(milliseconds / 86_400_000))} days`;
}
