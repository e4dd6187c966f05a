// The dialog that gives a webhook a new secret.

import { request } from './api.js';
import { failureText, openDialog, showSecret } from './dialogs.js';
import { fill, h, safely, say } from './dom.js';

const OVERLAPS = [
  [3600, '1 hour'],
  [86_400, '1 day'],
  [604_800, '7 days'],
  [0, 'Not at all: the old one has leaked'],
];

/** Opens the dialog. `done` gets the changed webhook, before the new secret is shown. */
export function rotateSecret(path, done) {
  const overlap = h(
    'select',
    { id: 'overlap' },
    OVERLAPS.map(([seconds, text]) => h('option', { value: seconds, selected: seconds === 86_400 }, text)),
  );
  const secret = h('input', {
    id: 'secret',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'none',
  });
  const error = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { class: 'primary' }, 'Rotate secret');
  const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const dialog = openDialog(
    'Rotate the signing secret',
    h(
      'form',
      { novalidate: true, onsubmit: submit },
      h(
        'p',
        {},
        'You get a new secret. The old one keeps signing beside it for a while, so that your server can ' +
          'change over without losing a delivery.',
      ),
      h('label', { for: 'overlap' }, 'How long the old one stays valid'),
      overlap,
      ownSecret(secret),
      error,
      h('div', { class: 'actions' }, cancel, button),
    ),
  );

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    const body = { overlap_seconds: Number(overlap.value), ...(secret.value && { secret_key: secret.value }) };
    try {
      const { secret_key: shown, ...changed } = await request('POST', `${path}/rotate-secret`, { body });
      dialog.close();
      done(changed);
      say('The secret was rotated');
      if (shown) showSecret(shown, () => {});
    } catch (failure) {
      fill(error, safely(failureText(failure)));
      button.disabled = false;
      button.focus();
    }
  }
}

function ownSecret(secret) {
  return h(
    'details',
    {},
    h('summary', {}, 'Use a secret of my own'),
    h('label', { for: 'secret' }, 'New signing secret'),
    secret,
    h('p', { class: 'hint' }, '8 to 256 characters without spaces. Leave it empty and a strong one is made for you.'),
  );
}
