"""moodle-session against a real Moodle: where its sessions are afterwards."""

import json
import re
import unittest

from harness import CommandTest, facts, main
from memcached import Memcached
from moodle_site import Browser, MoodleSite

DEFAULT_PREFIX = "memc.sess.key."  # php-memcached's memcached.sess_prefix
ASK = """<?php
require __DIR__ . '/config.php';
echo json_encode(['class' => get_class((new ReflectionProperty('core\\session\\manager', 'handler'))->getValue()),
                  'named' => \\core\\session\\manager::get_handler_class(),
                  'php' => ini_get('session.save_handler'),
                  'path' => ini_get('session.save_path')]);
"""


class RealMoodle(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.site = MoodleSite()
        cls.addClassCleanup(cls.site.remove)
        (cls.site.config.parent / "handler.php").write_text(ASK)
        cls.original = cls.site.config.read_bytes()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.site.config.write_bytes, self.original)

    def session(self, verb, *arguments, result="changed", **options):
        wording = {"changed": "changed", "unchanged": "is as it should be"}[result]
        self.expect("moodle-session", verb, "--config", self.site.config, *arguments,
                    out=facts(f"session-result={result}"),
                    err=f"moodle-session: {self.site.config} {wording}\n", **options)

    def handler(self) -> dict:
        """The handler that Moodle has loaded for a request of a browser."""
        return json.loads(Browser(self.site).get("/handler.php"))

    def log_in(self) -> Browser:
        browser = Browser(self.site)
        self.assertTrue(browser.login(), browser.url)
        self.assertTrue(self.is_in(browser))
        return browser

    def is_in(self, browser) -> bool:
        browser.get("/user/preferences.php")
        return "/login/" not in browser.url

    def session_id(self, browser) -> str:
        return browser.cookies["MoodleSession"].value

    def files(self) -> set[str]:
        folder = self.site.dataroot / "sessions"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def holds_data(self, browser) -> bool:
        """Whether the session's content is in the database; every handler keeps a row there."""
        return self.site.postgres.sql("SELECT count(*) FROM mdl_sessions WHERE sessdata <> '' AND "
                                      f"sid = '{self.session_id(browser)}'") == "1"

    def test_sessions_live_in_memcached(self):
        memcached = Memcached(self)
        self.session("set", "--session-cache-endpoint", memcached.address)
        self.assertEqual(self.handler(), {"class": "core\\session\\memcached",
                                          "named": "\\core\\session\\memcached",
                                          "php": "memcached", "path": memcached.address})
        browser = self.log_in()
        self.assertIn(DEFAULT_PREFIX + self.session_id(browser), memcached.keys())
        self.assertNotIn(f"sess_{self.session_id(browser)}", self.files())
        self.assertFalse(self.holds_data(browser))
        memcached.flush()
        self.assertFalse(self.is_in(browser))

    def test_a_prefix_of_its_own(self):
        memcached = Memcached(self)
        self.session("set", "--session-cache-endpoint", memcached.address, "--prefix", "site.1.")
        browser = self.log_in()
        self.assertIn("site.1." + self.session_id(browser), memcached.keys())
        self.assertFalse([key for key in memcached.keys() if key.startswith(DEFAULT_PREFIX)])

    def test_sessions_are_spread_over_the_nodes_of_a_cluster(self):
        nodes = [Memcached(self), Memcached(self)]
        nodes[0].announce("1\n{}\n".format(" ".join(f"127.0.0.1|127.0.0.1|{node.port}"
                                                    for node in nodes)).encode())
        self.session("set", "--servers", "nodes", "--session-cache-endpoint", nodes[0].address)
        self.assertEqual(self.handler()["path"], f"{nodes[0].address},{nodes[1].address}")
        browsers = [self.log_in()]
        # Which node a session goes to depends on its random identifier: each try has even chances.
        while len(self.nodes_with(nodes, browsers)) < 2 and len(browsers) < 40:
            browsers.append(self.log_in())
        self.assertEqual(len(self.nodes_with(nodes, browsers)), 2)
        for browser in browsers:
            self.assertTrue(self.is_in(browser))
        for node in nodes:
            node.flush()
        self.assertFalse(any(map(self.is_in, browsers)))

    def nodes_with(self, nodes, browsers) -> set[str]:
        """The nodes that hold sessions; each session has to be on exactly one."""
        found = set()
        for browser in browsers:
            key = DEFAULT_PREFIX + self.session_id(browser)
            places = [node.address for node in nodes if key in node.keys()]
            self.assertEqual(len(places), 1, key)
            found.update(places)
        return found

    def test_unset_brings_the_former_handler_back(self):
        before = self.handler()
        self.assertEqual(before["php"], "files")
        memcached = Memcached(self)
        self.session("set", "--session-cache-endpoint", memcached.address)
        inside = self.log_in()
        self.session("unset")
        self.assertEqual(self.site.config.read_bytes(), self.original)
        self.assertEqual(self.handler(), before)
        self.assertFalse(self.is_in(inside))
        self.assertIn(f"sess_{self.session_id(self.log_in())}", self.files())
        self.session("unset", result="unchanged")

    def use_dbsessions(self) -> dict:
        """Lets the site's own config.php keep sessions in the database."""
        self.site.config.write_bytes(self.original.replace(
            b"require_once", b"$CFG->dbsessions = true;\nrequire_once"))
        handler = self.handler()
        self.assertEqual(handler["class"], "core\\session\\database")
        return handler

    def test_unset_brings_back_what_the_file_says_itself(self):
        before = self.use_dbsessions()
        memcached = Memcached(self)
        self.session("set", "--session-cache-endpoint", memcached.address)
        self.assertEqual(self.handler()["class"], "core\\session\\memcached")
        self.session("unset")
        self.assertEqual(self.handler(), before)
        self.assertTrue(self.holds_data(self.log_in()))

    def test_sessions_live_in_the_database(self):
        self.session("set", "--handler", "database")
        self.assertEqual(self.handler()["class"], "core\\session\\database")
        browser = self.log_in()
        self.assertTrue(self.holds_data(browser))
        self.assertNotIn(f"sess_{self.session_id(browser)}", self.files())
        self.site.postgres.sql("DELETE FROM mdl_sessions")
        self.assertFalse(self.is_in(browser))

    def test_sessions_live_in_files(self):
        self.use_dbsessions()
        self.session("set", "--handler", "file")
        self.assertEqual(self.handler()["class"], "core\\session\\file")
        browser = self.log_in()
        self.assertIn(f"sess_{self.session_id(browser)}", self.files())
        self.assertFalse(self.holds_data(browser))
        (self.site.dataroot / "sessions" / f"sess_{self.session_id(browser)}").unlink()
        self.assertFalse(self.is_in(browser))

    def test_a_site_that_is_not_installed_yet_is_refused(self):
        memcached = Memcached(self)
        self.site.postgres.sql("UPDATE mdl_config SET value = '0' WHERE name = 'rolesactive'")
        self.addCleanup(self.site.postgres.sql,
                        "UPDATE mdl_config SET value = '1' WHERE name = 'rolesactive'")
        self.expect("moodle-session", "set", "--config", self.site.config,
                    "--session-cache-endpoint", memcached.address, code=78,
                    err=re.compile(r"moodle-session: error: the installation of the site has not "
                                   r"finished; .*\nmoodle-session: hint: .*\n"))
        self.assertEqual(self.site.config.read_bytes(), self.original)


if __name__ == "__main__":
    main()
