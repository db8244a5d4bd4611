"""What Run Command does with a document: the service checks the parameters, the agent on the host puts
their values in place and runs the script. After the agent's source (github.com/aws/amazon-ssm-agent:
agent/framework/docparser and agent/plugins/runscript) and the user guide, "SSM document syntax"."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from harness import SOURCE_DIR, Result, tool

STACKS = SOURCE_DIR / "stacks"


class Refused(Exception):
    """The service or the agent does not run the document with these parameters."""


def names() -> list[str]:
    listed = subprocess.run([tool("moodle-stack"), "document", "--templates", STACKS], text=True,
                            capture_output=True, check=True).stdout
    return [line.split("\t")[0] for line in listed.splitlines()]


def load(name: str) -> dict:
    printed = subprocess.run([tool("moodle-stack"), "document", name, "--templates", STACKS], text=True,
                             capture_output=True, check=True).stdout
    return json.loads(printed)


def script(document: dict) -> str:
    """The file that the agent writes, before parameters are put in place."""
    return "\n".join(document["mainSteps"][0]["inputs"]["runCommand"]) + "\n"


def fits(pattern: str, value: str) -> bool:
    """As Go's regexp.MatchString: somewhere, but $ is the end of the text and nothing before it."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), value, re.ASCII) is not None


def values_of(document: dict, given: dict, enforce: bool) -> dict:
    declared = document["parameters"]
    unknown = given.keys() - declared.keys()
    if unknown:
        raise Refused(f"there is no parameter {sorted(unknown)}")
    values = {}
    for name, parameter in declared.items():
        if name not in given and "default" not in parameter:
            raise Refused(f"parameter {name} is missing")
        values[name] = given.get(name, parameter.get("default"))
        if enforce and not fits(parameter["allowedPattern"], values[name]):
            raise Refused(f"parameter {name} does not match the allowed pattern")
    return values


def pasted(text: str, values: dict) -> str:
    """ReplaceParameter(): all at once, so a value that holds {{ }} is not replaced again."""
    def value(match):
        return values[match[1]].replace("$$", "$")
    alternatives = "|".join(map(re.escape, values))
    return re.sub(rf"{{{{\s*({alternatives})\s*}}}}", value, text) if values else text


def run(document: dict, given: dict, *, environment: dict, old=False, enforce=True, timeout=120) -> Result:
    """Runs the script as the agent does: a file that sh -c executes, so that its #! line counts. `old`
    is an agent before 3.3.2746.0, which pastes and knows no variables. Without `enforce` nobody checks
    allowedPattern. `environment` is all that the agent itself has."""
    values = values_of(document, given, enforce)
    step, = document["mainSteps"]
    if step["precondition"] != {"StringEquals": ["platformType", "Linux"]}:
        raise Refused("the step is not for this platform")
    environment = {**environment, "AWS_SSM_INSTANCE_ID": "i-0123456789abcdef0",
                   "AWS_SSM_REGION_NAME": "us-east-1",
                   "SSM_COMMAND_ID": "11111111-2222-4333-8444-555555555555"}
    text = script(document)
    if old:
        text = pasted(text, values)
    else:
        for name, value in values.items():
            if document["parameters"][name].get("interpolationType") != "ENV_VAR":
                raise AssertionError(f"{name} would be pasted")
            environment[f"SSM_{name}"] = value
    with tempfile.TemporaryDirectory(prefix="ssm-") as folder:
        path = Path(folder) / "_script.sh"
        path.write_text(text)
        path.chmod(0o700)
        try:
            done = subprocess.run(["sh", "-c", path], cwd=folder, env=environment, capture_output=True,
                                  stdin=subprocess.DEVNULL, check=False,
                                  timeout=min(timeout, int(step["inputs"]["timeoutSeconds"])))
        except (OSError, ValueError) as error:  # too long for a variable, or a zero byte
            return Result(1, "", f"failed to run commands: {error}\n")
    return Result(done.returncode, done.stdout.decode("utf-8", "backslashreplace"),
                  done.stderr.decode("utf-8", "backslashreplace"))
