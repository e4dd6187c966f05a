"""Reports finished tasks to nano-webhooks: reads one completion a line from standard input.

    COMPLETIONS_QUEUE_URL=https://sqs.… python python.py < completions.jsonl

Exits with 0 once SQS has taken every completion. Otherwise run it again with the same lines: the service recognises a
repeated completion by its timestamp, and no customer gets its webhook twice.
"""

import json
import os
import random
import sys
import time

import boto3
from botocore.config import Config

# SQS's limits for one call.
MOST_MESSAGES = 10
MOST_BYTES = 1024 * 1024
ROUNDS = 8

QUEUE_URL = os.environ["COMPLETIONS_QUEUE_URL"]
# boto3 itself retries a call that failed as a whole, or was throttled.
SQS = boto3.client("sqs", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def entry(line):
    completion = json.loads(line)
    # When the task ended: the same time whenever this completion is sent. Without it each repetition is a new event.
    if not completion.get("timestamp"):
        sys.exit(f"this completion has no timestamp: {line}")
    # json.dumps writes ASCII, which is needed: SQS refuses some characters that JSON allows. One group for each
    # account, so that one account's many completions do not delay those of the others.
    return {"MessageBody": json.dumps(completion, allow_nan=False), "MessageGroupId": completion["account_id"]}


def batches(entries):
    batch, size = [], 0
    for each in entries:
        bytes_of_it = len(each["MessageBody"])
        if batch and (len(batch) == MOST_MESSAGES or size + bytes_of_it > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += bytes_of_it
    if batch:
        yield batch


def send(batch):
    """Sends a batch until SQS has taken all of it. A call that succeeds can have failed for some of its messages."""
    waiting = {str(number): each for number, each in enumerate(batch)}
    for attempt in range(ROUNDS):
        entries = [{"Id": number, **each} for number, each in waiting.items()]
        failed = SQS.send_message_batch(QueueUrl=QUEUE_URL, Entries=entries).get("Failed", [])
        for failure in failed:
            # Our mistake: sending it again would fail again.
            if failure["SenderFault"]:
                sys.exit(f"SQS refuses a completion: {failure['Code']}: {failure.get('Message')}")
        waiting = {failure["Id"]: waiting[failure["Id"]] for failure in failed}
        if not waiting:
            return
        time.sleep(random.uniform(0, min(20, 0.2 * 2**attempt)))
    sys.exit(f"SQS does not take {len(waiting)} completions; run this again with the same lines")


def main():
    for batch in batches([entry(line) for line in sys.stdin if line.strip()]):
        send(batch)


if __name__ == "__main__":
    main()
