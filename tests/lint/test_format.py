"""All C++ is laid out as .clang-format says, all shell scripts as shfmt and shellcheck want them."""

import subprocess

from harness import SOURCE_DIR, CommandTest, main
from sources import cpp_files, shell_scripts


class Format(CommandTest):
    def clean(self, *command):
        done = subprocess.run([str(word) for word in command], cwd=SOURCE_DIR, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0 or done.stdout:
            self.fail(f"{command[0]} exited with {done.returncode}:\n{done.stdout}")

    def test_cpp(self):
        self.clean("clang-format-14", "--dry-run", "--Werror", *cpp_files())

    def test_shell_layout(self):
        self.clean("shfmt", "-i", "2", "-ci", "-d", *shell_scripts())

    def test_shell_faults(self):
        self.clean("shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *shell_scripts())

    def test_the_lists_hold_something(self):
        self.assertIn(SOURCE_DIR / "libcommon/cli/command.cpp", cpp_files())
        self.assertIn(SOURCE_DIR / "scripts/test.sh", shell_scripts())
        self.assertIn(SOURCE_DIR / ".ci/run", shell_scripts())


if __name__ == "__main__":
    main()
