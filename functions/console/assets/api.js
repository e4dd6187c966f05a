// Calls the public API, and nothing else: a program with the same key can do everything that the console can do.

import { session } from './session.js';
import { fromService, t } from './text.js';

const BASE = new URL('api/v1/', document.baseURI);

/**
 * Why a request returned no data. `status` is 0 if no response came. `field` is the field of the body that is wrong.
 * `language` is the message's language if it is not the console's.
 */
export class ApiError extends Error {
  constructor(status, message, { goOnAt = null, requestId = null, field = null, language = null } = {}) {
    super(message);
    Object.assign(this, { status, goOnAt, requestId, field, language });
  }
}

/** The key's rate limit, from the last response: the limit, the requests left, and when the limit resets. */
const limit = { total: 0, remaining: Infinity, resetAt: 0 };

const QUIET_AFTER = 600_000;
const QUIET_WAIT = 300_000;
/** When data last changed or the user last acted, and a promise that resolves when the user acts next. */
let [livelyAt, woken] = [Date.now(), Promise.withResolvers()];
for (const [target, deed] of [
  [window, 'focus'],
  [window, 'pointerdown'],
  [window, 'keydown'],
  [document, 'visibilitychange'],
]) {
  target.addEventListener(deed, () => {
    keepLively();
    woken.resolve();
    woken = Promise.withResolvers();
  });
}

/** Reports that polled data has changed, so that `poll` keeps its normal pace. */
export function keepLively() {
  livelyAt = Date.now();
}

/** The request for this path as a command of a shell, which reads the key from a variable. */
export function curl(path) {
  return `curl '${new URL(path, BASE)}' -H "Authorization: Bearer $NANO_WEBHOOKS_KEY"`;
}

/**
 * Makes one request and returns its `data`. Throws an ApiError, or an AbortError if `signal` is aborted. Only the
 * sign-in passes `key`; every other request uses the session's key.
 */
export async function request(method, path, { body, signal, key = session.key, headers = {} } = {}) {
  const init = { method, signal, cache: 'no-store', headers: { ...headers, authorization: `Bearer ${key}` } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['content-type'] = 'application/json';
  }
  let response, reply;
  try {
    response = await fetch(new URL(path, BASE), init);
    const remaining = response.headers.get('ratelimit-remaining');
    if (remaining !== null) {
      limit.total = Number(response.headers.get('ratelimit-limit'));
      limit.remaining = Number(remaining);
      limit.resetAt = Date.now() + 1000 * Number(response.headers.get('ratelimit-reset'));
      // For a key that may only read, the style sheet hides what changes or sends something.
      document.documentElement.dataset.scope = response.headers.get('x-nano-key-scope');
    }
    reply = await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    const status = response?.ok === false ? response.status : 0;
    throw new ApiError(status, status ? t`The service answered ${status}.` : t`The service could not be reached.`);
  }
  if (reply.success) return reply.data;

  if (response.status === 401 && key === session.key) {
    session.end();
    const detail = t`This key is not valid any more. Sign in with another one.`;
    window.dispatchEvent(new CustomEvent('signed-out', { detail }));
  }
  const seconds = Number(response.headers.get('retry-after'));
  const message = reply.error?.message ?? `the service answered ${response.status}`;
  const translated = fromService(message);
  throw new ApiError(response.status, sentence(translated ?? message), {
    language: translated === null ? 'en' : null,
    goOnAt: response.status === 429 ? Date.now() + 1000 * Math.max(seconds, 1) : null,
    requestId: response.headers.get('x-request-id'),
    field: reply.error?.field ?? null,
  });
}

/**
 * Calls `look` immediately, and repeatedly for as long as `look` returns the milliseconds until the next call. It
 * pauses while the page is hidden, and waits longer after each failed request. If nothing has changed for ten
 * minutes, it waits for five minutes or until the user acts. It leaves the last `reserve` (a fraction) of the key's
 * limit to the customer's own programs.
 */
export async function poll(signal, look, reserve = 0.1) {
  for (let failures = 0; !signal.aborted;) {
    let wait;
    try {
      wait = await look();
      failures = 0;
    } catch (error) {
      if (signal.aborted || error.status === 401 || error.status === 404) throw error;
      failures += 1;
      wait = error.goOnAt ? error.goOnAt - Date.now() : Math.min(2000 * 2 ** failures, 60_000);
    }
    if (typeof wait !== 'number') return;
    if (limit.remaining < limit.total * reserve) await sleep(Math.max(wait, limit.resetAt - Date.now()), signal);
    else if (Date.now() - livelyAt < QUIET_AFTER) await sleep(wait, signal);
    else await Promise.race([sleep(Math.max(wait, QUIET_WAIT), signal), woken.promise]);
    await seen(signal);
  }
}

/** Resolves after this time, or when `signal` is aborted. */
export function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

function seen(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', resolve, { once: true });
    signal.addEventListener('abort', resolve, { once: true });
  });
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
