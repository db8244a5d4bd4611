"""clang-tidy finds nothing in the libraries and the commands (.clang-tidy says what it looks for). It takes
so long that ctest runs it in parts, side by side with other tests:

    test_tidy.py             all files
    test_tidy.py PART/PARTS  the files of one part, from 1 on"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness import SOURCE_DIR, TOOLS_DIR, main

BUILD_DIR = TOOLS_DIR.parent
PART, PARTS = map(int, sys.argv.pop(1).split("/")) if len(sys.argv) > 1 and "/" in sys.argv[1] else (1, 1)


def entries() -> list:
    """How our files are compiled, but without precompiled headers: those are g++'s, and hide what a file
    forgets to include."""
    found = []
    for entry in json.loads((BUILD_DIR / "compile_commands.json").read_text()):
        if entry["file"].startswith((f"{SOURCE_DIR}/libcommon/", f"{SOURCE_DIR}/tools/")):
            words = entry["command"].split(" ")
            for at in [at for at, word in enumerate(words) if word == "-include"]:
                words[at:at + 2] = ["", ""]
            found.append({**entry, "command": " ".join(word for word in words if word != "-Winvalid-pch")})
    return found


class Tidy(unittest.TestCase):
    def test_clean(self):
        commands = entries()
        ours = sorted({entry["file"] for entry in commands})[PART - 1::PARTS]
        self.assertTrue(ours)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "compile_commands.json").write_text(json.dumps(commands))
            for path in ours:
                with self.subTest(file=path):
                    done = subprocess.run(["clang-tidy-14", "--quiet", "-p", folder, path], cwd=SOURCE_DIR, text=True,
                                          check=False, capture_output=True)
                    if done.returncode != 0 or done.stdout:
                        self.fail(done.stdout or done.stderr)


if __name__ == "__main__":
    main()
