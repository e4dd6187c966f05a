"""Computes signature-vectors.json from the description in verifying.md, with nothing but Python's own hmac.

    python3 docs/signature-vectors.py > docs/signature-vectors.json
"""

import base64
import hashlib
import hmac
import json

PLAIN = "your-secret-key"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLDER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
UNPADDED = "whsec_aB3dE5fG7hJ9kL1mN3pQ5r"
TRAILING_BITS = "whsec_QUJDREVGR0hJSktMTU5PUB=="

ID = "01JFS70MC03XV6PXS0XYRBQ1ZT"
TIME = 1734949200


def mac(key, message):
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


def page(secret, timestamp, body):
    return "v1=" + mac(secret.encode(), f"{timestamp}.{body}").hex()


def standard(secret, id, timestamp, body):
    key = secret.encode()
    if secret.startswith("whsec_"):
        # More padding than is needed does no harm, and bits that are left over at the end are ignored.
        key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    return "v1," + base64.b64encode(mac(key, f"{id}.{timestamp}.{body}")).decode()


def vector(name, secret, body, timestamp=TIME, id=ID, next=None, previous=()):
    valid = [secret, *([next] if next else []), *previous]
    headers = {
        "X-Nano-Timestamp": str(timestamp),
        "X-Nano-Signature": page(secret, timestamp, body),
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(standard(each, id, timestamp, body) for each in valid),
    }
    if next:
        headers["X-Nano-Signature-Next"] = page(next, timestamp, body)
    if previous:
        headers["X-Nano-Signature-Previous"] = " ".join(page(each, timestamp, body) for each in previous)
    return {"name": name, "secret": secret, "next_secret": next, "previous_secrets": list(previous), "id": id,
            "timestamp": timestamp, "body": body, "headers": headers}


def event(data):
    return ('{"event":"job.completed","task_id":"task_xxx","task_type":"image","status":"completed","data":%s,'
            '"timestamp":"2024-12-23T10:00:00Z"}' % data)


EXAMPLE = event('{"url":"https://cdn.example.com/image.png","credits_charged":6}')

VECTORS = [
    vector("the published page's example, a secret of one's own", PLAIN, EXAMPLE),
    vector("a generated secret: whsec_ and base64", WHSEC, EXAMPLE),
    vector("whsec_ and base64 without its padding, with bits left over", UNPADDED, EXAMPLE),
    vector("whsec_ and base64 with its padding, with bits left over", TRAILING_BITS, EXAMPLE),
    vector("the shortest secret", "12345678", EXAMPLE),
    vector("the longest secret: a key of more than one SHA-256 block", "x" * 256, EXAMPLE),
    vector("empty data", WHSEC, event("{}")),
    vector("no data", WHSEC, event("null")),
    vector("unicode: two to four bytes in UTF-8, combining marks, right to left", WHSEC,
           event('{"prompt":"Zürich – 日本語 🍌 e\u0301 שלום \u2028 \ufeff"}')),
    vector("escapes: as short as JSON.stringify writes them", WHSEC,
           event(r'{"text":"\"\\/\b\f\n\r\t\u0000\u001f' + "\x7f" + '<&>"}')),
    vector("numbers as JSON.stringify writes them", WHSEC,
           event("[0,6,-1.5,0.1,0.30000000000000004,100000000000000000000,1e+21,0.000001,1e-7,5e-324,"
                 "1.7976931348623157e+308,9007199254740992]")),
    vector("keys that look like indexes come first", WHSEC, event('{"0":"a","2":"b","10":"c","b":1,"a":2,"":3}')),
    vector("dots in the body", WHSEC, event('"1734949200.a.b"')),
    vector("a failed task", WHSEC,
           EXAMPLE.replace("completed", "failed").replace(',"credits_charged":6', "")),
    vector("another time", WHSEC, EXAMPLE, timestamp=1734949500),
    vector("a time after 2038", WHSEC, EXAMPLE, timestamp=4102444800),
    vector("another delivery", WHSEC, EXAMPLE, id="01JFS70MC0ZZZZZZZZZZZZZZZZ"),
    vector("a rotation before its switch: the old secret, and the next one beside it", WHSEC, EXAMPLE, next=OLDER),
    vector("a rotation from a text to a generated secret, before its switch", PLAIN, EXAMPLE, next=WHSEC),
    vector("a rotation after its switch: the new secret, and the previous one beside it", WHSEC, EXAMPLE,
           previous=[OLDER]),
    vector("a rotation from a text to a generated secret, after its switch", WHSEC, EXAMPLE, previous=[PLAIN]),
    vector("three rotations in one overlap, after the last switch", OLDER, EXAMPLE, previous=[WHSEC, UNPADDED, PLAIN]),
    vector("a rotation that begins while an older secret is still valid", OLDER, EXAMPLE, next=UNPADDED,
           previous=[WHSEC]),
    vector("the Standard Webhooks libraries' own example", WHSEC, '{"test": 2432232314}', timestamp=1614265330,
           id="msg_p5jXN8AQM9LWM0D4loKWxJek"),
]

print(json.dumps(VECTORS, ensure_ascii=False, indent=2))
