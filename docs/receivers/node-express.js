// Receives webhooks with Express. To start it: WEBHOOK_SECRET=whsec_... PORT=8080 node node-express.js
const crypto = require('crypto');
const express = require('express');

const SECRET = process.env.WEBHOOK_SECRET; // the whole text, whsec_ included
if (!SECRET) throw new Error('WEBHOOK_SECRET is not set');

// The ids that came before. In production: a table's unique key, written together with the event.
const known = new Set();

// Why a request is not to be trusted; nothing if it is. `body` is a Buffer: the bytes as they came.
function refusal(headers, body) {
  const timestamp = headers['x-nano-timestamp'];
  const hex = crypto.createHmac('sha256', SECRET).update(`${timestamp}.`).update(body).digest('hex');
  const expected = Buffer.from(`v1=${hex}`);
  // While a secret is being rotated, the old and the new one sign in different headers. Each is as good.
  const signers = ['x-nano-signature', 'x-nano-signature-next', 'x-nano-signature-previous'];
  const given = signers.flatMap((name) => (headers[name] ?? '').split(' '));
  const matches = (one) => one.length === expected.length && crypto.timingSafeEqual(one, expected);
  if (!given.map((one) => Buffer.from(one)).some(matches)) return 'the signature does not match';
  const isRecent = Math.abs(Date.now() / 1000 - timestamp) <= 300; // false for what is no number
  if (!isRecent) return 'the timestamp is more than five minutes off';
}

const app = express();

// Not express.json(): that gives no bytes. A body can be larger than the 100 KiB that Express takes by default.
app.post('/webhook', express.raw({ type: () => true, limit: '1mb' }), (request, response) => {
  const body = request.body ?? Buffer.alloc(0);
  const reason = refusal(request.headers, body);
  if (reason) return response.status(401).send(reason);
  const id = request.get('webhook-id');
  if (!known.has(id)) {
    known.add(id);
    const event = JSON.parse(body);
    console.log(event.event, event.task_id); // Hand it to a queue here, and answer.
  }
  response.sendStatus(204);
});

app.listen(process.env.PORT, '127.0.0.1');
