"""Checks openapi.yaml by itself and against template.yaml: it is valid OpenAPI 3.1, its routes are the template's, its
examples fit their schemas, and the signatures in the examples are right. `run` checks what the service really answers.

Fails with one line for each mistake.
"""

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

import yaml
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}


def main():
    spec = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    mistakes = [f"{error.json_path}: {error.message}" for error in OpenAPIV31SpecValidator(spec).iter_errors()]
    mistakes = mistakes or [*wrong_routes(spec, template), *wrong_examples(spec), *wrong_signatures(spec)]
    sys.exit("\n".join(mistakes) or 0)


def wrong_routes(spec, template):
    described = {(path, method.upper()) for path, item in spec["paths"].items() for method in METHODS & item.keys()}
    deployed = set()
    for resource in template["Resources"].values():
        for event in resource["Properties"].get("Events", {}).values():
            # An event without a path is the route for all other requests.
            if event["Type"] == "HttpApi" and "Path" in event["Properties"]:
                deployed.add((event["Properties"]["Path"], event["Properties"]["Method"].upper()))
    for path, method in sorted(described - deployed):
        yield f"{method} {path} is in openapi.yaml and not in template.yaml"
    # HEAD is GET without a body, and needs no description of its own.
    heads = {(path, "HEAD") for path, method in described if method == "GET"}
    for path, method in sorted(deployed - described - heads):
        yield f"{method} {path} is in template.yaml and not in openapi.yaml"


def wrong_examples(spec):
    """Checks every object that has both a schema and examples: media types, parameters and headers."""

    def walk(node, path):
        if isinstance(node, list):
            for index, child in enumerate(node):
                yield from walk(child, f"{path}/{index}")
        elif isinstance(node, dict):
            if "schema" in node:
                examples = {name: example["value"] for name, example in node.get("examples", {}).items()}
                if "example" in node:
                    examples["example"] = node["example"]
                validator = OAS31Validator({**node["schema"], "components": spec["components"]})
                for name, example in examples.items():
                    for error in validator.iter_errors(example):
                        yield f"{path}, {name}: {error.json_path}: {error.message}"
            for key, child in node.items():
                yield from walk(child, f"{path}/{key}")

    return walk(spec, "")


def wrong_signatures(spec):
    headers = {parameter["name"]: parameter.get("example") for parameter in spec["components"]["parameters"].values()}
    payload = spec["webhooks"]["job.completed"]["post"]["requestBody"]["content"]["application/json"]["example"]
    body = json.dumps(payload, separators=(",", ":"))
    timestamp = headers["X-Nano-Timestamp"]

    def seal(text):
        return hmac.new(b"your-secret-key", text.encode(), hashlib.sha256).digest()

    if headers["X-Nano-Signature"] != "v1=" + seal(f"{timestamp}.{body}").hex():
        yield "the example of X-Nano-Signature is not the signature of the example of job.completed"
    standard = base64.b64encode(seal(f"{headers['webhook-id']}.{timestamp}.{body}")).decode()
    if headers["webhook-signature"] != f"v1,{standard}":
        yield "the example of webhook-signature is not the signature of the example of job.completed"


if __name__ == "__main__":
    main()
