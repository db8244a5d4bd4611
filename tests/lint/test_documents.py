"""The scripts in the documents of Systems Manager are laid out as shfmt wants them, and shellcheck finds
nothing in them."""

import subprocess

import ssm_agent
from harness import CommandTest, main


class Documents(CommandTest):
    def setUp(self):
        super().setUp()
        self.scripts = [self.write(f"{name}.sh", ssm_agent.script(ssm_agent.load(name)))
                        for name in ssm_agent.names()]
        self.assertGreaterEqual(len(self.scripts), 5)

    def clean(self, *command):
        done = subprocess.run([*map(str, command), *map(str, self.scripts)], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_layout(self):
        self.clean("shfmt", "-i", "2", "-ci", "-d")

    def test_faults(self):
        self.clean("shellcheck")

    def test_they_end_at_the_first_failure(self):
        for path in self.scripts:
            lines = path.read_text().splitlines()
            self.assertEqual(lines[0], "#!/bin/bash")
            self.assertIn("set -euo pipefail", lines)


if __name__ == "__main__":
    main()
