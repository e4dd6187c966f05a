"""Manages API keys of nano-webhooks: sends one request, and prints the data of the answer.

    MANAGE_KEYS_FUNCTION=arn:aws:lambda:… python python.py '{"action": "list", "account_id": "acct_1"}'
"""

import json
import os
import sys

import boto3

LAMBDA = boto3.client("lambda")


def manage_keys(request):
    answer = LAMBDA.invoke(FunctionName=os.environ["MANAGE_KEYS_FUNCTION"], Payload=json.dumps(request).encode())
    payload = json.load(answer["Payload"])
    # The function itself broke off, for example because its time was over.
    if "FunctionError" in answer:
        raise RuntimeError(f"manage-keys failed: {payload.get('errorMessage')}")
    if not payload["success"]:
        raise RuntimeError(f"{payload['error']['code']}: {payload['error']['message']}")
    return payload["data"]


if __name__ == "__main__":
    try:
        print(json.dumps(manage_keys(json.loads(sys.argv[1]))))
    except RuntimeError as error:
        sys.exit(str(error))
