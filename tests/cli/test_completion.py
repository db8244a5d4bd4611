"""--completion bash: the script knows exactly the verbs and options of --help, and what fits as a value."""

import re
import subprocess

from harness import CommandTest, main
from interface import TOOLS, long_options, verbs

# Reads the script on stdin as a user's shell does, then completes the last word of the arguments as
# bash itself would. compopt works only inside a real completion: here it says what it was asked for.
COMPLETE = """
set -u
compopt() { printf 'compopt %s\\n' "$*"; }
eval "$(cat)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
registered=$(complete -p "$1")
[[ $registered == "complete -F "* ]] || exit 3
function=${registered#complete -F }
COMPREPLY=()
"${function% *}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Completion(CommandTest):
    def complete(self, *words) -> list[str]:
        script = self.script(words[0])
        done = subprocess.run(["bash", "--norc", "-c", COMPLETE, "complete", *words], input=script, text=True,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [line for line in done.stdout.splitlines() if line]

    def script(self, name) -> str:
        if name not in self.scripts:
            self.scripts[name] = self.expect(name, "--completion", "bash", out=re.compile("(.|\n)+")).out
        return self.scripts[name]

    def setUp(self):
        super().setUp()
        self.scripts = {}

    def test_options_are_those_of_help(self):
        for name in TOOLS:
            for verb in verbs(name):
                with self.subTest(command=name, verb=verb):
                    options = {f"--{option}" for option in long_options(name, *verb)}
                    self.assertGreater(len(options), 5)
                    self.assertEqual(set(self.complete(name, *verb, "--")), options)

    def test_verbs_are_those_of_help(self):
        for name in TOOLS:
            names = [verb[0] for verb in verbs(name) if verb]
            if names:
                with self.subTest(command=name):
                    self.assertEqual([word for word in self.complete(name, "") if word[0] != "-"], names)
                    self.assertEqual(self.complete(name, names[0][:-1]), [names[0]])

    def test_every_verb_prints_the_same(self):
        for name in TOOLS:
            for verb in filter(None, verbs(name)):
                self.expect(name, *verb, "--completion", "bash", out=self.script(name))
            self.expect(name, "--completion=bash", out=self.script(name))

    def test_values(self):
        self.assertEqual(self.complete("moodle-facts", "--format", ""), ["facts", "json", "shell"])
        self.assertEqual(self.complete("moodle-facts", "--format", "=", "s"), ["shell"])
        self.assertEqual(self.complete("moodle-facts", "--format", "="), ["facts", "json", "shell"])
        self.assertEqual(self.complete("moodle-muc", "set", "--app-cache-tls", "t"), ["true"])
        self.assertEqual(self.complete("moodle-muc", "show", "--completion", ""), ["bash"])
        self.assertEqual(self.complete("moodle-muc", "--completion", ""), ["bash"])

    def test_files_and_folders_are_left_to_the_shell(self):
        self.assertEqual(self.complete("moodle-muc", "set", "--config", ""), ["compopt -o default"])
        self.assertEqual(self.complete("moodle-muc", "set", "-f", "x"), ["compopt -o default"])
        self.assertEqual(self.complete("moodle-stack", "generate", "--output", ""), ["compopt -o dirnames"])
        self.assertEqual(self.complete("moodle-stack", "generate", "-o", "="), ["compopt -o dirnames"])
        self.assertEqual(self.complete("moodle-efs-seed", "grow", ""), ["compopt -o dirnames"])
        self.assertEqual(self.complete("moodle-facts", "x"), ["compopt -o default"])

    def test_a_value_that_nobody_can_guess_gets_no_proposal(self):
        self.assertEqual(self.complete("moodle-muc", "set", "--store", ""), [])
        self.assertEqual(self.complete("moodle-muc", "set", "--store", "--"), [])

    def test_an_unknown_verb_gets_no_proposal(self):
        self.assertEqual(self.complete("moodle-muc", "mow", "--"), [])

    def test_another_shell_is_refused(self):
        for words in (["--completion", "tcsh"], ["show", "--completion", "tcsh"]):
            self.expect("moodle-muc", *words, code=64,
                        err="moodle-muc: error: 'tcsh' is not a value for --completion: choose one of bash\n"
                            "moodle-muc: hint: 'moodle-muc --help' shows what it takes\n")


if __name__ == "__main__":
    main()
