"""moodle-check: what it prints in its three formats, and how it ends, for a site without servers."""

import json
import os
import pty
import re
import subprocess
import xml.etree.ElementTree as xml

from harness import facts, main, tool
from site_folder import SiteTest

NO_DATABASE = re.compile(r"error    database-reachable +the database cannot be asked: .*")


class Check(SiteTest):
    def setUp(self):
        super().setUp()
        self.options = ("--config", self.config, "--etc", self.dir, "--timeout", "2")
        for store in ("file", "session", "static"):
            self.write(f"site/cache/stores/{store}/lib.php", "<?php\n")

    def lines(self, *options, code=1, **more):
        result = self.run_tool("moodle-check", *self.options, *options, **more)
        self.assertEqual((result.code, result.err), (code, ""))
        return result.out.replace(str(self.dir), "DIR").splitlines()

    def test_text(self):
        """Most severe first; a line for what and one for why; then what could not be found out."""
        lines = self.lines()
        self.assertRegex(lines[0], NO_DATABASE)
        self.assertEqual(lines[1], f"{'':31}no page works without it (Moodle 4.5 lib/setup.php)")
        names = [line.split()[:2] for line in lines if not line.startswith(" ")]
        self.assertEqual(names[1], ["note", "caches-mapped"])
        self.assertIn(["unknown", "installation-finished"], names)
        self.assertEqual([severity for severity, _ in names[:-1]], ["error", "note"] + ["unknown"] * (len(names) - 3))
        self.assertRegex(lines[-1], r"^1 error, 0 warnings, 1 note in \d+ of \d+ checks; \d+ could not be made$")
        self.assertFalse(any(line.startswith("- ") for line in lines))
        self.assertTrue(any(re.match(r"-  +efs-mount +dataroot is not on EFS$", line) for line in self.lines("-v")))

    def test_on_a_terminal(self):
        """Coloured, and no wider than it is."""
        def shown(**environment):
            leader, follower = pty.openpty()
            subprocess.run(["stty", "cols", "60"], stdin=follower, check=True)
            with open(leader, "rb", 0) as screen:
                process = subprocess.Popen([tool("moodle-check"), *map(str, self.options)], stdout=follower,
                                           env={**os.environ, "TERM": "xterm", **environment})
                os.close(follower)
                text = b""
                try:
                    while data := screen.read(65536):
                        text += data
                except OSError:
                    pass  # the end of a terminal
                self.assertEqual(process.wait(60), 1)
            return text.decode()

        text = shown()
        self.assertIn("\x1b[1;31merror    \x1b[0mdatabase-reachable", text)
        plain = shown(NO_COLOR="1")
        self.assertNotIn("\x1b", plain)
        self.assertEqual(re.sub(r"\x1b\[[\d;]*m", "", text), plain)
        long_words = [line for line in plain.splitlines()[:-1] if len(line) > 60 and len(line.split()) > 3]
        self.assertEqual(long_words, [])

    def test_json(self):
        report = json.loads("\n".join(self.lines("--format", "json")))
        self.assertEqual([*report], ["format", "config", "moodle", "errors", "warnings", "notes", "not_possible", "checks"])
        self.assertEqual((report["format"], report["config"], report["moodle"]), (1, "DIR/site/config.php", "4.1.10"))
        self.assertEqual((report["errors"], report["warnings"], report["notes"]), (1, 0, 1))
        checks = {check["name"]: check for check in report["checks"]}
        self.assertEqual(checks["efs-mount"], {"name": "efs-mount", "group": "efs", "state": "not-applicable",
                                               "reason": "dataroot is not on EFS", "findings": []})
        finding, = checks["caches-mapped"]["findings"]
        self.assertEqual([*finding], ["severity", "object", "what", "why", "source", "mend"])
        self.assertEqual(finding["what"], "are in the store 'default_application', which has no servers")
        states = [check["state"] for check in report["checks"]]
        self.assertEqual(states.count("not-possible"), report["not_possible"])
        self.assertEqual(len(checks), len(states))

    def test_junit(self):
        suite = xml.fromstring("\n".join(self.lines("--format", "junit"))).find("testsuite")
        cases = {case.get("name"): case for case in suite}
        self.assertEqual(int(suite.get("tests")), len(cases))
        self.assertEqual([case.get("name") for case in suite if case.find("failure") is not None], ["database-reachable"])
        self.assertEqual(suite.get("failures"), "1")
        self.assertEqual(int(suite.get("skipped")), sum(case.find("skipped") is not None for case in suite))
        self.assertEqual(cases["caches-mapped"].get("classname"), "moodle-check.caches")
        self.assertIn("default_application", cases["caches-mapped"].find("system-out").text)

    def test_fail_on(self):
        self.edit("'pgsql'", "'mysqli'")  # whose database cannot be asked
        self.lines("--fail-on", "note")
        for severity in ("warning", "error"):
            self.lines("--fail-on", severity, code=0)

    def edit(self, before, after):
        self.config.write_text(self.config.read_text().replace(before, after))

    def test_facts_are_read_and_not_passed_on(self):
        stream = facts("alb-dns=lb.example.org", "site-url=https://elsewhere.example.org", "unknown-fact=1")
        lines = self.lines("-f", "-", stdin=stream)
        self.assertTrue(any(" web-address " in line for line in lines))
        self.assertTrue(any(" web-sslproxy " in line for line in lines))
        self.assertFalse(any(line.startswith("#") for line in lines))
        self.expect("moodle-check", *self.options, "-f", "-", stdin=stream.removesuffix("#end\n"), code=65,
                    err=re.compile(r"moodle-check: error: .*stopped early.*\n(moodle-check: hint: .*\n)*"))

    def test_hostile_values(self):
        """They are shown, and quoted in what is printed for a shell."""
        self.edit("'https://moodle.example.org'", "\"https://x/'$(touch pwned)\\n\\x1b[31m<&\"")
        self.edit("require_once", "$CFG->tempdir = \"/no/\\$(touch pwned)'\\n\\u{FFFE}\\u{FFFF}\";\n\nrequire_once")
        for form in ("text", "json", "junit"):
            out = "\n".join(self.lines("--format", form))
            self.assertNotIn("\x1b", out)
            if form == "text":  # no line that the site could have written
                self.assertEqual([line for line in out.splitlines() if not re.match(
                    r"(error|warning|note|unknown) +[a-z]+-[a-z]+ |" + " " * 31 + r"|\d+ error", line)], [])
        xml.fromstring(out)
        report = json.loads("\n".join(self.lines("--format", "json", "--web-user", "nobody")))
        mends = [finding["mend"] for check in report["checks"] for finding in check["findings"] if finding["mend"]]
        self.assertTrue(any(mend.startswith("install ") for mend in mends), mends)
        harmless = "".join(f"{command}() {{ :; }}; " for command in ("install", "chown", "chmod", "chgrp"))
        for mend in mends:
            subprocess.run(["bash", "-c", harmless + mend], cwd=self.dir, check=True)
        self.assertFalse((self.dir / "pwned").exists())

    def test_copies_that_are_not_served(self):
        """From Moodle 5.1 on the web root is below config.php."""
        (self.site / "public").mkdir()
        (self.site / "version.php").unlink()
        self.write("site/public/version.php", "<?php\n$release = '5.1.0 (Build: 20251006)';\n")
        self.write("site/config.php.bak", "copy")
        self.assertFalse([line for line in self.lines() if "code-copies" in line])
        self.write("site/public/config.php.bak", "copy")
        self.assertEqual([line.split()[2] for line in self.lines() if "code-copies" in line], ["DIR/site/public/config.php.bak"])

    def test_a_config_that_is_none(self):
        self.write_config("<?php\n$CFG = new stdClass();\n$CFG->x = ;\n")
        self.expect("moodle-check", *self.options, code=78,
                    err=re.compile(r"moodle-check: error: DIR/site/config.php: line 3: .*\n"))
        self.expect("moodle-check", "--config", self.dir / "none.php", code=66,
                    err=re.compile(r"moodle-check: error: .*none.php.*\n"))

    def test_usage(self):
        def refused(text, *options, code=64, **more):
            self.expect("moodle-check", *options, code=code, **more,
                        err=re.compile(rf"moodle-check: error: {text}[^\n]*\n(moodle-check: hint: [^\n]*\n)?"))
        refused("--config is missing")
        refused("'csv' is not a value for --format", *self.options, "--format", "csv")
        refused("--app-cache-engine: 'oracle' is none of", *self.options, "--app-cache-engine", "oracle")
        refused("in the facts: app-cache-engine: 'oracle' is none of", *self.options, "-f", "-", code=65,
                stdin=facts("app-cache-engine=oracle"))
        refused("--session-cache-endpoint: ", *self.options, "--session-cache-endpoint", "a b")
        refused("--efs-throughput-mode: 'fast' is none of", *self.options, "--efs-throughput-mode", "fast")
        refused("--web-user: this host has no user 'nobody-at-all'", *self.options, "--web-user", "nobody-at-all")


if __name__ == "__main__":
    main()
