// The attempts of a delivery: what was sent with each, and what the endpoint answered.

import { checkThis } from './checker.js';
import { openDialog } from './dialogs.js';
import { capital, duration, fill, h, refill, safely, serviceText, time } from './dom.js';
import { label, succeeded } from './explain.js';
import { PAGE, STANDARD } from './schemes.js';
import { sign } from './signature.js';
import { parts, t } from './text.js';
import { VERSION } from './version.js';

/** Outcomes of attempts that ended before the request was sent. */
const NOT_SENT = ['blocked', 'dns', 'connect', 'tls'];

/** The attempts as a section. `show` fills it from a delivery, `check` opens one attempt in the signature checker. */
export function attemptsSection(id, body) {
  const card = h('div', { class: 'card attempts' });
  // The secret is used to compute this page's signatures, and is forgotten when the page is left.
  const page = { id, body, secret: '', opened: new Map(), event: '', ask: () => askSecret(page, redraw) };
  let delivery;
  return { section: h('section', {}, h('h2', {}, t`Attempts`), card), show, check: (attempt) => check(page, attempt) };

  function show(changed) {
    delivery = changed;
    page.event = delivery.event;
    redraw();
  }

  function redraw() {
    const { attempts } = delivery;
    const rows = attempts.map((attempt, at) => attemptRow(page, attempt, at, at === attempts.length - 1)).reverse();
    refill(card, attempts.length > 0 ? rows : h('p', { class: 'none' }, t`None was made.`));
  }
}

function check({ id, body, secret }, attempt) {
  checkThis({ id, body: body ?? '', timestamp: seconds(attempt), secret });
}

function seconds({ started_at: at }) {
  return String(Math.floor(Date.parse(at) / 1000));
}

function attemptRow(page, attempt, at, isLast) {
  const notSent = NOT_SENT.includes(attempt.outcome);
  const row = h(
    'details',
    { class: 'attempt', open: page.opened.get(attempt.started_at) ?? isLast },
    h(
      'summary',
      { 'data-name': attempt.started_at },
      h('span', { class: `pill ${succeeded(attempt) ? 'green' : 'red'}` }, label(attempt)),
      h('strong', {}, t`Attempt ${at + 1}`),
      h('span', { class: 'what' }, serviceText(attempt.message, capital)),
      h('span', { class: 'hint' }, duration(attempt.duration_ms)),
      h('span', { class: 'hint' }, time(attempt.started_at)),
    ),
    attempt.resent &&
      h(
        'p',
        { class: 'hint' },
        t`The connection was an old one and had died, so the request was sent a second time. You may have received it
          twice.`,
      ),
    h(
      'div',
      { class: 'two' },
      h('div', {}, h('h3', {}, t`Response`), response(attempt)),
      h('div', {}, h('h3', {}, notSent ? t`Headers, had they been sent` : t`Headers`), headers(page, attempt, at + 1)),
    ),
  );
  // The click event comes before `open` changes. A toggle event would also come when the page itself opens the row.
  row.firstChild.addEventListener('click', () => page.opened.set(attempt.started_at, !row.open));
  return row;
}

function response({ response: text, http_status: status }) {
  if (text === null) return h('p', { class: 'none' }, t`No answer came.`);
  if (text === '') return h('p', { class: 'none' }, t`${status}, with an empty body.`);
  return h('pre', { tabindex: 0, 'aria-label': t`Response body` }, safely(text));
}

function headers(page, attempt, number) {
  const timestamp = seconds(attempt);
  const link = h('a', { href: '#/signature', onclick: () => check(page, attempt) }, t`Check the signature`);
  const row = (name, content) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, content));
  const signature = (scheme, form) => signatureOf(page, scheme, form, timestamp);
  return [
    h(
      'table',
      { class: 'headers' },
      h(
        'tbody',
        {},
        row('Content-Type', 'application/json'),
        row('User-Agent', `nano-webhooks/${VERSION}`),
        row('X-Nano-Event', page.event),
        row('X-Nano-Attempt', number),
        row('X-Nano-Timestamp', timestamp),
        row(PAGE, signature(PAGE, 'v1=…')),
        row('webhook-id', page.id),
        row('webhook-timestamp', timestamp),
        row(STANDARD, signature(STANDARD, 'v1,…')),
      ),
    ),
    h(
      'p',
      { class: 'hint' },
      t`While the secret is being rotated, there is also X-Nano-Signature-Next or X-Nano-Signature-Previous, and one
        more value in webhook-signature. The history does not keep headers: User-Agent is the current version’s.`,
    ),
    h(
      'p',
      { class: 'hint' },
      parts`${link} that your server computed for this attempt.`,
    ),
  ];
}

/**
 * The header's value, or, without the secret, its beginning and a button that computes it. Without a body it cannot be
 * computed.
 */
function signatureOf({ id, body, secret, ask }, scheme, form, timestamp) {
  if (body === null) return form;
  const name = `${scheme} ${timestamp}`;
  if (!secret) {
    const button = h('button', { type: 'button', class: 'link', 'data-name': name, onclick: ask }, t`compute it`);
    return h('span', {}, form, ' ', button);
  }
  const value = h('span', { 'data-name': name, tabindex: -1 }, form);
  sign(scheme, { id, timestamp, body, secret }).then((text) => fill(value, text));
  return value;
}

function askSecret(page, done) {
  const input = h('input', {
    id: 'sign-secret',
    type: 'password',
    autocomplete: 'off',
    'aria-describedby': 'sign-hint',
  });
  const dialog = openDialog(
    t`Compute the signatures`,
    h(
      'form',
      { novalidate: true, onsubmit },
      h('label', { for: 'sign-secret' }, t`Signing secret`),
      input,
      h(
        'p',
        { class: 'hint', id: 'sign-hint' },
        t`It cannot be read from here. Paste yours: the signatures are computed in this tab, and it is sent nowhere
          and not kept.`,
      ),
      h(
        'div',
        { class: 'actions' },
        h('button', { type: 'button', onclick: () => dialog.close() }, t`Cancel`),
        h('button', { class: 'primary' }, t`Compute`),
      ),
    ),
  );

  function onsubmit(event) {
    event.preventDefault();
    page.secret = input.value.trim();
    dialog.close();
    done();
  }
}
