"""The stand-in for the AWS CLI (fake_aws.py), with a stack, a fleet of web servers, and Run Command,
which runs the real documents by ssm_agent.py. A script makes many calls, so they are answered by the
test's own process (serve()). Beside what fake_aws.py keeps, $FAKE_AWS holds

    stacks.json      what describe-stacks prints; update-stack changes it
    interfaces.json  what describe-network-interfaces prints
    updates.json     {"PARAMETER=VALUE": {"OutputKey": "value", ...}}: what such an update adds to the outputs
    fleet.json       {"group": NAME, "servers": {ID: {"environment": {...}, "files": {PATH: PATH}}}}: what
                     each server's agent has in its environment, and where its files really are; "coming":
                     the servers that do not serve pages yet, each time one less
    commands/ID      is written: what a command did on each server"""

import contextlib
import functools
import io
import json
import os
import socketserver
import threading
from pathlib import Path

import fake_aws
import jmespath
import ssm_agent
from fake_aws import SYNTAX, Failure, call, data, folder, service_error

PREFIX = "Moodle-SsmDocuments-1A2B3C4D5E6F-"
TARGETS = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/Moodl-Targe-1A2B/0123456789abcdef"


def keep(name: str, document):
    path = folder() / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


def required(options, *names):
    missing = [name for name in names if name not in options]
    if missing:
        raise Failure(SYNTAX, f"aws: error: the following arguments are required: {', '.join(missing)}")


def the_stack(options, operation):
    required(options, "--stack-name")
    stacks = data("stacks.json")
    stack, = stacks["Stacks"]
    if stack["StackName"] != options["--stack-name"]:
        raise service_error(operation, "ValidationError",
                            f"Stack with id {options['--stack-name']} does not exist")
    return stacks, stack


@call("cloudformation", "describe-stacks", {"--stack-name": True})
def describe_stacks(options, _):
    stacks, stack = the_stack(options, "DescribeStacks")
    shown = json.loads(json.dumps(stacks))
    if stack["StackStatus"] == "UPDATE_IN_PROGRESS":  # the next one sees the end
        stack["StackStatus"] = data("updates.json").get("ends", "UPDATE_COMPLETE")
        keep("stacks.json", stacks)
    return shown


@call("cloudformation", "update-stack", {"--stack-name": True, "--use-previous-template": False,
                                         "--capabilities": "+", "--parameters": "+"})
def update_stack(options, _):
    stacks, stack = the_stack(options, "UpdateStack")
    required(options, "--use-previous-template", "--capabilities", "--parameters")
    if options["--capabilities"] != stack["Capabilities"]:
        raise service_error("UpdateStack", "InsufficientCapabilitiesException", "Requires capabilities")
    there = {parameter["ParameterKey"]: parameter for parameter in stack["Parameters"]}
    changes = {}
    given = [dict(part.split("=", 1) for part in word.split(",")) for word in options["--parameters"]]
    if [entry["ParameterKey"] for entry in given] != sorted(there):
        raise service_error("UpdateStack", "ValidationError", "Parameters: [...] must have values")
    for entry in given:
        if entry.get("UsePreviousValue") != "true":
            changes[entry["ParameterKey"]] = entry["ParameterValue"]
    if all(there[key]["ParameterValue"] == value for key, value in changes.items()):
        raise service_error("UpdateStack", "ValidationError", "No updates are to be performed.")
    for key, value in changes.items():
        there[key]["ParameterValue"] = value
        for output, text in data("updates.json").get(f"{key}={value}", {}).items():
            stack["Outputs"].append({"OutputKey": output, "OutputValue": text})
    stack["StackStatus"] = "UPDATE_IN_PROGRESS"
    keep("stacks.json", stacks)
    return {"StackId": stack["StackId"]}


@call("ec2", "describe-network-interfaces")
def describe_network_interfaces(_options, _positional):
    return data("interfaces.json")


