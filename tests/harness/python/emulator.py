"""Runs MiniStack for one owner, and ends with it.

The owner holds the other end of standard input and never writes to it. When the owner ends, for whatever reason, the
pipe closes and this process ends itself and its functions: nothing is left running even if the owner was killed.
"""

import functools
import gc
import json
import logging
import os
import re
import shutil
import signal
import socketserver
import sys
import threading
import time

import point_in_time
import templates


def main():
    # The functions start in this process group, so that `end` can kill the whole group.
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    threading.Thread(target=end_with_owner, daemon=True).start()
    # In a long run, a collection of the oldest objects stops every request for some seconds, and every few seconds. It
    # finds almost nothing: what grows is the content of the tables and the logs. So it happens a thousand times less often.
    gc.set_threshold(10_000, 50, 1_000)
    # The function runtime's HTTP server answers in two small writes. With Nagle's algorithm each invocation of a warm
    # function would wait 40 ms for the client's delayed acknowledgement.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    listeners = []
    if os.environ.get("PUBLISH_METRICS"):
        import metrics

        listeners.append(metrics.start())
    keep_output(listeners)
    keep_trace_headers()
    lock_queues()
    authorise_batches_like_aws()
    accept_metric_math()
    stream_statements()
    read_streams_aside()
    parse_conditions_once()
    hurry_schedules()
    point_in_time.remember()
    templates.read_like_aws()
    from ministack import app

    try:
        app.main()
    except BaseException:
        logging.exception("the emulator ends")
    finally:
        end()


def end_with_owner():
    sys.stdin.buffer.read()
    end()


def end():
    """Kills everything: there is nothing to save, and MiniStack's own shutdown would leave busy functions running."""
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def keep_output(listeners):
    """Writes each line that a function prints to functions.log immediately, and passes it to the listeners.

    MiniStack's own log has only the output of functions that a queue invoked, and its CloudWatch only what was printed
    before the end of an invocation.
    """
    from ministack.core.lambda_runtime import ProvidedWorker

    pump = ProvidedWorker._pump_output
    log = open(os.path.join(os.environ["HOME"], "functions.log"), "wb", buffering=0)

    class Kept:
        def __init__(self, stream):
            self.stream = stream

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def readline(self):
            line = self.stream.readline()
            log.write(line)
            for listener in listeners:
                listener(line)
            return line

    ProvidedWorker._pump_output = lambda worker, stream, queue: pump(worker, Kept(stream), queue)


def keep_trace_headers():
    """Keeps the trace header of each message of a batch. MiniStack keeps it only for single messages."""
    from ministack.services import sqs

    send, send_batch, attributes = sqs._act_send_message, sqs._act_send_message_batch, threading.local()

    def send_with_header(data, queue_url):
        if entries := getattr(attributes, "of_the_batch", None):
            data["MessageSystemAttributes"] = entries.pop(0)
        return send(data, queue_url)

    def send_batch_with_headers(data, queue_url):
        attributes.of_the_batch = [entry.get("MessageSystemAttributes") for entry in data.get("Entries", [])]
        try:
            return send_batch(data, queue_url)
        finally:
            attributes.of_the_batch = None

    sqs._act_send_message = send_with_header
    sqs._HANDLERS["SendMessageBatch"] = send_batch_with_headers


def lock_queues():
    """Makes MiniStack's queues thread-safe.

    Its event source mappings replace a queue's list of messages from their own threads, under a lock that the requests
    do not take: a message that is sent at that moment is lost. Here the requests take the same lock.
    """
    from ministack.services import sqs

    def locked(action):
        @functools.wraps(action)
        def call(data, queue_url):
            with sqs._queues_lock:
                return action(data, queue_url)

        return call

    for name, action in sqs._HANDLERS.items():
        # A receive polls the queue and waits in between, so it cannot hold the lock. It needs none: no test receives
        # messages from a queue that a function listens to.
        if name != "ReceiveMessage":
            sqs._HANDLERS[name] = locked(action)


