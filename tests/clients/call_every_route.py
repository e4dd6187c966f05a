"""Calls every operation of openapi.yaml through the client that openapi-python-client generated; checks the replies.

Arguments: the API's URL, a key, and the URL of an endpoint that answers 200. Prints the operations that it called.
"""

import importlib
import json
import sys
import time
from datetime import datetime, timezone

from nano_client import AuthenticatedClient, Client
from nano_client.models import NewWebhook, ResendRequest, Resent, Rotation, Switch, TestEvent, WebhookChange
from nano_client.models.event import Event
from nano_client.models.event_or_all import EventOrAll
from nano_client.models.webhook_status import WebhookStatus

base, key, endpoint = sys.argv[1:]
customer, anybody = AuthenticatedClient(base_url=base, token=key), Client(base_url=base)
called = []


def call(tag, operation, expected, *arguments, client=customer, **options):
    """Calls an operation; returns the reply's model, or the raw reply if it is not JSON."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation)
    module = importlib.import_module(f"nano_client.api.{tag}.{name}")
    response = module.sync_detailed(*arguments, client=client, **options)
    assert response.status_code == expected, (operation, response.status_code, response.content)
    assert tag == "public" or response.parsed is not None, f"{operation} has no model"
    called.append(operation)
    return response.parsed if response.parsed is not None else response


def first_delivery(webhook):
    for _ in range(300):
        page = call("deliveries", "listDeliveries", 200, webhook, limit=5).data
        if page.deliveries and page.deliveries[0].status.value == "delivered":
            return page.deliveries[0]
        time.sleep(0.2)
    raise SystemExit("the test event does not arrive")


new = NewWebhook(url=endpoint, events=[EventOrAll.JOB_COMPLETED, EventOrAll.JOB_FAILED])
created = call("webhooks", "createWebhook", 201, body=new).data
assert created.secret_key.startswith("whsec_") and created.url == endpoint
webhook = created.id
assert [one.id for one in call("webhooks", "listWebhooks", 200).data] == [webhook]
assert call("webhooks", "getWebhook", 200, webhook).data.circuit.value == "closed"
change = WebhookChange(events=[EventOrAll.JOB_FAILED], status=WebhookStatus.ACTIVE)
assert call("webhooks", "updateWebhook", 200, webhook, body=change).data.events == [EventOrAll.JOB_FAILED]
sent = call("webhooks", "testWebhook", 202, webhook, body=TestEvent(event=Event.JOB_COMPLETED)).data
assert first_delivery(webhook).id == sent.id
delivery = call("deliveries", "getDelivery", 200, webhook, sent.id).data
assert delivery.payload.event == "job.completed" and delivery.attempts[0].http_status == 200
assert call("deliveries", "retryDelivery", 202, webhook, sent.id).data.id == sent.id
listed = call("events", "listEvents", 200, task_id=delivery.task_id, limit=5).data.events
assert [(one.id, one.webhooks[0].status.value) for one in listed] == [(sent.id, "delivered")]
event = call("events", "getEvent", 200, sent.id).data
assert event.payload.task_id == delivery.task_id and event.webhooks[0].url == endpoint
erased = call("events", "deleteEvent", 200, sent.id).data
assert erased.id == sent.id and erased.remains
assert call("events", "getEvent", 200, sent.id).data.payload is None
assert len(call("webhooks", "getStats", 200, webhook, hours=2).data.hours) == 2
assert call("webhooks", "rotateSecret", 200, webhook, body=Rotation(overlap_seconds=60)).data.secret_key
assert call("webhooks", "rotateSecret", 200, webhook, body=Rotation(switch=Switch.NOW)).data.secret_switches_at is None
assert call("webhooks", "probeWebhook", 409, webhook).error.code == "conflict"
rehearsal = call("webhooks", "rehearseWebhook", 202, webhook).data
shown = call("webhooks", "getRehearsal", 200, webhook).data
assert (shown.id, len(shown.steps), shown.steps[0].name.value) == (rehearsal.id, 5, "signed_event")
asked = ResendRequest(since=datetime(2024, 12, 23, tzinfo=timezone.utc), statuses=[Resent.FAILED, Resent.MISSED])
resend = call("deliveries", "resendWebhook", 202, webhook, body=asked).data
shown = call("deliveries", "getResend", 200, webhook).data
assert (shown.id, shown.statuses, shown.sent) == (resend.id, [Resent.FAILED, Resent.MISSED], 0)
assert call("deliveries", "stopResend", 200, webhook).data.id == webhook
assert call("webhooks", "deleteWebhook", 200, webhook).data.id == webhook
assert "nothing" not in call("webhooks", "getWebhook", 404, webhook).error.message

assert b"openapi: 3.1" in call("public", "getOpenapi", 200, client=anybody).content
page = call("public", "getConsole", 200, client=anybody).content.decode()
assert "<html" in page
assert b"<html" in call("public", "getDocs", 200, client=anybody).content
script = page.split('src="console/')[1].split('"')[0]
assert b"export const modules" in call("public", "getConsoleFile", 200, script, client=anybody).content
print(json.dumps(sorted(set(called))))
