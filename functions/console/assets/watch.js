// Follows a delivery or an event for which the user waits.

import { poll } from './api.js';

/**
 * Polls a delivery, a webhook or an event until it is finished, about fifteen times in the first minute, and gives up
 * after three minutes. If `isNewer` accepts it and its next attempt has a time, it waits until then. It may use all of
 * the key's limit, because the user is waiting.
 */
export async function watch(signal, { look, show, isFinished, isNewer = () => true }) {
  const began = Date.now();
  const step = async () => {
    const waited = Date.now() - began;
    const delivery = await look();
    const finished = delivery && isFinished(delivery);
    const gaveUp = !finished && waited > 180_000;
    show(delivery, gaveUp);
    if (finished || gaveUp) return null;
    const next = delivery && isNewer(delivery) ? delivery.next_attempt_at : null;
    const due = next ? Date.parse(next) - Date.now() + 1000 : 0;
    return Math.max(due, waited < 8000 ? 1500 : waited < 40_000 ? 5000 : 15_000);
  };
  await poll(signal, step, 0);
}
