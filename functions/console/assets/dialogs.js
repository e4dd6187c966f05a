// Opens a dialog: with any content, with a new secret, or with a request for confirmation.

import { clock, copyButton, errorText, fill, h } from './dom.js';
import { parts, t } from './text.js';

/** Opens a modal dialog and returns it. When it closes, the element that opened it gets the focus again. */
export function openDialog(title, ...children) {
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'dialog-title', onclose: () => dialog.remove() },
    h('h2', { id: 'dialog-title' }, title),
    children,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Shows a secret that cannot be read again. Escape closes the dialog only after the user has copied the secret. */
export function showSecret(secret, done) {
  let kept = false;
  const copied = () => {
    kept = true;
    dialog.removeAttribute('closedby');
  };
  const dialog = openDialog(
    t`Save the signing secret`,
    h(
      'p',
      {},
      t`Your server needs it to check that a delivery comes from us.`,
      ' ',
      parts`${h('strong', {}, t`It is shown this once`)} and cannot be read again, only replaced.`,
    ),
    h(
      'div',
      { class: 'secret' },
      h('code', { 'aria-label': t`Signing secret` }, secret),
      copyButton(secret, t`Copy`, copied),
    ),
    h(
      'div',
      { class: 'actions' },
      copyButton(`WEBHOOK_SECRET=${secret}\n`, t`Copy as a line of .env`, copied),
      h('button', { type: 'button', class: 'primary', onclick: () => dialog.close() }, t`I have saved it`),
    ),
  );
  // Escape closes dialogs, so it is blocked below: not every browser supports `closedby`. That also blocks a phone's
  // back gesture.
  dialog.setAttribute('closedby', 'none');
  for (const [type, isWayOut] of [
    ['keydown', ({ key }) => key === 'Escape'],
    ['cancel', () => true],
  ]) {
    dialog.addEventListener(type, (event) => {
      if (!kept && isWayOut(event)) event.preventDefault();
    });
  }
  dialog.addEventListener('close', done);
}

/** Asks for confirmation before an action that cannot be undone. */
export function confirmDialog({ title, text, action, danger = true, act }) {
  const error = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { type: 'button', class: danger ? 'danger' : 'primary', onclick: run }, action);
  const dialog = openDialog(
    title,
    text,
    error,
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, t`Cancel`),
      button,
    ),
  );

  async function run() {
    button.disabled = true;
    try {
      const done = await act();
      dialog.close();
      done?.();
    } catch (failure) {
      fill(error, failureText(failure));
      button.disabled = false;
    }
  }
}

/**
 * The text for a failed request, shown beside the button that made it, as children of an element. `change` changes the
 * service's own text.
 */
export function failureText(failure, change) {
  if (!failure.goOnAt) return errorText(failure, change);
  return t`Too many requests with this key. Try again at ${clock(failure.goOnAt)}.`;
}
