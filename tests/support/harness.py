"""What every test of a command needs: run it, and compare exit code, stdout and stderr, all three."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

SOURCE_DIR = Path(__file__).resolve().parents[2]
TOOLS_DIR = Path(os.environ.get("TOOLS_DIR", SOURCE_DIR / "build" / "bin"))
FIXTURES = SOURCE_DIR / "tests" / "fixtures"
SKIPPED = 77

# What a command advises after it has changed a file of PHP's depends on this host's PHP: expect() leaves
# it out. It has tests of its own.
ADVICE = re.compile(r"moodle-\w+: (no PHP serves pages on this host: .*|\S+ on this host (sees|does not see) "
                    r"the new .*|the other web servers keep the file in an OPcache .*)\n")


def tool(name: str) -> str:
    """The built command's path."""
    return str(TOOLS_DIR / name)


@dataclass
class Result:
    code: int
    out: str
    err: str


class CommandTest(unittest.TestCase):
    """A fresh folder per test (self.dir), and expect()."""

    maxDiff = None

    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="moodle-aws-toolkit-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def write(self, name: str, content) -> Path:
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_tool(self, *argv, stdin=None, env=None, timeout=60, cwd=None) -> Result:
        command = [tool(argv[0]), *map(str, argv[1:])]
        data = stdin.encode() if isinstance(stdin, str) else stdin
        source = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(command, capture_output=True, env={**os.environ, **(env or {})},
                              timeout=timeout, cwd=cwd or self.dir, check=False, **source)
        return Result(done.returncode, done.stdout.decode("utf-8", "backslashreplace"),
                      done.stderr.decode("utf-8", "backslashreplace"))

    def expect(self, *argv, code=0, out="", err="", **options) -> Result:
        """Runs and compares all three. `out` and `err` are the exact text, or a compiled pattern
        that has to match all of it. The test's own folder reads as DIR; ADVICE is left out."""
        result = self.run_tool(*argv, **options)
        seen_out = result.out.replace(str(self.dir), "DIR")
        seen_err = ADVICE.sub("", result.err).replace(str(self.dir), "DIR")
        with self.subTest(command=" ".join(map(str, argv))[:300]):
            self._same(seen_err, err, "stderr")
            self._same(seen_out, out, "stdout")
            self.assertEqual(result.code, code, f"exit code; stderr: {seen_err}")
        return result

    def _same(self, seen, wanted, what):
        if isinstance(wanted, re.Pattern):
            self.assertIsNotNone(wanted.fullmatch(seen), f"{what} is {seen!r}, wanted {wanted.pattern!r}")
        else:
            self.assertEqual(seen, wanted, what)


def facts(*lines: str) -> str:
    """A complete facts stream."""
    return "".join(f"{line}\n" for line in ("#facts 1", *lines, "#end"))


def main():
    """unittest.main(), except that a file whose every test was skipped tells ctest so."""
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    for test, reason in result.skipped:
        print(f"SKIPPED {test}: {reason}", file=sys.stderr)
    if not result.wasSuccessful():
        sys.exit(1)
    # A class that is skipped as a whole counts as one skipped and no test run.
    sys.exit(SKIPPED if result.skipped and len(result.skipped) >= result.testsRun else 0)