@call("autoscaling", "describe-auto-scaling-groups", {"--auto-scaling-group-names": "+"})
def describe_auto_scaling_groups(options, _):
    required(options, "--auto-scaling-group-names")
    fleet = data("fleet.json")
    if options["--auto-scaling-group-names"] != [fleet["group"]]:
        return {"AutoScalingGroups": []}
    servers = [{"InstanceId": server, "LifecycleState": "InService"} for server in fleet["servers"]]
    servers.append({"InstanceId": "i-0aaaaaaaaaaaaaaaa", "LifecycleState": "Terminating"})
    return {"AutoScalingGroups": [{"AutoScalingGroupName": fleet["group"], "Instances": servers,
                                   "TargetGroupARNs": [TARGETS]}]}


@call("elbv2", "describe-target-health", {"--target-group-arn": True})
def describe_target_health(options, _):
    """Each time one of those that are coming up is done."""
    if options.get("--target-group-arn") != TARGETS:
        raise service_error("DescribeTargetHealth", "TargetGroupNotFound", "One or more target groups not found")
    fleet = data("fleet.json")
    coming = fleet.get("coming", [])
    if coming:
        keep("fleet.json", {**fleet, "coming": coming[1:]})
    return {"TargetHealthDescriptions": [
        {"Target": {"Id": server, "Port": 80}, "TargetHealth": {"State": "initial" if server in coming else "healthy"}}
        for server in (*fleet["servers"], "i-0aaaaaaaaaaaaaaaa")]}


document_names = functools.cache(ssm_agent.names)
load_document = functools.cache(ssm_agent.load)


def on_server(server: dict, document: dict, given: dict):
    """Runs a document; what a path of a parameter means on that server is found in its files."""
    values = {name: parameter["default"] for name, parameter in document["parameters"].items()} | given
    real = {name: server["files"].get(value, value) for name, value in values.items()}
    try:
        done = ssm_agent.run(document, real, environment=server["environment"])
    except ssm_agent.Refused as refused:
        return {"Status": "Failed", "ResponseCode": 1, "out": "", "err": f"{refused}\n"}
    # The agent takes 137 for its own kill after the time is over.
    status = {0: "Success", 137: "TimedOut"}.get(done.code, "Failed")
    return {"Status": status, "ResponseCode": done.code, "out": done.out,
            "err": done.err}


@call("ssm", "send-command", {"--document-name": True, "--instance-ids": "+", "--parameters": True,
                              "--max-concurrency": True, "--max-errors": True, "--timeout-seconds": True})
def send_command(options, _):
    required(options, "--document-name", "--instance-ids", "--parameters")
    name = options["--document-name"].removeprefix(PREFIX)
    if name == options["--document-name"] or name not in document_names():
        raise service_error("SendCommand", "InvalidDocument", f"document {name} does not exist")
    document = load_document(name)
    given = {}
    for parameter, values in json.loads(options["--parameters"]).items():
        given[parameter], = values
    servers = data("fleet.json")["servers"]
    if not servers.keys() >= set(options["--instance-ids"]):
        raise service_error("SendCommand", "InvalidInstanceId", "Instances not in a valid state for account")
    identity = f"{len(list((folder() / 'commands').glob('*'))):08}-0000-4000-8000-000000000000"
    if options["--max-errors"] != "0" or int(options["--max-concurrency"]) < len(options["--instance-ids"]):
        raise Failure(SYNTAX, "aws: error: this stand-in only knows one batch that stops at the first error")
    keep(f"commands/{identity}", {server: on_server(servers[server], document, given)
                                  for server in options["--instance-ids"]})
    return {"Command": {"CommandId": identity, "Status": "Pending"}}


def command(options, operation):
    required(options, "--command-id")
    done = data(f"commands/{options['--command-id']}")
    if not done:
        raise service_error(operation, "InvocationDoesNotExist", "")
    return done


