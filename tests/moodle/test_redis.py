"""moodle-muc and moodle-session with Redis, judged by a real Moodle: plain and TLS, one server and a
cluster."""

import tls
from harness import CommandTest, facts, main
from moodle_site import Browser, MoodleSite
from redis_server import RedisCluster, RedisServer

PASSWORD = "a-password-of-24-letters"
READY = """$stores = \\core_cache\\administration_helper::get_store_instance_summaries();
$strings = \\core_cache\\definition::load('core/string',
    \\core_cache\\config::instance()->get_definition_by_id('core/string'));
return ['ready' => array_map(fn($store) => $store['isready'], $stores),
        'application' => array_column(array_filter(\\core_cache\\config::instance()->get_mode_mappings(),
                                                   fn($mapping) => $mapping['mode'] == 1), 'store'),
        'strings' => array_keys(\\core_cache\\config::instance()->get_stores_for_definition($strings))];
"""
DEFAULTS = ["default_application", "default_session", "default_request"]
HANDLER = """<?php
require __DIR__ . '/config.php';
echo get_class((new ReflectionProperty('core\\session\\manager', 'handler'))->getValue());
"""


class RealMoodle(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.site = MoodleSite()
        cls.addClassCleanup(cls.site.remove)
        cls.file = cls.site.dataroot / "muc" / "config.php"
        cls.originals = {path: path.read_bytes() for path in (cls.site.config, cls.file)}
        (cls.site.web / "handler.php").write_text(HANDLER.replace("__DIR__ . '/config.php'", f"'{cls.site.config}'"))

    def setUp(self):
        super().setUp()
        self.dir.chmod(0o755)  # the web server reads the CA file there
        for path, content in self.originals.items():
            self.addCleanup(path.write_bytes, content)

    def run_set(self, command, *arguments, result="changed"):
        verb = "set" if arguments else {"moodle-muc": "remove", "moodle-session": "unset"}[command]
        name = {"moodle-muc": "muc-result", "moodle-session": "session-result"}[command]
        path = {"moodle-muc": self.file, "moodle-session": self.site.config}[command]
        wording = {"changed": "changed", "unchanged": "is as it should be"}[result]
        self.expect(command, verb, "--config", self.site.config, *arguments, out=facts(f"{name}={result}"),
                    err=f"{command}: {path} {wording}\n")

    def options(self, use, server, secure):
        options = [f"--{use}-engine", "redis", f"--{use}-endpoint", server.address]
        if secure:
            options += [f"--{use}-tls", "true", "--ca-file", server.ca_file,
                        "--password-file", self.write("password", PASSWORD)]
        return options

    def both(self, make):
        """Caches and sessions on what `make` makes: its servers."""
        for secure in (False, True):
            with self.subTest(tls=secure):
                access = {"tls": tls.Authority(self.dir), "password": PASSWORD} if secure else {}
                self.check_caches(make(**access), secure)
                self.check_sessions(make(**access), secure)

    def test_one_server(self):
        self.both(lambda **access: [RedisServer(self, **access)])

    def test_a_cluster(self):
        self.both(lambda **access: RedisCluster(self, **access).nodes)

    def check_caches(self, servers, secure):
        before = self.site.ask(READY)
        self.assertEqual(before["application"], ["default_application"])
        options = self.options("app-cache", servers[-1], secure)
        self.run_set("moodle-muc", *options, "--prefix", "site1-")
        self.run_set("moodle-muc", *options, result="unchanged")
        after = self.site.ask(READY)
        self.assertEqual(after, {"ready": {"elasticache": True} | {name: True for name in DEFAULTS},
                                 "application": ["elasticache"], "strings": ["elasticache"]})
        self.site.ask("\\cache::make('core', 'string')->set('here', 'a value to be found');")
        found = self.holding(servers, "a value to be found")
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith("site1-"), found)
        self.assertEqual(self.site.ask("return \\cache::make('core', 'string')->get('here');"), "a value to be found")
        self.assertTrue(Browser(self.site).login())
        for server in servers:
            self.assertNotEqual(server.command("DBSIZE"), "0")
        self.site.cli("purge_caches")
        self.assertEqual(self.holding(servers, "a value to be found"), [])
        self.run_set("moodle-muc")
        self.assertEqual(self.site.ask(READY), before)
        self.site.cli("purge_caches")

    def holding(self, servers, text) -> list:
        """The keys of the hashes that hold the text."""
        return [key for server in servers for key in server.command("KEYS", "*").splitlines()
                if server.command("TYPE", key) == "hash" and text in server.command("HVALS", key)]

    def check_sessions(self, servers, secure):
        before = self.handler()
        self.assertEqual(before, "core\\session\\file")
        options = self.options("session-cache", servers[0], secure)
        self.run_set("moodle-session", *options)
        self.run_set("moodle-session", *options, result="unchanged")
        self.assertEqual(self.handler(), "core\\session\\redis")
        browser = Browser(self.site)
        self.assertTrue(browser.login(), browser.url)
        self.assertTrue(self.is_in(browser))
        keys = [key for server in servers for key in server.command("KEYS", "*").splitlines()]
        session = [key for key in keys if key.endswith(f"session_{self.session_id(browser)}")]
        self.assertEqual(len(session), 1, keys)
        self.assertTrue(all(key.startswith("moodle_mdl_sess_") for key in keys), keys)
        self.assertNotIn(f"sess_{self.session_id(browser)}", self.files())
        for server in servers:
            server.command("FLUSHALL")
        self.assertFalse(self.is_in(browser))
        self.run_set("moodle-session")
        self.assertEqual(self.site.config.read_bytes(), self.originals[self.site.config])
        self.assertEqual(self.handler(), before)
        browser = Browser(self.site)
        self.assertTrue(browser.login(), browser.url)
        self.assertIn(f"sess_{self.session_id(browser)}", self.files())

    def handler(self) -> str:
        """The handler that Moodle has loaded for a request of a browser."""
        return Browser(self.site).get("/handler.php")

    def is_in(self, browser) -> bool:
        browser.get("/user/preferences.php")
        return "/login/" not in browser.url

    def session_id(self, browser) -> str:
        return browser.cookies["MoodleSession"].value

    def files(self) -> set[str]:
        return {path.name for path in (self.site.dataroot / "sessions").iterdir()}


if __name__ == "__main__":
    main()
