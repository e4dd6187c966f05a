// What an outcome means for the customer, and what to do about it. Does not use the DOM.

import { t } from './text.js';

/** The outcomes of failed attempts, in a few words. */
export const OUTCOMES = {
  http: t`another answer than 2xx`,
  timeout: t`no answer in time`,
  connect: t`no connection`,
  tls: t`no TLS session`,
  dns: t`host name not found`,
  interrupted: t`connection lost`,
  too_large: t`answer too large`,
  blocked: t`not allowed to be called`,
};

const SHORT = {
  timeout: t`timeout`,
  connect: t`connect`,
  tls: 'TLS',
  dns: 'DNS',
  interrupted: t`interrupted`,
  too_large: t`too large`,
  blocked: t`blocked`,
};

/** The states of a delivery, and why an event was not delivered to a webhook. */
const STATES = {
  delivered: t`delivered`,
  retrying: t`retrying`,
  held: t`held`,
  failed: t`failed`,
  cancelled: t`cancelled`,
  pending: t`pending`,
  not_sent: t`not sent`,
  missed: t`missed`,
};

/** A state in the console's language, for use in a sentence. */
export function stateName(status) {
  return STATES[status] ?? status;
}

/** The most characters of a receiver's own message that are shown. */
const LONGEST_WORDS = 160;

/** An outcome in short, for a list: `500` or `timeout`. */
export function label({ outcome, http_status: status }) {
  return outcome === 'http' ? String(status) : (SHORT[outcome] ?? outcome);
}

export function succeeded({ outcome, http_status: status }) {
  return outcome === 'http' && status >= 200 && status < 300;
}

/** Whether the delivery is finished, so that no further attempt comes without a retry by hand. */
export function isFinished({ status }) {
  return ['delivered', 'failed', 'cancelled'].includes(status);
}

/** Why a delivery was cancelled. */
export function whyCancelled({ attempts, cancelled_reason: reason }) {
  const [erased, expired, deleted] =
    attempts.length > 0
      ? [
          t`It was cancelled because the event was erased before its next attempt.`,
          t`It was cancelled because the time for which its event is kept was over before its next attempt.`,
          t`It was cancelled because the webhook was deleted before its next attempt.`,
        ]
      : [
          t`It was cancelled because the event was erased before it could be sent.`,
          t`It was cancelled because the time for which its event is kept was over before it could be sent.`,
          t`It was cancelled because the webhook was deleted before it could be sent.`,
        ];
  return { erased, expired }[reason] ?? deleted;
}

/** The message in a JSON answer: its error's message, its message or its detail. `null` if it has none. */
export function answered({ response }) {
  let said;
  try {
    said = JSON.parse(response);
  } catch {
    return null;
  }
  const words = [said?.error?.message, said?.message, said?.detail, said?.error].find(
    (text) => typeof text === 'string' && text.trim() !== '',
  );
  return words === undefined ? null : shortened(words.replace(/\s+/g, ' ').trim());
}

function shortened(text) {
  return text.length > LONGEST_WORDS ? `${text.slice(0, LONGEST_WORDS)} …` : text;
}

/** Whether a wrong signature may be the cause, so that the signature checker can help. */
export function isAboutSignature({ outcome, http_status: status }) {
  return outcome === 'http' && [400, 401, 403].includes(status);
}

/** A sentence of advice about a failed attempt. */
export function advice({ outcome, http_status: status, duration_ms: took }) {
  if (outcome === 'http') return aboutStatus(status);
  // The duration of a timeout is the limit, which the operator sets.
  if (outcome === 'timeout')
    return t`Your endpoint has ${Math.round(took / 1000)} seconds. Answer 2xx first, and do the work afterwards.`;
  return ABOUT[outcome] ?? t`Look into your server’s log at the time of the attempt.`;
}

const ABOUT = {
  blocked:
    t`Nothing was sent. Webhooks go to public addresses only; edit the webhook and give it a URL that the internet can
      reach.`,
  dns: t`Check the host name for a typing error, and that its DNS record is public.`,
  connect:
    t`Nothing takes connections at this address and port, or a firewall is in between. Is the server running, and
      reachable from the internet?`,
  tls:
    t`The connection stood, but its certificate was not accepted. It has to be valid, name this host, and come with
      its intermediate certificates.`,
  interrupted:
    t`Your server, or a proxy in front of it, closed the connection or did not speak HTTP. Its log should have an
      error at the time of the attempt.`,
  too_large: t`Headers may have 16 KiB together. Something in front of your server may add many of them.`,
};

function aboutStatus(status) {
  if (status >= 300 && status < 400)
    return t`Redirects are not followed. Edit the webhook and give it the URL that yours redirects to.`;
  switch (status) {
    case 400:
      return t`Your server did not like the request. If it checks the signature, see below whether that is why.`;
    case 401:
    case 403:
      return (
        t`If your server checks the signature, it found another one than ours: see below which mistake that is. If it
          wants a login, let this path through: deliveries carry a signature and no login.`
      );
    case 404:
      return (
        t`Your server has nothing under this path. Check the URL for a typing error, and that the route is deployed.`
      );
    case 405:
      return t`Your server does not take POST under this path.`;
    case 408:
    case 504:
      return t`Your server, or a proxy in front of it, was too slow. Answer 2xx first, and do the work afterwards.`;
    case 410:
      return t`Gone means “never again”: the webhook was disabled at once. Enable it when your endpoint is back.`;
    case 413:
      return t`Your server takes smaller bodies than this one. Payloads can have up to 256 KiB.`;
    case 415:
      return t`Your server does not take Content-Type: application/json under this path.`;
    case 429:
      return t`Your server asked for fewer requests. A Retry-After header is heeded.`;
    default:
      return status >= 500
        ? t`Your server failed. Its log should have an error at the time of the attempt.`
        : t`Only a status from 200 to 299 counts as delivered.`;
  }
}
