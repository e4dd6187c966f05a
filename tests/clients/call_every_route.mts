// Calls every operation of openapi.yaml with the types that openapi-typescript generated, and checks the replies.
//
// Arguments: the API's URL, a key, and the URL of an endpoint that answers 200. Prints the operations that it called.

import createClient from 'openapi-fetch';
import type { operations, paths } from './schema.mjs';

declare const process: { argv: string[] };

const [base, key, endpoint] = process.argv.slice(2) as [string, string, string];
const customer = createClient<paths>({ baseUrl: base, headers: { authorization: `Bearer ${key}` } });
const anybody = createClient<paths>({ baseUrl: base });
const called = new Set<keyof operations>();

interface Result<Data, Wrong> {
  data?: Data;
  error?: Wrong;
  response: Response;
}

/** Returns an operation's data. Throws if its status is not the expected one. */
async function data<Data, Wrong>(operation: keyof operations, expected: number, reply: Promise<Result<Data, Wrong>>) {
  const { data, error, response } = await reply;
  if (response.status !== expected || data === undefined)
    throw new Error(`${operation}: ${response.status} ${JSON.stringify(error)}`);
  called.add(operation);
  return data;
}

function check(holds: boolean, what: string) {
  if (!holds) throw new Error(`it is not so that ${what}`);
}

const created = await data(
  'createWebhook',
  201,
  customer.POST('/api/v1/webhooks', { body: { url: endpoint, events: ['job.completed', 'job.failed'] } }),
);
const { id, secret_key: secret } = created.data;
check(secret?.startsWith('whsec_') === true, 'the service made a secret');
const params = { path: { id } };
const all = await data('listWebhooks', 200, customer.GET('/api/v1/webhooks'));
check(all.data.length === 1 && all.data[0]?.url === endpoint, 'the webhook is listed');
const one = await data('getWebhook', 200, customer.GET('/api/v1/webhooks/{id}', { params }));
check(one.data.circuit === 'closed', 'its circuit is closed');
const changed = await data(
  'updateWebhook',
  200,
  customer.PATCH('/api/v1/webhooks/{id}', { params, body: { events: ['job.failed'], status: 'active' } }),
);
check(changed.data.events.join() === 'job.failed', 'its events are changed');
const sent = await data(
  'testWebhook',
  202,
  customer.POST('/api/v1/webhooks/{id}/test', { params, body: { event: 'job.completed' } }),
);
const ofDelivery = { path: { id, event_id: sent.data.id } };
for (let looks = 0, status = ''; status !== 'delivered'; looks += 1) {
  check(looks < 300, 'the test event arrives');
  await new Promise((resolve) => setTimeout(resolve, 200));
  const query = { limit: 5 };
  const page = await data(
    'listDeliveries',
    200,
    customer.GET('/api/v1/webhooks/{id}/deliveries', { params: { ...params, query } }),
  );
  status = page.data.deliveries[0]?.status ?? '';
}
const delivery = await data(
  'getDelivery',
  200,
  customer.GET('/api/v1/webhooks/{id}/deliveries/{event_id}', { params: ofDelivery }),
);
check(delivery.data.payload?.event === 'job.completed', 'the payload is the event’s');
check(delivery.data.attempts[0]?.http_status === 200, 'the endpoint answered 200');
await data(
  'retryDelivery',
  202,
  customer.POST('/api/v1/webhooks/{id}/deliveries/{event_id}/retry', { params: ofDelivery }),
);
const ofTask = { query: { task_id: delivery.data.task_id, limit: 5 } };
const listed = await data('listEvents', 200, customer.GET('/api/v1/events', { params: ofTask }));
check(listed.data.events[0]?.webhooks[0]?.status === 'delivered', 'the event is listed as delivered');
const ofEvent = { params: { path: { event_id: sent.data.id } } };
const event = await data('getEvent', 200, customer.GET('/api/v1/events/{event_id}', ofEvent));
check(event.data.payload?.task_id === delivery.data.task_id, 'the event has the payload');
const erased = await data('deleteEvent', 200, customer.DELETE('/api/v1/events/{event_id}', ofEvent));
check(erased.data.remains.length > 0, 'the reply says what remains');
const stats = await data(
  'getStats',
  200,
  customer.GET('/api/v1/webhooks/{id}/stats', { params: { ...params, query: { hours: 2 } } }),
);
check(stats.data.hours.length === 2, 'there are two hours');
const rotated = await data(
  'rotateSecret',
  200,
  customer.POST('/api/v1/webhooks/{id}/rotate-secret', { params, body: { overlap_seconds: 60 } }),
);
check(rotated.data.secret_key !== secret, 'the secret is another');
const switched = await data(
  'rotateSecret',
  200,
  customer.POST('/api/v1/webhooks/{id}/rotate-secret', { params, body: { switch: 'now' } }),
);
check(switched.data.secret_switches_at === null, 'the switch is made');
const probe = await customer.POST('/api/v1/webhooks/{id}/probe', { params });
check(probe.response.status === 409 && probe.error?.error.code === 'conflict', 'there is nothing to probe');
called.add('probeWebhook');
const rehearsal = await data('rehearseWebhook', 202, customer.POST('/api/v1/webhooks/{id}/rehearse', { params }));
const seen = await data('getRehearsal', 200, customer.GET('/api/v1/webhooks/{id}/rehearse', { params }));
check(seen.data.id === rehearsal.data.id && seen.data.steps[0]?.name === 'signed_event', 'the rehearsal is shown');
const asked = { since: '2024-12-23T10:00:00Z', statuses: ['failed' as const, 'missed' as const] };
const resend = await data(
  'resendWebhook',
  202,
  customer.POST('/api/v1/webhooks/{id}/resend', { params, body: asked }),
);
const shown = await data('getResend', 200, customer.GET('/api/v1/webhooks/{id}/resend', { params }));
check(shown.data.id === resend.data.id && shown.data.sent === 0, 'the resend is shown');
const stopped = await data('stopResend', 200, customer.DELETE('/api/v1/webhooks/{id}/resend', { params }));
check(stopped.data.id === id, 'the resend is stopped');
const deleted = await data('deleteWebhook', 200, customer.DELETE('/api/v1/webhooks/{id}', { params }));
check(deleted.data.id === id, 'it is deleted');

const parseAs = 'text';
const openapi = await data('getOpenapi', 200, anybody.GET('/openapi.yaml', { parseAs }));
check(String(openapi).includes('openapi: 3.1'), 'the description is there');
for (const [operation, path] of [['getConsole', '/console'], ['getDocs', '/docs']] as const) {
  const page = await data<unknown, unknown>(operation, 200, anybody.GET(path, { parseAs }));
  check(String(page).includes('<html'), 'the page is there');
}
const page = await data<unknown, unknown>('getConsole', 200, anybody.GET('/console', { parseAs }));
const [, name] = /src="console\/([^"]+)"/.exec(String(page)) ?? [];
const file = { path: { file: String(name) } };
const script = await data<unknown, unknown>('getConsoleFile', 200, anybody.GET('/console/{file}', { params: file, parseAs }));
check(String(script).includes('export const modules'), 'the file is there');
console.log(JSON.stringify([...called].sort()));
