// The page with a program that receives webhooks, in the customer's language: the tested programs of docs/receivers, with
// the path of the webhook's URL filled in.

import { parameters, setParameters } from './address.js';
import { ApiError, request } from './api.js';
import { copyButton, fill, h, safely } from './dom.js';
import { setTitle } from './name.js';
import { webhookTabs } from './tabs.js';
import { fromService, parts, t } from './text.js';

/** A path that means the same in every language and framework here. The owner of another path has to fill it in. */
const PLAIN = /^\/[\w/.~-]*$/;

/** The page of one webhook, or, without an id, of somebody who has none yet. */
export async function receivePage(content, { ids: [id], signal }) {
  const [webhook, receivers] = await Promise.all([
    id && request('GET', `webhooks/${id}`, { signal }),
    loadReceivers(signal),
  ]);
  setTitle(id ? t`Receive it · Webhook ${id}` : t`Receive it`);
  fill(
    content,
    webhook ? webhookTabs(id, webhook.url) : h('h1', {}, t`Receive it`),
    settingsSection(),
    programSection(receivers, webhook ? new URL(webhook.url).pathname : '/webhook'),
  );
}

/** The programs of all languages. */
async function loadReceivers(signal) {
  const response = await fetch('console/receivers.json', { signal }).catch(() => null);
  if (!response?.ok) throw new ApiError(0, t`The programs could not be loaded.`);
  return response.json();
}

/** The program's settings, with the secret that the user types in. */
function settingsSection() {
  const settings = h('div', { class: 'prose' });
  const secret = h('input', {
    id: 'secret',
    type: 'password',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    placeholder: 'whsec_…',
    'aria-describedby': 'secret-hint',
    oninput: showSettings,
  });
  showSettings();
  const hint =
    t`The service shows a secret only once. Paste the one that you saved, and the line below is complete. It stays on
      this page and is not sent.`;
  return h(
    'section',
    { class: 'card prose' },
    h('h2', {}, t`The settings`),
    h(
      'form',
      { onsubmit: (event) => event.preventDefault() },
      h('label', { for: 'secret' }, t`Signing secret`),
      secret,
      h('p', { class: 'hint', id: 'secret-hint' }, hint),
    ),
    settings,
  );

  function showSettings() {
    const lines = `WEBHOOK_SECRET=${secret.value.trim() || 'whsec_…'}\nPORT=8080\n`;
    fill(settings, copied('.env', lines));
  }
}

/** The program in the language that the user chooses. The address has the choice. */
function programSection(receivers, path) {
  const chosen = parameters().get('language');
  const language = h(
    'select',
    { id: 'language', onchange: choose },
    receivers.map(({ file, title }) =>
      h('option', { value: file, selected: file === chosen }, fromService(title) ?? title),
    ),
  );
  const program = h('div', { class: 'prose' });
  choose();
  const label = h('label', { for: 'language', class: 'sr-only' }, t`Language`);
  return h(
    'section',
    { class: 'card prose' },
    h('div', { class: 'head' }, h('h2', {}, t`The program`), label, language),
    program,
  );

  function choose() {
    const receiver = receivers.find(({ file }) => file === language.value);
    if (language.value !== (parameters().get('language') ?? receivers[0].file)) setParameters({ language: language.value });
    fill(program, programOf(receiver, path));
  }
}

/** What to install, where the program takes requests, and its code. */
function programOf({ file, note, code }, path) {
  const isPlain = PLAIN.test(path);
  const translated = fromService(note);
  const filled = isPlain ? code.replace(/(["'])\/webhook\1/, `$1${path}$1`) : code;
  const own = h('code', {}, safely(path));
  const where = /["']\/webhook["']/.test(code)
    ? isPlain
      ? parts`It takes requests at ${own}, the path of your URL.`
      : parts`Write the path of your URL, ${own}, in the place of ${h('code', {}, '/webhook')}.`
    : t`It takes requests at every path.`;
  return [
    h('p', { lang: translated === null && 'en' }, spans(translated ?? note)),
    h('p', {}, where),
    copied(file, filled),
    h(
      'p',
      { class: 'hint' },
      t`It listens on this machine alone, for a server in front of it that ends TLS. The tests of this service run it
        as it is here, against real deliveries and forged ones.`,
    ),
  ];
}

/** A file with a button that copies it. */
function copied(name, text) {
  return [
    h('div', { class: 'head' }, h('h3', {}, name), copyButton(text, t`Copy ${name}`)),
    h('pre', { tabindex: 0, class: 'code', 'aria-label': name }, text),
  ];
}

/** A text in which backticks mark code. */
function spans(text) {
  return text.split('`').map((part, at) => (at % 2 === 1 ? h('code', {}, part) : part));
}
