"""scripts/web-bootstrap.sh with the real Moodle in MOODLE_DIRROOT: a new server installs it by its command
line, with the caches in Redis, and serves its pages."""

import hashlib
import os
import re
import subprocess
import unittest
from pathlib import Path

import debian
from harness import CommandTest, main
from redis_server import RedisServer
from web_server import ADMIN_PASSWORD, Server, Watch

DIRROOT = os.environ.get("MOODLE_DIRROOT")


@unittest.skipUnless(DIRROOT, "MOODLE_DIRROOT names no Moodle")
@unittest.skipIf(debian.unavailable(), debian.unavailable())
class WebBootstrap(CommandTest):
    def test_a_new_server_of_a_new_site(self):
        server = Server(self)
        archive = server.archives / "real.tar"
        subprocess.run(["tar", "-cf", archive, "--exclude=./config.php", "--transform=s,^\\.,moodle,", "-C", DIRROOT,
                        "."], check=True)
        caches, sessions = RedisServer(self), RedisServer(self)
        server.facts.update({
            # As AWS writes the name of a load balancer; browsers ask for it in lower case.
            "site-url": "https://Moodle.Example.org",
            "moodle-url": f"/srv/archives/{archive.name}", "moodle-sha256": self.sha256(archive), "plugin": "",
            "app-cache-endpoint": caches.address, "app-cache-engine": "redis",
            "session-cache-endpoint": sessions.address, "session-cache-engine": "valkey"})
        with Watch(server, ADMIN_PASSWORD) as watch:
            server.done("changed", timeout=1500)
        self.assertEqual(watch.found, set())
        # Moodle's own way of logging in takes the secret's password, and keeps the session in the cache.
        status, body = server.page("/login/index.php")
        self.assertEqual(status, 200, body[:2000])
        self.assertRegex(body, 'name="logintoken"')
        self.assertIn("sess", sessions.command("KEYS", "*"))
        code = ("define('CLI_SCRIPT', true); require '/var/www/moodle/html/config.php';"
                "$user = authenticate_user_login('admin', stream_get_contents(STDIN));"
                "echo $user ? $user->email : 'no', ' ', get_site()->fullname, ' ', $CFG->session_handler_class;")
        told = server.root.run(["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "php", "-r", code],
                               stdin=ADMIN_PASSWORD).out
        self.assertEqual(told, "admin@example.org It's a \"site\" \\core\\session\\redis")
        self.assertEqual(server.page("/composer.json")[0], 403)
        self.assertIn(re.search(r"\d+$", caches.address)[0],
                      server.path("srv/efs/data/muc/config.php").read_text())
        cron = server.root.run(["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "php",
                                "/var/www/moodle/html/admin/cli/cron.php", "--help"])
        self.assertEqual(cron.err, "")
        server.done("unchanged")

    @staticmethod
    def sha256(path: Path) -> str:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
