"""Checks documents against docs/schema.json, and that it describes each of their fields.

Argument: the schema. Standard input: a JSON object with a list of documents for each of its sources.
"""

import json
import sys

import jsonschema


def closed(schema):
    """The schema, which refuses fields that it does not describe."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


with open(sys.argv[1]) as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
definitions = closed(schema["$defs"])
documents = json.load(sys.stdin)
missing = set(schema["sources"]) ^ set(documents)
assert not missing, f"without a document or not in the schema: {missing}"
for source, given in documents.items():
    validator = jsonschema.Draft202012Validator(dict(schema["sources"][source], **{"$defs": definitions}))
    for document in given:
        for error in validator.iter_errors(document):
            sys.exit(f"{source}: {error.json_path}: {error.message[:500]}")
print(sum(map(len, documents.values())))
