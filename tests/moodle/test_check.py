"""moodle-check on a real Moodle: nothing is wrong with a healthy site, and what Moodle itself does and
writes is understood."""

import json

from harness import CommandTest, main
from moodle_site import Browser, MoodleSite
from redis_server import RedisServer


class RealMoodle(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.site = MoodleSite()
        cls.addClassCleanup(cls.site.remove)
        cls.site.cli("cron", "--keep-alive=0")

    def check(self, *options) -> dict:
        """The severities of the findings by the name of their check."""
        result = self.run_tool("moodle-check", "--config", self.site.config, "--etc", self.dir / "etc", "--format",
                               "json", *options)
        self.assertIn(result.code, (0, 1), result.err)
        self.report = json.loads(result.out)
        self.assertEqual([one for one in self.report["checks"] if one["state"] == "not-possible"], [])
        return {one["name"]: [finding["severity"] for finding in one["findings"]]
                for one in self.report["checks"] if one["findings"]}

    def test_from_installed_to_cached(self):
        self.write("etc/php/8.2/apache2/php.ini", "")
        self.write("etc/php/8.2/apache2/conf.d/10-opcache.ini", "zend_extension=opcache.so\n")
        self.write("etc/php/8.2/apache2/conf.d/20-redis.ini", "extension=redis.so\n")
        self.write("etc/apache2/mods-enabled/php8.2.load", "LoadModule php_module x\n")
        found = self.check()
        self.assertEqual(found, {"php-opcache": ["warning"] * len(found["php-opcache"]),
                                 "sessions-cached": ["note"], "caches-mapped": ["note"]})
        self.run_ok("moodle-opcache", "write", "--config", self.site.config, "--etc", self.dir / "etc")
        caches, sessions = RedisServer(self), RedisServer(self)
        facts = []
        for command, use, server in (("moodle-muc", "app-cache", caches), ("moodle-session", "session-cache", sessions)):
            facts += [f"--{use}-engine", "redis", f"--{use}-endpoint", server.address]
            self.run_ok(command, "set", "--config", self.site.config, *facts[-4:])
            self.addCleanup(self.run_ok, command, {"moodle-muc": "remove"}.get(command, "unset"), "--config",
                            self.site.config)
        self.assertTrue(Browser(self.site).login())
        self.site.cli("purge_caches")
        self.site.cli("cron", "--keep-alive=0")
        self.assertEqual(self.check(*facts, "--site-url", self.site.wwwroot), {})
        self.assertEqual(self.report["moodle"], self.release())
        # What Moodle's own check says of the same.
        self.assertEqual(self.site.ask("return (new \\tool_task\\check\\cronrunning())->get_result()->get_status();"), "ok")

    def run_ok(self, *argv):
        done = self.run_tool(*argv)
        self.assertEqual(done.code, 0, done.err)

    def release(self) -> str:
        return self.site.ask("global $CFG; require($CFG->dirroot . '/version.php'); return $release;").split()[0].rstrip("+")

    def test_sessions_by_the_administration_page(self):
        self.site.ask("set_config('dbsessions', 1);")
        self.addCleanup(self.site.ask, "set_config('dbsessions', 0);")
        self.check("--fail-on", "error")
        sessions, = (one for one in self.report["checks"] if one["name"] == "sessions-cached")
        self.assertEqual(sessions["findings"][0]["what"], "are in the database")


if __name__ == "__main__":
    main()
