"""Calls AWS operations at the emulator, for tests that inspect a deployment or do what its operator would do.

Each line of standard input is a call: {"service", "operation", "parameters"}, named as in AWS's references ("events",
"PutEvents"). Each line of standard output is its result: {"answer"}, or {"failure"}, a sentence.
"""

import base64
import json
import sys

import boto3
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody


def with_bytes(value):
    """An attribute of bytes, which JSON has as base64."""
    return {"B": base64.b64decode(value["B"])} if list(value) == ["B"] else value


def shown(value):
    """A function's answer and times as text, bytes as base64."""
    if isinstance(value, StreamingBody):
        return value.read().decode()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def main():
    clients = {}
    for line in sys.stdin:
        call = json.loads(line, object_hook=with_bytes)
        service = call["service"]
        if service not in clients:
            # boto3 reads the emulator's address from the environment.
            clients[service] = boto3.client(service)
        print(json.dumps(result(clients[service], call), default=shown), flush=True)


def result(client, call):
    try:
        answer = getattr(client, xform_name(call["operation"]))(**call["parameters"])
    except (BotoCoreError, ClientError) as failure:
        return {"failure": " ".join(str(failure).split())}
    answer.pop("ResponseMetadata", None)
    return {"answer": answer}


if __name__ == "__main__":
    main()
