// The page that asks for an API key.

import { request } from './api.js';
import { clock, errorText, fill, h, say } from './dom.js';
import { languageSwitch } from './language-switch.js';
import { NAME, setTitle } from './name.js';
import { session } from './session.js';
import { parts, t } from './text.js';

/** Shows the page. `reason` says why the user has to sign in again. Calls `done` once the session has a key. */
export function signInPage(content, reason, done) {
  setTitle(t`Sign in`);
  const form = signInForm(reason, done);
  const command = h('code', {}, 'nano-webhooks keys create');
  fill(
    content,
    h(
      'section',
      { class: 'card sign-in' },
      h(
        'div',
        { class: 'head' },
        h('p', { class: 'brand' }, h('img', { src: 'console/icon.svg', alt: '', width: 40, height: 40 }), NAME),
        languageSwitch(),
      ),
      h('h1', {}, t`Sign in to your webhooks`),
      form.element,
      h(
        'p',
        { class: 'hint' },
        // In the frame of a dashboard, the dashboard makes the keys.
        window.parent === window
          ? parts`No key yet? The operator of this service makes one for you, with ${command}.`
          : t`Was there another page here before? Load this one again, and it signs you in.`,
      ),
    ),
  );
  form.key.focus();
}

function signInForm(reason, done) {
  const form = {
    done,
    key: h('input', {
      id: 'key',
      name: 'api-key',
      type: 'password',
      autocomplete: 'off',
      autocapitalize: 'none',
      spellcheck: 'false',
      placeholder: 'sk-…',
      required: true,
      'aria-describedby': 'key-hint sign-in-error',
    }),
    error: h('p', { class: 'error', id: 'sign-in-error', role: 'alert' }, reason),
    button: h('button', { class: 'primary wide' }, t`Sign in`),
  };
  const hint =
    t`It begins with sk- and stays in this tab and those that you open from it. On a computer that others use, sign
      out: browsers can open a closed tab again, key and all.`;
  form.element = h(
    'form',
    { novalidate: true, onsubmit: (event) => submit(form, event) },
    h('label', { for: 'key' }, t`API key`),
    form.key,
    h('p', { class: 'hint', id: 'key-hint' }, hint),
    form.error,
    form.button,
  );
  return form;
}

async function submit(form, event) {
  event.preventDefault();
  // Accept a key copied from a header or a config file, with `Bearer` or quotes.
  const key = form.key.value
    .trim()
    .replace(/^(authorization:\s*)?bearer\s+/i, '')
    .replace(/^["']|["']$/g, '');
  if (!/^sk-[\x21-\x7e]{17,253}$/.test(key))
    return refuse(
      form,
      key ? t`An API key begins with sk-, and has 20 to 256 characters without spaces.` : t`Paste your API key first.`,
    );
  form.button.disabled = true;
  try {
    await request('GET', 'webhooks', { key });
    session.start(key);
    say(t`Signed in`);
    await form.done();
  } catch (failure) {
    refuse(form, whyRefused(failure));
  }
  form.button.disabled = false;
}

function whyRefused(failure) {
  if (failure.status === 401) return t`This key is not valid. Was it copied whole, and has it not been revoked?`;
  if (failure.goOnAt) return t`Too many requests with this key. Try again at ${clock(failure.goOnAt)}.`;
  return errorText(failure);
}

function refuse(form, text) {
  fill(form.error, text);
  form.key.setAttribute('aria-invalid', 'true');
  form.key.focus();
}
