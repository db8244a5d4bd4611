"""clang-tidy finds nothing in the libraries and the commands (.clang-tidy says what it looks for)."""

import json
import os
import subprocess
import unittest

from harness import SOURCE_DIR, TOOLS_DIR, main

BUILD_DIR = TOOLS_DIR.parent


class Tidy(unittest.TestCase):
    def test_clean(self):
        entries = json.loads((BUILD_DIR / "compile_commands.json").read_text())
        ours = [entry["file"] for entry in entries
                if entry["file"].startswith((f"{SOURCE_DIR}/libcommon/", f"{SOURCE_DIR}/tools/"))]
        self.assertTrue(ours)
        done = subprocess.run(["run-clang-tidy-14", "-quiet", "-p", BUILD_DIR, f"-j{os.cpu_count()}",
                               *(f"^{path}$" for path in ours)],
                              cwd=SOURCE_DIR, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        faults = [line for line in done.stdout.splitlines() if "error:" in line or "warning:" in line]
        self.assertEqual((faults, done.returncode), ([], 0), done.stdout[-20000:])


if __name__ == "__main__":
    main()
