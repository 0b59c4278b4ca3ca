"""Holds policies of other dialects against the CustomResourceDefinitions that their projects publish.

The folder of the definitions is the first argument. Paths come on stdin, one a line; for each, one JSON list of complaints
is printed. As with `kubectl apply --validate=strict`, a field that the definition does not know is a complaint.
"""

import json
import pathlib
import sys

import jsonschema
import yaml

STAGED_ACTIONS = {"type": "string", "enum": ["Set", "Delete", "Learn", "Ignore"]}


def strict(schema):
    """The structural schema as JSON Schema, closed to unknown fields."""
    if not isinstance(schema, dict):
        return schema
    closed = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes") and key != "format"}
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("anyOf", None)
        closed["type"] = ["integer", "string"]
    for key in ("items", "additionalProperties", "not"):
        if key in closed:
            closed[key] = strict(closed[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in closed:
            # These only say more of fields that stand outside of them.
            closed[key] = [{k: v for k, v in each.items() if k != "format"} for each in closed[key]]
    if "properties" in closed:
        closed["properties"] = {name: strict(value) for name, value in closed["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
    return closed


def definitions(folder):
    """By group, version and kind."""
    schemas = {}
    for file in sorted(pathlib.Path(folder).glob("*.yaml")):
        for crd in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if not crd:
                continue
            spec = crd["spec"]
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"].update(apiVersion={}, kind={}, metadata={})
                schemas[spec["group"] + "/" + version["name"], spec["names"]["kind"]] = schema
    # Calico's API server offers what it stores under another name, and staged policies have one field more.
    stored = schemas["crd.projectcalico.org/v1", "NetworkPolicy"]
    schemas["projectcalico.org/v3", "NetworkPolicy"] = stored
    staged = json.loads(json.dumps(stored))
    staged["properties"]["spec"]["properties"]["stagedAction"] = STAGED_ACTIONS
    schemas["projectcalico.org/v3", "StagedNetworkPolicy"] = staged
    return schemas


def complaints(schemas, document):
    schema = schemas.get((document.get("apiVersion"), document.get("kind")))
    if schema is None:
        return ["there is no definition of %s %s" % (document.get("apiVersion"), document.get("kind"))]
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return ["%s: %s" % (error.json_path, error.message) for error in errors]


known = definitions(sys.argv[1])
for line in sys.stdin:
    with open(line.rstrip("\n"), encoding="utf-8") as file:
        documents = [document for document in yaml.safe_load_all(file) if document is not None]
    theirs = [document for document in documents if document.get("kind") != "Kustomization"]
    theirs = [document for document in theirs if document.get("apiVersion") != "networking.k8s.io/v1"]
    print(json.dumps([complaint for document in theirs for complaint in complaints(known, document)]), flush=True)
