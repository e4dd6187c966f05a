// The console's frame: signs the user in and out, shows the page that the address names, and reports when that fails.

import { ApiError, sleep } from './api.js';
import { clock, errorText, fill, h, say } from './dom.js';
import { checkerPage } from './checker.js';
import { deliveryPage } from './delivery.js';
import { docsLink } from './docs-link.js';
import { eventPage } from './event.js';
import { eventsPage } from './events.js';
import { languageSwitch } from './language-switch.js';
import { NAME, setTitle } from './name.js';
import { receivePage } from './receive.js';
import { session } from './session.js';
import { signInPage } from './sign-in.js';
import { LANGUAGE, t } from './text.js';
import { webhookPage } from './webhook.js';
import { webhooksPage } from './webhooks.js';

/** The pages, by the part of the address after #. The groups of a pattern are ids. */
const PAGES = [
  [/^#?\/?$/, webhooksPage],
  [/^#\/webhooks\/(\d+)$/, webhookPage],
  [/^#\/webhooks\/(\d+)\/deliveries\/(\w+)$/, deliveryPage],
  [/^#\/webhooks\/(\d+)\/receive$/, receivePage],
  [/^#\/receive$/, receivePage],
  [/^#\/events$/, eventsPage],
  [/^#\/events\/(\w+)$/, eventPage],
  [/^#\/signature$/, checkerPage],
];

const content = document.getElementById('content');
let shown = new AbortController();

window.addEventListener('hashchange', () => {
  // A link with a key was opened in this tab.
  session.takeLink();
  show();
});
window.addEventListener('signed-out', ({ detail }) => {
  shown.abort();
  closeDialogs();
  signIn(detail ?? t`You have signed out in another tab.`);
});
const skip = document.querySelector('.skip');
fill(skip, t`Skip to the content`);
skip.lang = LANGUAGE;
skip.addEventListener('click', (event) => {
  // The link's own target, #content, would replace the page's name after the #.
  event.preventDefault();
  content.focus();
});
await session.join();
show(true);

/** Shows the page that the address names. Stops everything that the previous page was doing. */
async function show(first = false) {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  closeDialogs();
  if (!first) window.scrollTo(0, 0);

  if (!session.key) return signIn();
  showBar();
  const [page, ids] =
    PAGES.map(([pattern, page]) => [page, pattern.exec(location.hash.split('?')[0])]).find(([, ids]) => ids) ?? [];
  if (!page) return showMissing(t`There is no such page.`);
  setTitle();
  fill(content, h('p', { class: 'loading' }, t`Loading …`));
  try {
    await page(content, { ids: ids.slice(1), signal, failed: (error) => failed(error, signal), reload: () => show() });
    if (!signal.aborted && !first && !content.contains(document.activeElement)) content.focus({ preventScroll: true });
  } catch (error) {
    failed(error, signal);
  }
}

/** Shows why a page cannot be loaded or updated, and what to do about it. */
async function failed(error, signal) {
  if (signal.aborted) return;
  shown.abort();
  if (!(error instanceof ApiError)) {
    fill(content, problem(t`The console made a mistake.`, String(error)));
    throw error;
  }
  if (error.status === 404) {
    showMissing(errorText(error));
  } else if (error.goOnAt) {
    const until = clock(error.goOnAt);
    fill(
      content,
      problem(
        t`Too many requests with this key`,
        t`The console goes on by itself at ${until}. Your programs share the limit if they use the same key.`,
      ),
    );
    const waiting = (shown = new AbortController());
    await sleep(error.goOnAt - Date.now(), waiting.signal);
    if (!waiting.signal.aborted) show();
  } else {
    const id = error.requestId && [' ', t`The request’s id, for support: ${error.requestId}`];
    fill(
      content,
      problem(
        error.status === 0 ? t`No connection to the service` : t`The service has a problem`,
        [errorText(error), id],
      ),
    );
  }
}

/** Closes all dialogs, because a dialog belongs to the page that opened it. */
function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) dialog.remove();
}

function problem(title, text) {
  say(title);
  return h(
    'section',
    { class: 'card centred' },
    h('h1', {}, title),
    h('p', {}, text),
    h('button', { type: 'button', onclick: () => show() }, t`Try again`),
  );
}

function showMissing(text) {
  fill(
    content,
    h(
      'section',
      { class: 'card centred' },
      h('h1', {}, t`Not here`),
      h('p', {}, text),
      h('p', {}, h('a', { class: 'button', href: '#/' }, t`All webhooks`)),
    ),
  );
}

function showBar() {
  const link = (href, text) => {
    const others = /^#\/(events|signature)/;
    const here = href === '#/' ? !others.test(location.hash) : location.hash.startsWith(href);
    return h('a', { href, 'aria-current': here ? 'page' : false }, text);
  };
  fill(
    document.getElementById('bar'),
    h(
      'div',
      { class: 'inner' },
      h(
        'a',
        { class: 'brand', href: '#/' },
        h('img', { src: 'console/icon.svg', alt: '', width: 24, height: 24 }),
        NAME,
      ),
      h(
        'nav',
        { 'aria-label': t`Main` },
        link('#/', t`Webhooks`),
        link('#/events', t`Events`),
        link('#/signature', t`Signature checker`),
        docsLink(t`API`),
      ),
      h('span', { class: 'pill grey read-only' }, t`Read only`),
      languageSwitch(),
      h('span', { class: 'key', title: t`The key of this tab` }, `sk-…${session.key.slice(-4)}`),
      h(
        'button',
        {
          type: 'button',
          class: 'small',
          onclick: signOut,
        },
        t`Sign out`,
      ),
    ),
  );
}

function signOut() {
  session.signOut();
  location.hash = '#/';
  show();
}

function signIn(reason) {
  fill(document.getElementById('bar'));
  signInPage(content, reason, show);
}