@call("ssm", "list-command-invocations", {"--command-id": True})
def list_command_invocations(options, _):
    """The first answer is that all of them are still running."""
    done = command(options, "ListCommandInvocations")
    seen = folder() / "commands" / f"{options['--command-id']}.seen"
    first = not seen.exists()
    seen.touch()
    hangs = data("fleet.json").get("hangs")
    return {"CommandInvocations": [
        {"CommandId": options["--command-id"], "InstanceId": server,
         "Status": "InProgress" if first or hangs else answer["Status"]} for server, answer in done.items()]}


@call("ssm", "get-command-invocation", {"--command-id": True, "--instance-id": True})
def get_command_invocation(options, _):
    required(options, "--instance-id")
    answer = command(options, "GetCommandInvocation").get(options["--instance-id"])
    if not answer:
        raise service_error("GetCommandInvocation", "InvocationDoesNotExist", "")
    return {"CommandId": options["--command-id"], "InstanceId": options["--instance-id"],
            "Status": answer["Status"], "ResponseCode": answer["ResponseCode"],
            "StandardOutputContent": answer["out"][:24000], "StandardErrorContent": answer["err"][:8000]}


@call("ssm", "cancel-command", {"--command-id": True})
def cancel_command(options, _):
    command(options, "CancelCommand")


def parse_lists(words, known, wanted):
    """As fake_aws.parse(), for options that take several values ("+")."""
    plain, lists = [], {}
    words = list(words)
    while words:
        word = words.pop(0)
        if known.get(word) == "+":
            lists[word] = []
            while words and not words[0].startswith("--"):
                lists[word].append(words.pop(0))
            if not lists[word]:
                raise Failure(SYNTAX, f"aws: error: argument {word}: expected at least one argument")
        else:
            plain.append(word)
            if known.get(word) is True and words:
                plain.append(words.pop(0))
    options, positional = parse_plain(plain, known, wanted)
    return options | lists, positional


def show(document, output):
    """As the AWS CLI shows text: a list's scalars on one line, its lists on a line each."""
    if output != "text" or not isinstance(document, list):
        return show_plain(document, output)
    def word(value):
        return "None" if value is None else str(value)
    if any(isinstance(item, list) for item in document):
        return "\n".join("\t".join(map(word, item)) for item in document)
    return "\t".join(map(word, document))


def select(document, query):
    return jmespath.search(query, document)  # the AWS CLI's own


parse_plain, show_plain = fake_aws.parse, fake_aws.show
fake_aws.parse, fake_aws.show, fake_aws.select = parse_lists, show, select

# Sends its arguments, and says and ends as it is told: a number, then what is for stdout and for stderr,
# each with a zero byte behind it.
CLIENT = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/%d || exit 255
printf '%%s\\0' "$#" "$@" >&3
{ IFS= read -r -d '' code && IFS= read -r -d '' out && IFS= read -r -d '' err; } <&3 || exit 255
printf '%%s' "$out"
printf '%%s' "$err" >&2
exit "$code"
"""


class Answer(socketserver.StreamRequestHandler):
    def word(self) -> str:
        return b"".join(iter(lambda: self.rfile.read(1), b"\0")).decode()

    def handle(self):
        words = [self.word() for _ in range(int(self.word()))]
        out, err, code = io.StringIO(), io.StringIO(), 0
        try:
            with contextlib.redirect_stdout(out):
                fake_aws.run(words)
        except Failure as failure:
            print(failure, file=err)
            code = failure.code
        self.wfile.write(f"{code}\0{out.getvalue()}\0{err.getvalue()}\0".encode())


def serve(test, data_folder: Path, command: Path):
    """Answers, from `data_folder`, the calls of a `command` that it writes, until the test ends. One
    call at a time, and the test does not print meanwhile."""
    os.environ["FAKE_AWS"] = str(data_folder)
    server = socketserver.TCPServer(("127.0.0.1", 0), Answer)
    test.addCleanup(server.server_close)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    test.addCleanup(thread.join)
    test.addCleanup(server.shutdown)
    command.write_text(CLIENT % server.server_address[1])
    command.chmod(0o755)
