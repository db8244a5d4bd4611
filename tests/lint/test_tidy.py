"""clang-tidy finds nothing in the libraries and the commands (.clang-tidy says what it looks for)."""

import json
import os
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import SOURCE_DIR, TOOLS_DIR, main

BUILD_DIR = TOOLS_DIR.parent


def tidy(path: str) -> subprocess.CompletedProcess:
    return subprocess.run(["clang-tidy-14", "--quiet", "-p", BUILD_DIR, path], cwd=SOURCE_DIR, text=True,
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Tidy(unittest.TestCase):
    def test_clean(self):
        entries = json.loads((BUILD_DIR / "compile_commands.json").read_text())
        ours = sorted({entry["file"] for entry in entries if entry["file"].startswith(
            (f"{SOURCE_DIR}/libcommon/", f"{SOURCE_DIR}/tools/"))})
        self.assertTrue(ours)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for path, done in zip(ours, pool.map(tidy, ours)):
                with self.subTest(file=path):
                    if done.returncode != 0 or done.stdout:
                        self.fail(done.stdout or done.stderr)


if __name__ == "__main__":
    main()
