"""Sets up in the emulator what an operator sets up for producers.

    aws.py user DOCUMENT ARN     a user with the policy of docs/DOCUMENT/policy.json, for this resource; prints its
                                 environment
    aws.py rule BUS QUEUE-ARN    an EventBridge bus, and a rule with the queue as its target
    aws.py machine QUEUE-URL     docs/producers/state-machine.asl.json with a job; prints its ARN
    aws.py run MACHINE-ARN       runs it with the input on standard input; prints its status, error and cause
    aws.py receive QUEUE-URL     tries to receive from the queue

The environment has the emulator's address and the caller's credentials.
"""

import io
import json
import pathlib
import sys
import time
import zipfile

import boto3

DOCS = pathlib.Path(__file__).parents[3] / "docs"
JOB = """
def handler(event, context):
    if event["prompt"] == "refused":
        raise ValueError("the prompt was refused")
    return {"url": "https://cdn.example.com/image.png", "credits_charged": 6}
"""


def user(document, arn):
    iam = boto3.client("iam")
    policy = json.loads((DOCS / document / "policy.json").read_text())
    [statement] = policy["Statement"]
    region, account, *_, name = arn.split(":")[3:]
    shown = statement["Resource"].replace("REGION", region).replace("ACCOUNT", account).replace("FUNCTION", name)
    assert shown == arn, shown
    statement["Resource"] = arn
    iam.create_user(UserName=document)
    iam.put_user_policy(UserName=document, PolicyName=document, PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=document)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def rule(bus, queue_arn):
    events = boto3.client("events")
    events.create_event_bus(Name=bus)
    pattern = json.dumps({"detail-type": ["TaskCompleted"]})
    events.put_rule(Name="completions", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="completions", EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue_arn}])


def role(name, service):
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}],
    }
    made = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    return made["Role"]["Arn"]


def machine(queue_url):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("job.py", JOB)
    job = boto3.client("lambda").create_function(
        FunctionName="job",
        Runtime="python3.13",
        Role=role("job", "lambda.amazonaws.com"),
        Handler="job.handler",
        Code={"ZipFile": code.getvalue()},
    )
    definition = (DOCS / "producers/state-machine.asl.json").read_text()
    for name, value in {"JobFunctionArn": job["FunctionArn"], "CompletionsQueueUrl": queue_url}.items():
        definition = definition.replace(f"${{{name}}}", value)
    made = boto3.client("stepfunctions").create_state_machine(
        name="jobs", definition=definition, roleArn=role("jobs", "states.amazonaws.com")
    )
    return {"arn": made["stateMachineArn"]}


def run(machine_arn):
    client = boto3.client("stepfunctions")
    execution = client.start_execution(stateMachineArn=machine_arn, input=sys.stdin.read())["executionArn"]
    while True:
        found = client.describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            return {name: found.get(name) for name in ["status", "error", "cause"]}
        time.sleep(0.2)


def receive(queue_url):
    boto3.client("sqs").receive_message(QueueUrl=queue_url)


def main(command, *arguments):
    commands = {"user": user, "rule": rule, "machine": machine, "run": run, "receive": receive}
    json.dump(commands[command](*arguments), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
