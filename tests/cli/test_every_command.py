"""What every command and every verb keeps, whatever it does (see the README: streams, exit codes)."""

import os
import re
import subprocess

from harness import CommandTest, main, tool
from interface import TOOLS, long_options, verbs

OK, USAGE, DATA, IO = 0, 64, 65, 74


def every_verb():
    return [(name, verb) for name in TOOLS for verb in verbs(name)]


def version_line(name):
    return re.compile(rf"{name} \(moodle-aws-toolkit\) \d+\.\d+\.\d+\n")


class EveryCommand(CommandTest):
    def setUp(self):
        super().setUp()
        self.assertTrue(TOOLS, "TOOLS names the commands to test")

    def error(self, name, text):
        """One error of the command, perhaps with hints, and nothing else on stderr."""
        return re.compile(rf"{name}: error: {text}[^\n]*\n({name}: hint: [^\n]+\n)*")

    def test_help(self):
        for name in TOOLS:
            for option in ("--help", "-h"):
                self.expect(name, option, out=re.compile(rf"Usage: {name} (.|\n)+\n"))
        for name, verb in every_verb():
            usage = re.escape(" ".join(["Usage:", name, *verb]))
            result = self.expect(name, *verb, "--help", out=re.compile(rf"{usage} \[OPTION\](.|\n)+\n"))
            for line in result.out.splitlines():
                self.assertLessEqual(len(line), 100, line)
            self.assertLessEqual({"facts", "quiet", "verbose", "help", "version"},
                                 long_options(name, *verb))

    def test_version(self):
        for name in TOOLS:
            self.expect(name, "-V", out=version_line(name))
            self.expect(name, "--version", out=version_line(name))
        for name, verb in every_verb():
            self.expect(name, *verb, "--version", out=version_line(name))

    def test_no_verb_and_wrong_verb(self):
        for name in {name for name, verb in every_verb() if verb}:
            self.expect(name, code=USAGE, err=self.error(name, "a verb is missing"))
            self.expect(name, "no-such-verb", code=USAGE,
                        err=self.error(name, "unknown verb 'no-such-verb'"))

    def test_unknown_option(self):
        for name, verb in every_verb():
            self.expect(name, *verb, "--no-such-option", code=USAGE,
                        err=self.error(name, "unknown option '--no-such-option'"))

    def test_abbreviated_option(self):
        for name, verb in every_verb():
            options = long_options(name, *verb)
            for option in sorted(options):
                short = option[:-1]
                if len(short) < 2 or short in options:
                    continue
                self.expect(name, *verb, f"--{short}", code=USAGE, err=self.error(name, "unknown option"))

    def test_stray_argument(self):
        for name, verb in every_verb():
            usage = self.expect(name, *verb, "--help", out=re.compile(r"(.|\n)+")).out.splitlines()[0]
            if not usage.endswith("[OPTION]..."):
                continue  # it takes arguments
            self.expect(name, *verb, "stray", code=USAGE, err=self.error(name, "unexpected argument 'stray'"))

    def test_control_characters_do_not_reach_the_terminal(self):
        for name, verb in every_verb():
            self.expect(name, *verb, "--\x1b[31mred\n", code=USAGE, err=self.error(name, r"unknown option"))

    def stdout_to(self, command, **options):
        return subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False, cwd=self.dir, **options)

    def test_full_stdout(self):
        for name, verb in every_verb():
            with self.subTest(command=name, verb=verb), open("/dev/full", "wb") as full:
                done = self.stdout_to([tool(name), *verb, "--help"], stdout=full)
                self.assertEqual((done.returncode, done.stderr),
                                 (IO, f"{name}: error: cannot write to standard output: "
                                      "No space left on device\n"))

    def test_closed_stdout(self):
        for name, verb in every_verb():
            with self.subTest(command=name, verb=verb):
                done = self.stdout_to(["sh", "-c", 'exec "$@" >&-', "sh", tool(name), *verb, "--help"])
                self.assertEqual((done.returncode, done.stderr),
                                 (IO, f"{name}: error: cannot write to standard output: it is closed\n"))

    def test_broken_pipe_is_quiet(self):
        for name, verb in every_verb():
            with self.subTest(command=name, verb=verb):
                read_end, write_end = os.pipe()
                os.close(read_end)
                try:
                    done = self.stdout_to([tool(name), *verb, "--help"], stdout=write_end)
                finally:
                    os.close(write_end)
                self.assertEqual((done.returncode, done.stderr), (-13, ""))

    def test_closed_stdin_does_not_hang(self):
        for name, verb in every_verb():
            for redirection in ("<&-", "</dev/null"):
                with self.subTest(command=name, verb=verb, stdin=redirection):
                    done = self.stdout_to(["sh", "-c", f'exec "$@" {redirection}', "sh", tool(name), *verb],
                                          stdout=subprocess.DEVNULL)
                    self.assertGreaterEqual(done.returncode, 0, "ended by a signal")

    def test_open_stdin_is_left_alone(self):
        """A command that nobody gave '-' never waits for its standard input (ssh, service managers)."""
        for name, verb in every_verb():
            with self.subTest(command=name, verb=verb):
                read_end, write_end = os.pipe()  # stays open and silent
                try:
                    done = subprocess.run([tool(name), *verb], stdin=read_end, capture_output=True,
                                          timeout=60, check=False, cwd=self.dir)
                finally:
                    os.close(read_end)
                    os.close(write_end)
                self.assertGreaterEqual(done.returncode, 0, "ended by a signal")

    def test_facts_that_stopped_early(self):
        before = sorted(self.dir.iterdir())
        for name, verb in every_verb():
            for stream in ("", "#facts 1\n", "#facts 1\nalb-ip=10.0.1.15\n"):
                self.expect(name, *verb, "--facts", "-", stdin=stream, code=DATA,
                            err=re.compile(rf"{name}: error: (.|\n)*stopped early(.|\n)*"))
        self.assertEqual(sorted(self.dir.iterdir()), before)

    def test_standard_input_is_read_once(self):
        for name, verb, option in (("moodle-discover", (), "password-file"), ("moodle-lastip", (), "access-log"),
                                   ("moodle-muc", ("set",), "password-file"), ("moodle-session", ("set",), "password-file")):
            self.expect(name, *verb, "-f", "-", f"--{option}", "-", stdin="#facts 1\n#end\n", code=USAGE,
                        err=self.error(name, f"standard input can be read only once, but --({option} and --facts|facts and "
                                             f"--{option}) both name it"))

    def test_facts_that_are_no_facts(self):
        for name, verb in every_verb():
            self.expect(name, *verb, "--facts", "-", stdin="#facts 1\nNot A Fact\n#end\n", code=DATA,
                        err=self.error(name, ".*line 2"))

    def test_facts_file_that_is_not_there(self):
        for name, verb in every_verb():
            self.expect(name, *verb, "--facts", self.dir / "absent", code=66,
                        err=self.error(name, ".*DIR/absent: No such file or directory"))


if __name__ == "__main__":
    main()
