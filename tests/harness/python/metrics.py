"""Does what CloudWatch does by itself on AWS and MiniStack does not, for the stacks that ask for it:

- reads metrics from what functions print, in the embedded metric format
  (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html);
- publishes each queue's metrics (AWS/SQS), each function's (AWS/Lambda; MiniStack counts only manual invocations) and
  each API's (AWS/ApiGateway);
- evaluates alarms by their own dimensions, each period separately, with metric math and their rule for missing data.

This parser follows the format's specification and shares no code with the functions that write it.
"""

import json
import os
import queue
import threading
import time

PUBLISH_EVERY = 0.3
UNITS = {"Count", "Milliseconds", "Seconds", "Bytes", "Percent", "None"}
FOUND = queue.SimpleQueue()


def start():
    """Starts to publish; returns the listener to call with each line that a function prints."""
    count_invocations()
    count_requests()
    count_deletions()
    evaluate_like_cloudwatch()
    threading.Thread(target=publish, daemon=True).start()
    return read_line


def read_line(line):
    if b'"_aws"' not in line:
        return
    try:
        for datum in read_record(json.loads(line)):
            FOUND.put(datum)
    except (KeyError, TypeError, ValueError) as error:
        # CloudWatch would keep it as a log line and create no metric.
        print(f"metrics: not a record of the embedded metric format: {error!r}: {line!r}", flush=True)


def read_record(record):
    """Yields the metrics of a record: one datum for each metric under each set of dimensions."""
    about = record["_aws"]
    moment = about["Timestamp"] / 1000
    if not time.time() - 14 * 86400 < moment < time.time() + 7200:
        raise ValueError("its time is not of these two weeks")
    for directive in about["CloudWatchMetrics"]:
        if not directive["Namespace"] or len(directive["Metrics"]) > 100:
            raise ValueError("it has no namespace, or more than 100 metrics")
        for names in directive["Dimensions"]:
            dimensions = {name: record[name] for name in names}
            if len(names) > 30 or not all(isinstance(value, str) and value for value in dimensions.values()):
                raise ValueError(f"dimensions are at most 30 texts, not {dimensions}")
            for metric in directive["Metrics"]:
                value, unit = record[metric["Name"]], metric.get("Unit", "None")
                values = value if isinstance(value, list) else [value]
                if not 0 < len(values) <= 100 or any(type(each) not in (int, float) for each in values):
                    raise ValueError(f"{metric['Name']} is {value}")
                if unit not in UNITS:
                    raise ValueError(f"there is no unit {unit}")
                yield datum(directive["Namespace"], metric["Name"], values, unit, dimensions, moment)


def datum(namespace, name, values, unit, dimensions, moment=None):
    return namespace, {
        "MetricName": name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "Timestamp": moment or time.time(),
        "Values": values,
        "Unit": unit,
    }


def publish():
    import boto3
    from botocore.exceptions import BotoCoreError

    endpoint = f"http://{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"
    cloudwatch = boto3.client("cloudwatch", endpoint_url=endpoint)
    unsent = []
    while True:
        time.sleep(PUBLISH_EVERY)
        while not FOUND.empty():
            unsent.append(FOUND.get())
        # Through the API: MiniStack's store is not thread-safe.
        try:
            found = unsent + list(queues())
            for namespace in {namespace for namespace, _ in found}:
                data = [each for other, each in found if other == namespace]
                for at in range(0, len(data), 500):
                    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data[at : at + 500])
            unsent = []
        except BotoCoreError:
            # The emulator is not up yet.
            pass


def queues():
    from ministack.services import sqs

    now = time.time()
    for record in sqs._queues.values():
        dimensions = {"QueueName": record["attributes"]["QueueArn"].rsplit(":", 1)[1]}
        messages = list(record["messages"])
        hidden = sum(1 for message in messages if message["visible_at"] > now)
        age = now - min((message["sent_at"] for message in messages), default=now)
        for name, value, unit in [
            ("ApproximateNumberOfMessagesVisible", len(messages) - hidden, "Count"),
            ("ApproximateNumberOfMessagesNotVisible", hidden, "Count"),
            ("ApproximateAgeOfOldestMessage", int(age), "Seconds"),
        ]:
            yield datum("AWS/SQS", name, [value], unit, dimensions)


