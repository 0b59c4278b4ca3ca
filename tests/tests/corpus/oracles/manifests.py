"""Reads YAML files with PyYAML, and has kubernetes-validate judge what is Kubernetes' own.

Paths come on stdin, one a line. For each, one JSON object is printed: "documents" is what PyYAML read, "complaints" what
kubernetes-validate has against it. What JSON cannot say (a time, a key that is no text) is written so that it cannot pass
for the text it was made of.
"""

import json
import sys

import kubernetes_validate
import yaml

VERSION = "1.33"


def plain(value):
    """Only texts, numbers, booleans and nulls; whatever else YAML 1.1 finds is marked."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else "not a text: %r" % (key,): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return "not JSON: %r" % (value,)


def complaints(document):
    group = str(document.get("apiVersion", "")).partition("/")[0]
    if "." in group and not group.endswith(".k8s.io") or group == "kustomize.config.k8s.io":
        return []
    if group == "policy.networking.k8s.io":
        return []
    try:
        kubernetes_validate.validate(document, VERSION, strict=True)
    except Exception as error:  # whatever it is, the manifest did not pass
        return [getattr(error, "message", None) or repr(error)]
    return []


for line in sys.stdin:
    with open(line.rstrip("\n"), encoding="utf-8") as file:
        documents = [document for document in yaml.safe_load_all(file) if document is not None]
    found = [complaint for document in documents for complaint in complaints(document)]
    print(json.dumps({"documents": plain(documents), "complaints": found}), flush=True)
