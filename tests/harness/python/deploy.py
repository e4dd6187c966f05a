"""Deploys template.yaml to the emulator and prints the API's id and the outputs as JSON.

The template that runs here is the one that runs on AWS, through the same SAM transform. Apart from the properties that
a test changes, only the functions' code differs: it is the binaries that cargo built, not the output of `sam build`.
`templates.py` has the emulator read a template as AWS does.

Standard input: {"endpoint", "stack", "template", "parameters": {name: value}, "properties": {resource: {name: value}},
"binaries": {name: path}}.
Standard output: {"api_id", "outputs": {name: value}}. Failure: one sentence on standard error, exit status 1.
"""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

CODE_BUCKET = "code"


class DeploymentFailed(Exception):
    """Its text says in one sentence what went wrong."""


class NoManagedPolicies:
    """The template names no managed policies, so the transform needs no list of them."""

    def load(self):
        return {}


def main():
    order = json.load(sys.stdin)
    try:
        json.dump(deploy(order), sys.stdout)
    except (DeploymentFailed, InvalidDocumentException, BotoCoreError, ClientError) as failure:
        sys.exit(" ".join(str(failure).split()))


def deploy(order):
    def client(service):
        return boto3.client(service, endpoint_url=order["endpoint"])

    parameters = {name: str(value) for name, value in order["parameters"].items()}
    with open(order["template"], encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource, properties in (order["properties"] or {}).items():
        change(template["Resources"][resource]["Properties"], properties)
    point_to_code(template, order["binaries"], client("s3"))
    template = transform(template, dict(parameters), NoManagedPolicies())
    # In S3, not in the request itself, whose limit is 51,200 characters. `sam deploy` does the same.
    client("s3").put_object(Bucket=CODE_BUCKET, Key="template.json", Body=json.dumps(template))
    address = f"{order['endpoint']}/{CODE_BUCKET}/template.json"
    return create_stack(order["stack"], address, parameters, client("cloudformation"))


def change(properties, changes):
    """Sets properties. A map is merged into the map that a property already has."""
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(properties.get(name), dict):
            change(properties[name], value)
        else:
            properties[name] = value


def zipped(path):
    """Zips a binary, once: the archive stays beside it for the next stack, named by the binary's modification time.

    Without its symbols, if there is a program that removes them: a debug build's are half of it, and each stack writes
    all functions to the disk.
    """
    kept = f"{path}.{os.stat(path).st_mtime_ns}.zip"
    if not os.path.exists(kept):
        # Keeps the archive that another deployment may have made in the meantime.
        for outdated in set(glob.glob(f"{path}.*.zip")) - {kept}:
            with contextlib.suppress(FileNotFoundError):
                os.remove(outdated)
        with open(path, "rb") as binary, tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
            with zipfile.ZipFile(file, "w") as archive:
                bootstrap = zipfile.ZipInfo("bootstrap")
                bootstrap.compress_type = zipfile.ZIP_DEFLATED
                bootstrap.external_attr = 0o755 << 16
                # Passed explicitly: a ZipInfo does not take the level from its ZipFile.
                archive.writestr(bootstrap, without_symbols(binary.read()), compresslevel=1)
        # In one step, so that stacks that are deployed at this moment never read half an archive.
        os.replace(file.name, kept)
    with open(kept, "rb") as file:
        return file.read()


def without_symbols(binary):
    """Returns a program without its symbols, or as it is if there is no `strip`."""
    # A Mac's binaries are signed with their symbols.
    strip = shutil.which("strip") if sys.platform == "linux" else None
    if strip is None:
        return binary
    with tempfile.NamedTemporaryFile() as file:
        file.write(binary)
        file.flush()
        subprocess.run([strip, file.name], check=True)
        with open(file.name, "rb") as stripped:
            return stripped.read()


def point_to_code(template, binaries, s3):
    """Puts each function's binary into the emulator's S3, as its code."""
    s3.create_bucket(Bucket=CODE_BUCKET)
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            if binary not in binaries:
                raise DeploymentFailed(f"{logical_id} is made of the binary {binary}, which was not built")
            s3.put_object(Bucket=CODE_BUCKET, Key=binary, Body=zipped(binaries[binary]))
            resource["Properties"]["CodeUri"] = f"s3://{CODE_BUCKET}/{binary}"


def create_stack(name, template_url, parameters, cloudformation):
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=template_url,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    try:
        waiter = cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    except WaiterError as failure:
        raise DeploymentFailed(first_failure(name, cloudformation)) from failure
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    api = cloudformation.describe_stack_resource(StackName=name, LogicalResourceId="HttpApi")
    return {
        "api_id": api["StackResourceDetail"]["PhysicalResourceId"],
        "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
    }


def first_failure(name, cloudformation):
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    for event in reversed(events):
        if event["ResourceStatus"].endswith("FAILED"):
            return f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason was given')}"
    return "the stack was not created, and no resource says why"


if __name__ == "__main__":
    main()
