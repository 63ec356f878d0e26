"""What schemathesis is told of the server that it asks: names that exist, in most of the questions that are to be taken."""

import json
import random

import schemathesis
from schemathesis import GenerationMode

with open("known.json", encoding="utf-8") as file:
    KNOWN = json.load(file)

# What is in a path or a question. A revision is known, and so is where the record ends; all the rest comes from the one
# delivery that was made.
PATH = {
    "project": ["shop"],
    "number": [1],
    "question": [KNOWN["revision"], KNOWN["revision"][:7]],
    "name": ["test"],
    "revision": [KNOWN["revision"]],
    "digest": [KNOWN["digest"]],
}
QUERY = {"work": KNOWN["work"], "from": [0, 3]}


@schemathesis.hook
def before_call(context, case, **kwargs):
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    # The same case is always asked in the same way.
    chance = random.Random(case.id)
    path = dict(PATH)
    if "/releases/" in case.path:
        path["name"] = ["1"]
    for container, known in ((case.path_parameters, path), (case.query, QUERY)):
        for name, values in known.items():
            if container and name in container and chance.random() < 0.8:
                container[name] = chance.choice(values)
    # Nobody waits for what will not come: it is two seconds each time, and one test of ours does.
    if case.query and str(case.query.get("wait-for", "")).isdigit():
        case.query["wait-for"] = int(case.query["wait-for"]) % (KNOWN["seq"] + 1)
    if isinstance(case.body, (dict, list)):
        case.body = whole(case.body)
    if isinstance(case.body, dict):
        # Nothing outside of this machine is asked for its commits.
        if case.operation.label == "POST /api/v1/projects":
            case.body.pop("git", None)
        if "environment" in case.body and chance.random() < 0.8:
            case.body["environment"] = "test"


def whole(value):
    """A JSON schema takes 1.0 for a whole number; this server takes 1 alone, as most writers of JSON do."""
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
