#!/usr/bin/env python3
"""A stand-in for the AWS CLI, for what exists in AWS alone. It answers from the folder that $FAKE_AWS
names, and fails on every call, option and query that it does not know, as the real one does (252).

    secrets.json       {"ARN or name": "SecretString", ...}
    parameters.json    {"name": "value", ...}
    s3/BUCKET/KEY      objects
    faults.json        {"ssm get-parameter": [254, "An error occurred (...) ..."], ...}: calls that fail
    calls.jsonl        is written: the arguments of every call, a JSON list a line
    log-events.jsonl   is written: what put-log-events got, an event a line

One function a call, registered with @call: it gets the options by name and the positional arguments,
and returns a document for --query and --output, or None for a call that prints nothing."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

SYNTAX, SERVICE, GENERAL = 252, 254, 255  # the AWS CLI's exit codes, version 2
COMMON = {"--region": True, "--query": True, "--output": True, "--cli-connect-timeout": True,
          "--cli-read-timeout": True, "--no-cli-pager": False}
CALLS = {}


class Failure(Exception):
    """The call ends with this exit code, and this on stderr."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def call(service, operation, options=None, positional=0):
    """Registers a call: its own options (name: whether it has a value) and how many positionals it has."""
    def register(function):
        CALLS[service, operation] = function, {**COMMON, **(options or {})}, positional
        return function
    return register


def folder() -> Path:
    return Path(os.environ["FAKE_AWS"])


def data(name: str) -> dict:
    path = folder() / name
    return json.loads(path.read_text()) if path.exists() else {}


def service_error(operation, code, text):
    return Failure(SERVICE, f"\nAn error occurred ({code}) when calling the {operation} operation: {text}")


@call("secretsmanager", "get-secret-value", {"--secret-id": True})
def get_secret_value(options, _):
    name = options["--secret-id"]
    secrets = data("secrets.json")
    if name not in secrets:
        raise service_error("GetSecretValue", "ResourceNotFoundException",
                            "Secrets Manager can't find the specified secret.")
    return {"ARN": name, "Name": name.rpartition(":")[2], "SecretString": secrets[name],
            "VersionStages": ["AWSCURRENT"]}


@call("ssm", "get-parameter", {"--name": True})
def get_parameter(options, _):
    name = options["--name"]
    parameters = data("parameters.json")
    if name not in parameters:
        raise service_error("GetParameter", "ParameterNotFound", "")
    return {"Parameter": {"Name": name, "Type": "String", "Value": parameters[name], "Version": 1}}


@call("s3", "cp", {"--only-show-errors": False, "--no-progress": False}, positional=2)
def s3_copy(_, positional):
    source, target = positional
    if not source.startswith("s3://") or target.startswith("s3://"):
        raise Failure(SYNTAX, "aws: error: this stand-in only copies from s3:// to a file")
    path = folder() / "s3" / source.removeprefix("s3://")
    if not path.is_file():
        raise Failure(1, "fatal error: An error occurred (404) when calling the HeadObject operation: "
                         f"Key \"{source.split('/', 3)[3]}\" does not exist")
    shutil.copyfile(path, target)


@call("logs", "create-log-stream", {"--log-group-name": True, "--log-stream-name": True})
def create_log_stream(*_):
    return None


@call("logs", "put-log-events", {"--log-group-name": True, "--log-stream-name": True, "--log-events": True})
def put_log_events(options, _):
    text = options["--log-events"]
    events = json.loads(Path(text.removeprefix("file://")).read_text() if text.startswith("file://") else text)
    times = [event["timestamp"] for event in events]
    if not events or times != sorted(times) or not all(event["message"] for event in events):
        raise service_error("PutLogEvents", "InvalidParameterException", "Log events in a single PutLogEvents "
                            "request must be in chronological order and not empty.")
    with open(folder() / "log-events.jsonl", "a", encoding="utf-8") as log:
        log.writelines(json.dumps(event) + "\n" for event in events)
    return {"nextSequenceToken": "1"}


def parse(words, known, wanted):
    """Splits the words behind the call into options and positionals, and refuses what is not known."""
    options, positional = {}, []
    words = iter(words)
    for word in words:
        if not word.startswith("--"):
            positional.append(word)
            continue
        name, equals, value = word.partition("=")
        if name not in known:
            raise Failure(SYNTAX, f"aws: error: Unknown options: {word}")
        if known[name] and not equals:
            value = next(words, None)
            if value is None:
                raise Failure(SYNTAX, f"aws: error: argument {name}: expected one argument")
        options[name] = value if known[name] else True
    if len(positional) != wanted:
        raise Failure(SYNTAX, f"aws: error: Unknown options: {' '.join(positional)}")
    return options, positional


def select(document, query):
    """JMESPath, of which only NAME.NAME is known here."""
    if not re.fullmatch(r"\w+(\.\w+)*", query):
        raise Failure(SYNTAX, f"aws: error: argument --query: this stand-in does not know {query}")
    for name in query.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def show(document, output):
    if output == "json":
        return json.dumps(document, indent=4)
    if output == "text" and not isinstance(document, (dict, list)):
        return "None" if document is None else str(document)
    raise Failure(SYNTAX, f"aws: error: this stand-in cannot show this as {output}")


def run(arguments):
    with open(folder() / "calls.jsonl", "a", encoding="utf-8") as calls:
        calls.write(json.dumps(arguments) + "\n")
    words = list(arguments)
    leading = []
    while words and words[0].startswith("--"):  # global options may stand before the call
        leading += words[:2] if COMMON.get(words[0]) else words[:1]
        del words[:2 if COMMON.get(words[0]) else 1]
    found = CALLS.get(tuple(words[:2]))
    if not found:
        raise Failure(SYNTAX, f"aws: error: this stand-in does not know: {' '.join(words[:2])}")
    function, known, wanted = found
    options, positional = parse(leading + words[2:], known, wanted)
    missing = [name for name in ("--secret-id", "--name") if name in known and name not in options]
    if missing:
        raise Failure(SYNTAX, f"aws: error: the following arguments are required: {', '.join(missing)}")
    fault = data("faults.json").get(" ".join(words[:2]))
    if fault:
        raise Failure(*fault)
    document = function(options, positional)
    if document is not None:
        if "--query" in options:
            document = select(document, options["--query"])
        print(show(document, options.get("--output", "json")))


def main():
    try:
        run(sys.argv[1:])
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
