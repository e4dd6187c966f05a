# Receives webhooks with Flask. To start it: WEBHOOK_SECRET=whsec_... PORT=8080 python python-flask.py
import hashlib
import hmac
import os
import threading
import time

from flask import Flask, request

SECRET = os.environ["WEBHOOK_SECRET"].encode()  # the whole text, whsec_ included
if not SECRET:
    raise SystemExit("WEBHOOK_SECRET is empty")

# The ids of events that were handled. In production, use a table's unique key, written together with the event.
known = set()
lock = threading.Lock()

app = Flask(__name__)


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
def receive():
    reason = refusal(request.headers, request.get_data())
    if reason:
        return reason, 401
    with lock:
        is_new = request.headers["webhook-id"] not in known
        known.add(request.headers["webhook-id"])
    if is_new:
        event = request.get_json()
        print(f"{event['event']} {event['task_id']}")  # Put it on a queue here, then answer.
    return "", 204


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
