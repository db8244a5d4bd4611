"""scripts/quickstart.sh, the main job end to end: the first pass changes all three things, the second
pass none."""

import os
import re
import subprocess

from harness import SOURCE_DIR, TOOLS_DIR, CommandTest, main

RESULTS = re.compile(r"^(lastip|muc|session)-result=(\w+)$", re.MULTILINE)


class Quickstart(CommandTest):
    def test_both_passes(self):
        environment = {**os.environ, "BUILD_DIR": str(TOOLS_DIR.parent), "TMPDIR": str(self.dir)}
        environment.pop("MOODLE_DIRROOT", None)
        self.dir.chmod(0o711)
        done = subprocess.run([SOURCE_DIR / "scripts" / "quickstart.sh"], env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=500, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        names = ("lastip", "muc", "session")
        self.assertEqual(RESULTS.findall(done.stdout),
                         [(name, "changed") for name in names] + [(name, "unchanged") for name in names])
        self.assertEqual(list(self.dir.iterdir()), [], "it leaves nothing behind")


if __name__ == "__main__":
    main()
