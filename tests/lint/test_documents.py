"""The scripts in the documents of Systems Manager are laid out as shfmt wants them, and shellcheck finds
nothing in them, nor in the user data of instances."""

import re
import subprocess

import ssm_agent
from harness import SOURCE_DIR, CommandTest, main


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


class UserData(CommandTest):
    """As Fn::Sub gives it to EC2, which runs it where nobody looks on."""

    def test_faults(self):
        found = []
        for path in sorted((SOURCE_DIR / "stacks").glob("*.yaml")):
            for block, indent in re.findall(r"Fn::Base64: !Sub(?:\n +-)? \|\n(( +).*\n(?:\2.*\n|\n)+)", path.read_text()):
                text = re.sub(rf"(?m)^{indent}", "", block)
                text = re.sub(r"\$\{[A-Za-z][A-Za-z0-9:]*\}", "https://value", text).replace("${!", "${")
                found.append(self.write(f"{path.stem}.sh", text))
        self.assertEqual([path.stem for path in found], ["bastion", "web"])
        # SC2157: what CloudFormation puts in place of a name is a constant here.
        done = subprocess.run(["shellcheck", "--exclude=SC2157", *found], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    main()
