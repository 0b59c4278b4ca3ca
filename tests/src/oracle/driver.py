"""Asks network-config-analyzer many questions in one process, since starting it costs more than most answers.

Called with a folder and the numbers of questions: question N is N-policies.json and N-cluster.json in that folder.
Prints one JSON object a question, in that order: what the program printed, what it complained of, and its exit code.
"""

import contextlib
import io
import json
import os
import sys

from nca.nca_cli import nca_main

FORMAT = ["--output_format", "txt_no_fw_rules", "--output_endpoints", "pods", "--print_ipv6"]


def ask(folder, number):
    policies = os.path.join(folder, number + "-policies.json")
    cluster = os.path.join(folder, number + "-cluster.json")
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = nca_main(["--connectivity", policies, "--ns_list", cluster, "--pod_list", cluster] + FORMAT)
    return {"output": output.getvalue(), "errors": errors.getvalue(), "code": code}


if __name__ == "__main__":
    for question in sys.argv[2:]:
        print(json.dumps(ask(sys.argv[1], question)), flush=True)
