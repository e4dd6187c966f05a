// The rotation of a webhook's secret: the dialog that starts it, and the notice that says how far it is.

import { request } from './api.js';
import { failureText, openDialog, showSecret } from './dialogs.js';
import { fill, h, say, time } from './dom.js';
import { parts, t } from './text.js';

const OVERLAPS = [
  [3600, t`1 hour`],
  [86_400, t`1 day`],
  [604_800, t`7 days`],
  [0, t`Not at all: the old one has leaked`],
];

/**
 * Opens the dialog. `isUnderWay` says whether another rotation is before its switch. `done` gets the changed webhook,
 * before the new secret is shown.
 */
export function rotateSecret(path, isUnderWay, done) {
  const overlap = overlapChoice(isUnderWay);
  const secret = h('input', {
    id: 'secret',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'none',
  });
  const error = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { class: 'primary' }, t`Rotate secret`);
  const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, t`Cancel`);
  const dialog = openDialog(
    t`Rotate the signing secret`,
    h(
      'form',
      { novalidate: true, onsubmit: submit },
      h('p', {}, t`You get a new secret for the signatures of your deliveries.`),
      overlap.label,
      overlap.select,
      overlap.hint,
      ownSecret(secret),
      error,
      h('div', { class: 'actions' }, cancel, button),
    ),
  );

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    const body = { overlap_seconds: Number(overlap.select.value), ...(secret.value && { secret_key: secret.value }) };
    try {
      const { secret_key: shown, ...changed } = await request('POST', `${path}/rotate-secret`, { body });
      dialog.close();
      done(changed);
      say(changed.secret_switches_at ? t`The rotation has begun` : t`The secret was rotated`);
      if (shown) showSecret(shown, () => {});
    } catch (failure) {
      fill(error, failureText(failure));
      button.disabled = false;
      button.focus();
    }
  }
}

/** A notice about the rotation; `null` if no secret is being rotated. It contains `switchNow` until the switch. */
export function rotationNotice({ secret_switches_at: switches, previous_secret_expires_at: end }, switchNow) {
  // The API leaves out what is over, by its own clock. The browser's clock may be wrong.
  if (!end) return null;
  if (!switches) {
    const text = parts`The new one signs X-Nano-Signature, and the old one X-Nano-Signature-Previous until
      ${time(end)}.`;
    return h('div', { class: 'notice' }, h('p', {}, h('strong', {}, t`The secret was switched.`), ' ', text));
  }
  return h(
    'div',
    { class: 'notice' },
    h(
      'p',
      {},
      h('strong', {}, t`The secret is being rotated.`),
      ' ',
      t`The old one still signs X-Nano-Signature, and the new one X-Nano-Signature-Next. Give your server the new one,
        then switch.`,
      ' ',
      parts`If you do not, it happens by itself at ${time(switches)}.`,
    ),
    h(
      'p',
      { class: 'hint' },
      t`What your server refuses in between is sent again, so switch soon after it has the new one.`,
    ),
    h('div', { class: 'tools' }, switchNow),
  );
}

/** The choice of how long the old secret stays valid, with a hint that says what happens then. */
function overlapChoice(isUnderWay) {
  const hint = h('p', { class: 'hint', id: 'overlap-hint' });
  const label = h('label', { for: 'overlap' }, t`How long the old one stays valid`);
  const select = h(
    'select',
    { id: 'overlap', 'aria-describedby': 'overlap-hint', onchange: explain },
    OVERLAPS.map(([seconds, text]) => h('option', { value: seconds, selected: seconds === 86_400 }, text)),
  );
  explain();
  return { label, select, hint };

  function explain() {
    const [stages, again] = [
      t`Deliveries are signed as before. Give your server the new one, then press “Switch now” on this page: from then
        on the new one signs X-Nano-Signature. If you do not, it happens by itself when the old one ends. Make both
        changes within a day, so that no delivery is lost.`,
      t`Another rotation is before its switch. If your server has that secret already, cancel and switch first.`,
    ];
    const leaked = t`There is no switch. Your server refuses everything until it has the new one.`;
    fill(hint, Number(select.value) ? [stages, isUnderWay && [' ', again]] : leaked);
  }
}

function ownSecret(secret) {
  return h(
    'details',
    {},
    h('summary', {}, t`Use a secret of my own`),
    h('label', { for: 'secret' }, t`New signing secret`),
    secret,
    h('p', { class: 'hint' }, t`8 to 256 characters without spaces. Leave it empty and a strong one is made for you.`),
  );
}
