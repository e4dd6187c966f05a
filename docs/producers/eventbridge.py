"""Puts completions on an EventBridge bus, for a rule whose target is the completions queue.

    EVENT_BUS_NAME=jobs python eventbridge.py < completions.jsonl

For pipelines that put their tasks' events on a bus anyway. Otherwise send to the queue: that is one service less to
pay, to give permissions for and to wait for.
"""

import json
import os
import random
import sys
import time

import boto3
from botocore.config import Config

# EventBridge's limits for one call.
MOST_EVENTS = 10
MOST_BYTES = 256 * 1024
ROUNDS = 8

BUS = os.environ["EVENT_BUS_NAME"]
EVENTS = boto3.client("events", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def event(line):
    completion = json.loads(line)
    # When the task ended: the same time whenever this completion is put. Without it each repetition is a new event.
    if not completion.get("timestamp"):
        sys.exit(f"this completion has no timestamp: {line}")
    return {
        "EventBusName": BUS,
        "Source": "jobs",
        "DetailType": "TaskCompleted",
        "Detail": json.dumps(completion, allow_nan=False),
    }


def batches(events):
    batch, size = [], 0
    for each in events:
        bytes_of_it = len(each["Source"]) + len(each["DetailType"]) + len(each["Detail"])
        if batch and (len(batch) == MOST_EVENTS or size + bytes_of_it > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += bytes_of_it
    if batch:
        yield batch


def put(batch):
    """Puts a batch until EventBridge has taken all of it. A call that succeeds can have failed for some events."""
    for attempt in range(ROUNDS):
        results = EVENTS.put_events(Entries=batch)["Entries"]
        # The results are in the order of the events.
        batch = [each for each, result in zip(batch, results) if "ErrorCode" in result]
        if not batch:
            return
        time.sleep(random.uniform(0, min(20, 0.2 * 2**attempt)))
    sys.exit(f"EventBridge does not take {len(batch)} completions; run this again with the same lines")


def main():
    for batch in batches([event(line) for line in sys.stdin if line.strip()]):
        put(batch)


if __name__ == "__main__":
    main()
