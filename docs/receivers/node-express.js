// Receives webhooks with Express. To start it: WEBHOOK_SECRET=whsec_... PORT=8080 node node-express.js
const crypto = require('crypto');
const express = require('express');

const SECRET = process.env.WEBHOOK_SECRET; // the whole text, whsec_ included
if (!SECRET) throw new Error('WEBHOOK_SECRET is not set');

// The ids of events that were handled. In production, use a table's unique key, written together with the event.
const known = new Set();

// Returns why a request must be refused, or nothing. `body` is a Buffer with the bytes as they arrived.
function refusal(headers, body) {
  const timestamp = headers['x-nano-timestamp'];
  const hex = crypto.createHmac('sha256', SECRET).update(`${timestamp}.`).update(body).digest('hex');
  const expected = Buffer.from(`v1=${hex}`);
  // While a secret is being rotated, the old and the new one sign different headers. One that matches is enough.
  const signers = ['x-nano-signature', 'x-nano-signature-next', 'x-nano-signature-previous'];
  const given = signers.flatMap((name) => (headers[name] ?? '').split(' '));
  const matches = (one) => one.length === expected.length && crypto.timingSafeEqual(one, expected);
  if (!given.map((one) => Buffer.from(one)).some(matches)) return 'the signature does not match';
  const isRecent = Math.abs(Date.now() / 1000 - timestamp) <= 300; // false if it is not a number
  if (!isRecent) return 'the timestamp is more than five minutes off';
}

const app = express();

// Not express.json(), which keeps no bytes. A body can be larger than the 100 KiB that Express takes by default.
app.post('/webhook', express.raw({ type: () => true, limit: '1mb' }), (request, response) => {
  const body = request.body ?? Buffer.alloc(0);
  const reason = refusal(request.headers, body);
  if (reason) return response.status(401).send(reason);
  const id = request.get('webhook-id');
  if (!known.has(id)) {
    known.add(id);
    const event = JSON.parse(body);
    console.log(event.event, event.task_id); // Put it on a queue here, then answer.
  }
  response.sendStatus(204);
});

app.listen(process.env.PORT, '127.0.0.1');
