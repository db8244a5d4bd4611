"""What the built commands say about themselves in --help."""

import os
import re
import subprocess

from harness import tool

TOOLS = os.environ.get("TOOLS", "").split()


def help_text(name: str, *verb: str) -> str:
    done = subprocess.run([tool(name), *verb, "--help"], capture_output=True, text=True, timeout=60,
                          check=True, stdin=subprocess.DEVNULL)
    return done.stdout


def verbs(name: str) -> list[list[str]]:
    """What to put between the command and its options: each verb, or nothing for a command without."""
    _, heading, listed = help_text(name).partition("\nVerbs:\n")
    if not heading:
        return [[]]
    return [[verb] for verb in re.findall(r"^  ([a-z][a-z-]*) ", listed, re.MULTILINE)]


def long_options(name: str, *verb: str) -> set[str]:
    """The options as declared; those that a description only mentions do not count."""
    column = re.compile(r"^  (?:-\w \[ )?--([a-z0-9][a-z0-9-]*)", re.MULTILINE)
    return set(column.findall(help_text(name, *verb)))
