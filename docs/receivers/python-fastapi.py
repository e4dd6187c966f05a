# Receives webhooks with FastAPI. To start it: WEBHOOK_SECRET=whsec_... PORT=8080 python python-fastapi.py
import hashlib
import hmac
import json
import os
import time

import uvicorn
from fastapi import FastAPI, Request, Response

SECRET = os.environ["WEBHOOK_SECRET"].encode()  # the whole text, whsec_ included
if not SECRET:
    raise SystemExit("WEBHOOK_SECRET is empty")

# The ids of events that were handled. In production, use a table's unique key, written together with the event.
known = set()

app = FastAPI()


def refusal(headers, body):
    """Returns why a request must be refused, or None. `body` is the bytes as they arrived."""
    timestamp = headers.get("X-Nano-Timestamp", "")
    expected = "v1=" + hmac.new(SECRET, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    # While a secret is being rotated, the old and the new one sign different headers. One that matches is enough.
    signers = ("X-Nano-Signature", "X-Nano-Signature-Next", "X-Nano-Signature-Previous")
    given = " ".join(headers.get(name, "") for name in signers).split(" ")
    if not any(hmac.compare_digest(one.encode(), expected.encode()) for one in given):
        return "the signature does not match"
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return "the timestamp is more than five minutes off"


@app.post("/webhook")
async def receive(request: Request):
    body = await request.body()  # A parameter with a model would be parsed, and its bytes gone.
    reason = refusal(request.headers, body)
    if reason:
        return Response(reason, 401)
    if request.headers["webhook-id"] not in known:
        known.add(request.headers["webhook-id"])
        event = json.loads(body)
        print(f"{event['event']} {event['task_id']}")  # Put it on a queue here, then answer.
    return Response(status_code=204)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]))
