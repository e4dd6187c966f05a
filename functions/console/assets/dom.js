// Elements from values. Nothing here, nor anywhere else in the console, turns text into markup: what comes from a
// customer or a receiver becomes text nodes, and the page's security policy refuses the browser's other ways.

/**
 * An element. Properties that start with `on` are listeners, `true` and `false` set and leave out an attribute.
 * Children are elements, texts, lists of these, or nothing (null, undefined, false).
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...flat(children));
  return element;
}

/** Puts these children in the place of all that an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/**
 * As `fill`, and the focus stays: on what then has the `data-name` of what had it, or else on the first heading, so that who
 * uses the keyboard does not begin at the top of the page again.
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

/**
 * A button whose work takes a while. Meanwhile it cannot be pressed again, and it keeps the focus, which a disabled button
 * would lose.
 */
export function workButton(properties, label, work) {
  const button = h('button', { type: 'button', ...properties, onclick: press }, label);
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

// Controls but for tab and line feed; marks, embeddings, overrides and isolates of direction; invisible characters.
const INVISIBLE =
  /[\0-\x08\x0B-\x1F\x7F-\x9F\xAD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/;

/**
 * A stranger's text, as it is: a character that cannot be seen, or that makes the browser show its neighbours in
 * another order, stands there as its escape.
 */
export function safely(text) {
  return text
    .split(new RegExp(`(${INVISIBLE.source})`))
    .filter((part) => part !== '')
    .map((part) => {
      if (!INVISIBLE.test(part)) return part;
      const code = part.charCodeAt(0).toString(16).padStart(4, '0');
      return h('span', { class: 'escape', title: `the invisible character U+${code.toUpperCase()}` }, `\\u${code}`);
    });
}

/** Tells a screen reader what has just happened. */
export function say(text) {
  document.getElementById('said').textContent = text;
}

/** A button that copies a text and says so; then `done`. */
export function copyButton(text, label = 'Copy', done = () => {}) {
  const button = h('button', { type: 'button', class: 'small', onclick: copy }, label);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
      say('Copied');
      done();
    } catch {
      button.textContent = 'Not allowed: select the text instead';
    }
    setTimeout(() => {
      button.textContent = label;
    }, 2000);
  }
  return button;
}

/** A point in time, short and in the reader's own zone; the title has it in UTC, and which zone that is. */
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
    { datetime: text, title: `${text} (shown in ${zone()})` },
    new Intl.DateTimeFormat(undefined, style).format(date),
  );
}

/** The time zone that times are shown in. */
export function zone() {
  const parts = new Intl.DateTimeFormat(undefined, { timeZoneName: 'short' }).formatToParts(new Date());
  return parts.find(({ type }) => type === 'timeZoneName').value;
}

/** A point in time in a sentence: hours and minutes, and the day if that is another one. */
export function moment(text) {
  const date = new Date(text);
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: 'numeric', month: 'short' };
  const style = { ...day, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  return h(
    'time',
    { datetime: text, title: `${text} (shown in ${zone()})` },
    new Intl.DateTimeFormat(undefined, style).format(date),
  );
}

/** A time of today, as a clock has it. */
export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString(undefined, { hourCycle: 'h23' });
}

/** With a capital at the beginning, as a sentence has it. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A length of time, as short as it can be said. */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  if (milliseconds < 5_400_000) return `${Math.round(milliseconds / 60_000)} min`;
  if (milliseconds < 129_600_000) return `${Math.round(milliseconds / 3_600_000)} h`;
  return `${Math.round(milliseconds / 86_400_000)} days`;
}
