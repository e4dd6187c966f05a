// Reports finished tasks to nano-webhooks: reads one completion a line from standard input.
//
//     COMPLETIONS_QUEUE_URL=https://sqs.… node node.js < completions.jsonl
//
// Exits with 0 once SQS has taken every completion. Otherwise run it again with the same lines: the service recognises
// a repeated completion by its timestamp, and no customer gets its webhook twice.

const { readFileSync } = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const { SQSClient, SendMessageBatchCommand } = require("@aws-sdk/client-sqs");

// SQS's limits for one call.
const MOST_MESSAGES = 10;
const MOST_BYTES = 1024 * 1024;
const ROUNDS = 8;

const QueueUrl = process.env.COMPLETIONS_QUEUE_URL;
// The SDK itself retries a call that failed as a whole, or was throttled.
const sqs = new SQSClient({ retryMode: "standard", maxAttempts: 5 });

function entry(line) {
  const completion = JSON.parse(line);
  // When the task ended: the same time whenever this completion is sent. Without it each repetition is a new event.
  if (!completion.timestamp) throw new Error(`this completion has no timestamp: ${line}`);
  // As ASCII, because SQS refuses some characters that JSON allows. One group for each account, so that one account's
  // many completions do not delay those of the others.
  const escaped = (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
  const MessageBody = JSON.stringify(completion).replace(/[\u007f-\uffff]/g, escaped);
  return { MessageBody, MessageGroupId: completion.account_id };
}

function* batches(entries) {
  let batch = [];
  let size = 0;
  for (const each of entries) {
    const bytes = each.MessageBody.length;
    if (batch.length === MOST_MESSAGES || (batch.length > 0 && size + bytes > MOST_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(each);
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}

// Sends a batch until SQS has taken all of it. A call that succeeds can still have failed for some of its messages.
async function send(batch) {
  let entries = batch.map((each, number) => ({ Id: String(number), ...each }));
  for (let attempt = 0; attempt < ROUNDS; attempt++) {
    const { Failed: failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries }));
    // Our mistake: sending it again would fail again.
    const refused = failed.find((failure) => failure.SenderFault);
    if (refused) throw new Error(`SQS refuses a completion: ${refused.Code}: ${refused.Message}`);
    entries = entries.filter((entry) => failed.some((failure) => failure.Id === entry.Id));
    if (entries.length === 0) return;
    await sleep(Math.random() * Math.min(20_000, 200 * 2 ** attempt));
  }
  throw new Error(`SQS does not take ${entries.length} completions; run this again with the same lines`);
}

async function main() {
  const lines = readFileSync(0, "utf8").split("\n");
  const entries = lines.filter((line) => line.trim() !== "").map(entry);
  for (const batch of batches(entries)) await send(batch);
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
