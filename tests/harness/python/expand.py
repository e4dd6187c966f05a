"""Prints what a template becomes on AWS, after the SAM transform if it has one, as JSON.

Standard input: the template. Argument: the parameters that are given, as JSON. Failure: one sentence on standard error, exit status 1.
"""

import json
import sys

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from deploy import NoManagedPolicies


def main():
    template = yaml_parse(sys.stdin.read())
    if "Transform" not in template:
        json.dump(template, sys.stdout)
        return
    # `sam build` and `sam deploy` put the code's address here; the transform accepts no folder.
    template["Globals"]["Function"]["CodeUri"] = "s3://code/folder"
    try:
        json.dump(transform(template, json.loads(sys.argv[1]), NoManagedPolicies()), sys.stdout)
    except InvalidDocumentException as failure:
        sys.exit(" ".join(str(failure).split()))


if __name__ == "__main__":
    main()
