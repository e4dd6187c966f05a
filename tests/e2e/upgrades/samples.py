"""Reads a stack's items and messages from the emulator, and writes those of an earlier version into it.

    samples.py hold PART             disables the queue of the function whose name contains PART; waits until it is idle
    samples.py lengthen              moves every expiry and every secret's switch far into the future
    samples.py items                 prints every item of the tables in TABLES: {table: [item]}
    samples.py receive QUEUE COUNT   prints this many messages of a queue: [{"body", "group"}]
    samples.py put-items             puts the items on standard input into the tables
    samples.py send QUEUE            sends the messages on standard input to a queue

Items are DynamoDB JSON, as the tables have them. The environment has the emulator's address.
"""

import base64
import copy
import json
import sys
import time
from datetime import datetime, timezone

import boto3

TABLES = ["webhooks", "events", "deliveries", "waiting", "api-keys", "usage"]
# No sample may expire before the code that it tests.
FAR = datetime(2100, 1, 1, tzinfo=timezone.utc)

dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")


def name(table):
    return f"nano-webhooks-{table}"


def hold(part):
    client = boto3.client("lambda")
    mappings = client.list_event_source_mappings()["EventSourceMappings"]
    [mapping] = [mapping for mapping in mappings if part in mapping["FunctionArn"]]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    # Messages that were received before have been processed by then.
    time.sleep(15)


def items():
    return {table: dynamodb.scan(TableName=name(table))["Items"] for table in TABLES}


def lengthen():
    for table, found in items().items():
        for item in found:
            before = copy.deepcopy(item)
            if "expires_at" in item:
                item["expires_at"] = {"N": str(int(FAR.timestamp()))}
            far = {"S": FAR.strftime("%Y-%m-%dT%H:%M:%SZ")}
            for previous in item.get("previous_secrets", {"L": []})["L"]:
                previous["M"]["expires_at"] = far
            if "secret_switches_at" in item:
                item["secret_switches_at"] = far
            if item != before:
                dynamodb.put_item(TableName=name(table), Item=item)


def receive(queue, count):
    messages = []
    deadline = time.time() + 60
    while len(messages) < count:
        if time.time() > deadline:
            sys.exit(f"{queue} has {len(messages)} of {count} messages")
        received = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["All"]
        )
        for message in received.get("Messages", []):
            messages.append({"body": message["Body"], "group": message["Attributes"].get("MessageGroupId")})
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return messages


def as_base64(value):
    """Bytes as DynamoDB's own JSON has them."""
    return base64.b64encode(value).decode()


def as_bytes(attribute):
    """The reverse of `as_base64`, for each object in a JSON text."""
    return {"B": base64.b64decode(attribute["B"])} if list(attribute) == ["B"] else attribute


def put_items(tables):
    for table, found in tables.items():
        for item in found:
            dynamodb.put_item(TableName=name(table), Item=item)


def send(queue, messages):
    for message in messages:
        group = {"MessageGroupId": message["group"]} if message["group"] else {}
        sqs.send_message(QueueUrl=queue, MessageBody=message["body"], **group)


def main(command, *arguments):
    match command:
        case "hold":
            hold(*arguments)
        case "lengthen":
            lengthen()
        case "items":
            json.dump(items(), sys.stdout, default=as_base64)
        case "receive":
            json.dump(receive(arguments[0], int(arguments[1])), sys.stdout)
        case "put-items":
            put_items(json.load(sys.stdin, object_hook=as_bytes))
        case "send":
            send(arguments[0], json.load(sys.stdin))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