def authorise_batches_like_aws():
    """Checks the action of each entry of SQS's batch calls and DynamoDB's batch of statements, as IAM does.

    IAM has no actions for these batches themselves. MiniStack requires one.
    """
    from ministack.core import iam_actions

    extract = iam_actions.extract_iam_action

    def extract_like_aws(service, *request):
        action = extract(service, *request)
        # Reading one event source mapping is an action of its own in IAM; MiniStack mistakes it for listing them.
        if action and action.endswith("ListEventSourceMappings"):
            return action.replace("ListEventSourceMappings", "GetEventSourceMapping")
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions.extract_iam_action = extract_like_aws

    checks = iam_actions.dynamodb_transaction_checks

    def checks_like_aws(action, body, region, account):
        if action != "dynamodb:BatchExecuteStatement":
            return checks(action, body, region, account)
        statements = [entry["Statement"] for entry in json.loads(body)["Statements"]]
        table = re.compile('"(.*?)"')
        return [
            (
                f"dynamodb:PartiQL{statement.split()[0].capitalize()}",
                f"arn:aws:dynamodb:{region}:{account}:table/{table.search(statement)[1]}",
            )
            for statement in statements
        ]

    iam_actions.dynamodb_transaction_checks = checks_like_aws


def accept_metric_math():
    """Accepts alarms over metric math, which MiniStack refuses. They can be described, but are evaluated only if
    metrics are published."""
    from ministack.services.cloudformation import provisioners

    make = provisioners._cw_metric_alarm_record

    def make_with_math(name, properties):
        if not properties.get("Metrics"):
            return make(name, properties)
        alarm = make(name, {**properties, "Metrics": None, "MetricName": "none", "Namespace": "none"})
        for of_one_metric in ["MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period"]:
            del alarm[of_one_metric]
        return {**alarm, "Metrics": properties["Metrics"]}

    provisioners._cw_metric_alarm_record = make_with_math


def stream_statements():
    """Puts the writes of PartiQL statements into the table's stream. MiniStack streams only other writes."""
    from ministack.services import dynamodb

    insert, update = dynamodb._partiql_insert, dynamodb._partiql_update

    def insert_and_stream(table, statement):
        answer = insert(table, statement)
        if answer[0] == 200:
            item = statement["item"]
            dynamodb._emit_stream_event(table["TableName"], "INSERT", None, item.get("M", item))
        return answer

    def update_and_stream(table, statement, data=None):
        answer = update(table, statement, data)
        if answer[0] == 200:
            partition, sort, *_ = dynamodb._partiql_key_target(table, statement)
            dynamodb._emit_stream_event(table["TableName"], "MODIFY", None, table["items"][partition][sort])
        return answer

    dynamodb._partiql_insert, dynamodb._partiql_update = insert_and_stream, update_and_stream


def read_streams_aside():
    """Reads the tables' streams twice a second in their own thread, whatever a mapping's window.

    MiniStack reads them between two polls of the queues, and the queues wait until the function has answered.
    """
    from ministack.services import lambda_svc

    read = lambda_svc._poll_dynamodb_streams
    lambda_svc._poll_dynamodb_streams = lambda: False

    def read_for_ever():
        while True:
            time.sleep(0.5)
            try:
                read()
            except Exception:
                logging.exception("the streams could not be read")

    threading.Thread(target=read_for_ever, daemon=True).start()


def parse_conditions_once():
    """Keeps the tokens of each condition that was valid once.

    MiniStack parses and checks a condition again for each item of a query, which takes it six times as long, and no other
    request is answered meanwhile.
    """
    from ministack.services import dynamodb

    evaluate, parsed = dynamodb._evaluate_condition, {}

    def evaluate_parsed(condition, item, values, names, slot="ConditionExpression"):
        if tokens := parsed.get((condition, slot)):
            try:
                return dynamodb._ExprEval(tokens, item, values, names).evaluate()
            except ValueError:
                # MiniStack says it in AWS's words.
                return evaluate(condition, item, values, names, slot)
        answer = evaluate(condition, item, values, names, slot)
        # With BETWEEN, what is valid also depends on the values; a query checks those of its keys itself.
        if condition and (slot == "KeyConditionExpression" or " BETWEEN " not in condition.upper()):
            parsed[condition, slot] = dynamodb._tokenize(condition)
        return answer

    dynamodb._evaluate_condition = evaluate_parsed


def hurry_schedules():
    """Runs rate-based rules every SCHEDULES_EVERY_SECONDS if it is set, because a minute is long for a test."""
    if not (seconds := os.environ.get("SCHEDULES_EVERY_SECONDS")):
        return
    from ministack.services import eventbridge

    rate = eventbridge._parse_rate_seconds
    eventbridge._parse_rate_seconds = lambda schedule: float(seconds) if rate(schedule) else None
    eventbridge._SCHEDULER_TICK_INTERVAL = float(seconds)


if __name__ == "__main__":
    main()
