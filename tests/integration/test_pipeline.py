"""The three changing commands in one pipeline, against a real database: a transaction from front to back."""

import os
import subprocess

from harness import TOOLS_DIR, facts, main
from postgres import Postgres
from site_folder import SiteTest, tree

TABLES = """
CREATE TABLE mdl_config (id bigserial PRIMARY KEY, name varchar(255) NOT NULL, value text NOT NULL);
CREATE TABLE mdl_user (id bigserial PRIMARY KEY, username varchar(100) NOT NULL, password varchar(255) NOT NULL,
                       lastip varchar(45) NOT NULL DEFAULT '');
ALTER TABLE mdl_config OWNER TO moodle;
ALTER TABLE mdl_user OWNER TO moodle;
INSERT INTO mdl_config (name, value) VALUES ('siteadmins', '2'), ('rolesactive', '1'), ('version', '2022112810');
INSERT INTO mdl_user (username, password, lastip) VALUES ('guest', 'x', '10.9.9.9'),
                                                        ('admin', 'adminsetuppending', '10.9.9.9');
"""
STREAM = facts("alb-ip=10.0.1.15", "app-cache-endpoint=127.0.0.1:11311",
               "session-cache-endpoint=sessions.example.org:11211")
# Each ends without a complete stream, however it ends.
FAILING = ("false", "moodle-facts missing.json", "moodle-facts --unknown", "echo '{' | moodle-facts -", "cat stream | head -n 2",
           "cat stream; echo more", "sh -c 'head -c 60 stream; kill -9 $$'", "moodle-discover -f stream",
           "moodle-lastip -f stream --ip 10.0.1.16 --check --config \"$CONFIG\"")
PIPELINE = """
{ %s; } 2>first.err \\
  | moodle-lastip -f - --config "$CONFIG" \\
  | moodle-muc set -f - --config "$CONFIG" --servers endpoint --no-probe \\
  | moodle-session set -f - --config "$CONFIG" --servers endpoint --no-probe --force
echo "${PIPESTATUS[@]:1}" >&2
"""
COMMANDS = ("lastip", "muc", "session")


class Pipeline(SiteTest):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.remove)
        cls.postgres.sql(TABLES)

    def setUp(self):
        super().setUp()
        self.write_config(port=self.postgres.port)
        self.work = self.dir / "work"
        self.write("work/stream", STREAM)

    def rows(self) -> str:
        return self.postgres.sql("SELECT xmin, * FROM mdl_user ORDER BY id")

    def run_pipeline(self, first):
        environment = os.environ | {"PATH": f"{TOOLS_DIR}:{os.environ['PATH']}", "CONFIG": str(self.config)}
        return subprocess.run(["bash", "-c", PIPELINE % first], capture_output=True, text=True, env=environment,
                              cwd=self.work, stdin=subprocess.DEVNULL, timeout=60, check=False)

    def test_a_first_command_that_fails_changes_nothing(self):
        files, rows = (tree(self.site), tree(self.data)), self.rows()
        for first in FAILING:
            with self.subTest(first=first):
                done = self.run_pipeline(first)
                self.assertEqual(done.stdout, "")
                # In whatever order the three get to say it.
                self.assertEqual(sorted(done.stderr.splitlines())[0], "65 65 65")
                for command in COMMANDS:
                    self.assertRegex(done.stderr, rf"moodle-{command}: error: standard input: [^\n]+\n")
                self.assertEqual((tree(self.site), tree(self.data)), files)
                self.assertEqual(self.rows(), rows)

    def test_all_three_and_once_only(self):
        for result in ("changed", "unchanged"):
            done = self.run_pipeline("cat stream")
            self.assertTrue(done.stderr.endswith("0 0 0\n"), done.stderr)
            self.assertEqual(done.stdout, STREAM.replace("#end", "\n".join(
                f"{name}-result={result}" for name in COMMANDS) + "\n#end"))


if __name__ == "__main__":
    main()