def count_invocations():
    from ministack.services import lambda_svc

    dispatch, concurrency = lambda_svc._execute_function_dispatch, lambda_svc._sqs_esm_concurrency

    def counted(function, config, *rest):
        result = dispatch(function, config, *rest)
        dimensions = {"FunctionName": config["FunctionName"]}
        FOUND.put(datum("AWS/Lambda", "Invocations", [1], "Count", dimensions))
        FOUND.put(datum("AWS/Lambda", "Errors", [int(bool(result.get("error")))], "Count", dimensions))
        if age := age_of_the_last_record(*rest):
            FOUND.put(datum("AWS/Lambda", "IteratorAge", [age], "Milliseconds", dimensions))
        return result

    def throttles(name, duration_ms, error, throttle):
        if throttle:
            FOUND.put(datum("AWS/Lambda", "Throttles", [1], "Count", {"FunctionName": name}))

    lambda_svc._execute_function_dispatch = counted
    lambda_svc._emit_lambda_metrics = throttles
    # MiniStack's poller does not invoke what would be throttled. Lambda's poller invokes it, and the call is
    # throttled.
    lambda_svc._sqs_esm_concurrency = lambda mapping, function, config, queue=None: concurrency(mapping, {}, {}, queue)


def count_deletions():
    from ministack.services import sqs

    delete = sqs._delete_messages_for_esm

    def counted(queue_url, handles):
        name = queue_url.rsplit("/", 1)[1]
        FOUND.put(datum("AWS/SQS", "NumberOfMessagesDeleted", [len(handles)], "Count", {"QueueName": name}))
        return delete(queue_url, handles)

    sqs._delete_messages_for_esm = counted


def age_of_the_last_record(*arguments):
    """The age of the last record of a stream's event, in milliseconds; None for any other event."""
    events = [it for it in arguments if isinstance(it, dict) and it.get("Records")]
    records = [it for event in events for it in event["Records"] if it.get("eventSource") == "aws:dynamodb"]
    return 1000 * (time.time() - records[-1]["dynamodb"]["ApproximateCreationDateTime"]) if records else None


def count_requests():
    from ministack.services import apigateway

    execute = apigateway.handle_execute

    async def counted(api_id, *rest, **named):
        answer = await execute(api_id, *rest, **named)
        dimensions = {"ApiId": api_id}
        FOUND.put(datum("AWS/ApiGateway", "Count", [1], "Count", dimensions))
        FOUND.put(datum("AWS/ApiGateway", "5xx", [int(answer[0] >= 500)], "Count", dimensions))
        return answer

    apigateway.handle_execute = counted


def evaluate_like_cloudwatch():
    from ministack.services import cloudwatch

    def value(metric, statistic, period, age):
        """A metric's statistic in the period that ended `age` periods ago; None without data."""
        dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
        key = (metric["Namespace"], metric["MetricName"], cloudwatch._dims_key(dimensions))
        end = time.time() - age * period
        points = [each for each in cloudwatch._metrics.get(key, []) if end - period <= each["Timestamp"] < end]
        return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None

    def watched(alarm, age):
        if "Metrics" not in alarm:
            return value(alarm, alarm["ExtendedStatistic"] or alarm["Statistic"], alarm["Period"], age)
        [expression] = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
        stats = {each["Id"]: each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each}
        ids = {name: value(it["Metric"], it["Stat"], int(it["Period"]), age) for name, it in stats.items()}
        return calculate(expression, ids)

    def evaluate(alarm):
        threshold = alarm["Threshold"]
        breaches = {
            "GreaterThanThreshold": lambda it: it > threshold,
            "LessThanThreshold": lambda it: it < threshold,
        }[alarm["ComparisonOperator"]]
        silence_breaches = {"breaching": True, "notBreaching": False}[alarm["TreatMissingData"]]
        periods = [watched(alarm, age) for age in range(alarm["EvaluationPeriods"])]
        breaching = sum(1 for it in periods if (silence_breaches if it is None else breaches(it)))
        before, state = alarm["StateValue"], "OK"
        if breaching >= alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]):
            state = "ALARM"
        if state != before:
            reason = f"{periods} against the threshold {threshold}"
            alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
            cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
            cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)

    cloudwatch._evaluate_alarm = evaluate


def calculate(expression, values):
    """Evaluates metric math, as far as the template uses it. None if a value is missing and has no FILL."""
    functions = {
        "IF": lambda condition, then, otherwise: then if condition else otherwise,
        "FILL": lambda value, instead: instead if value is None else value,
    }
    expression = expression.replace(" OR ", " or ")
    try:
        return float(eval(expression, {"__builtins__": {}}, {**functions, **values}))
    except (TypeError, ZeroDivisionError):
        return None
