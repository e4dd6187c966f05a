"""Validates texts against a JSON Schema, as a producer could.

Standard input: {"schema": {...}, "texts": [text]}. Standard output: for each text null if the schema accepts it, or why
not.
"""

import json
import sys

import jsonschema


def no_json(constant):
    raise ValueError(f"{constant} is not JSON")


def complaint(validator, text):
    try:
        # Python would accept NaN and Infinity.
        document = json.loads(text, parse_constant=no_json)
    except ValueError as error:
        return str(error)
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    return error and error.message


def main():
    order = json.load(sys.stdin)
    jsonschema.Draft202012Validator.check_schema(order["schema"])
    validator = jsonschema.Draft202012Validator(order["schema"])
    json.dump([complaint(validator, text) for text in order["texts"]], sys.stdout)


if __name__ == "__main__":
    main()
