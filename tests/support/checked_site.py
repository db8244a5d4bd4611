"""A site that moodle-check finds nothing wrong with, for planting faults into it."""

import getpass
import json
import os
import shutil
import subprocess
import time
import unittest

from harness import SOURCE_DIR, TOOLS_DIR
from memcached import Memcached
from postgres import Postgres
from redis_server import RedisServer
from site_folder import SiteTest
from stubs import Stubs

TABLES = SOURCE_DIR / "scripts" / "lib" / "tables.sql"

CONFIG = """<?php
$CFG = new stdClass();
$CFG->dbtype    = 'pgsql';
$CFG->dbhost    = 'localhost';
$CFG->dbname    = 'moodle';
$CFG->dbuser    = 'moodle';
$CFG->dbpass    = 'not needed on the socket';
$CFG->prefix    = 'mdl_';
$CFG->dboptions = ['dbport' => {port}, 'dbsocket' => '{socket}'];
$CFG->wwwroot   = 'https://moodle.example.org';
$CFG->sslproxy  = true;
$CFG->dataroot  = 'DATAROOT';
$CFG->cachedir  = '{dir}/cache';
$CFG->tempdir   = '{dir}/temp';
$CFG->localcachedir = '{dir}/local';

require_once(__DIR__ . '/lib/setup.php');
"""

PHP = """<?php
$version  = {version}.00;
$release  = '{release} (Build: 20240422)';
"""


class CheckedSite(SiteTest):
    """Sessions and caches of a finished installation are in servers of their own: memcached for Moodle
    4.1, Redis (self.redis) for Moodle 4.5."""

    servers_exist = True
    redis = False

    postgres: Postgres = None  # one for all classes; each test has the tables to itself

    @classmethod
    def setUpClass(cls):
        if not CheckedSite.postgres:
            CheckedSite.postgres = Postgres()
            unittest.addModuleCleanup(CheckedSite.postgres.remove)

    def setUp(self):
        self.release, self.version = ("4.5.6", 2024100706) if self.redis else ("4.1.10", 2022112810)
        super().setUp()
        self.dir.chmod(0o755)
        self.user = "www-data" if os.geteuid() == 0 else getpass.getuser()
        self.fill_database()
        self.fill_folders()
        self.fill_php()
        self.start_servers()
        self.stubs = Stubs(self.dir / "stubs", "systemctl")
        self.options = {"config": self.config, "etc": self.etc, "alb-dns": "alb.example.org", "alb-ip": "10.0.1.15",
                        "site-url": "https://moodle.example.org/", "efs-id": "fs-0123456789abcdef0",
                        "efs-throughput-mode": "bursting", "efs-size-bytes": 300 << 30, "efs-burst-credits": "2TiB",
                        "app-cache-endpoint": self.cache.address, "session-cache-endpoint": self.sessions.address,
                        "app-cache-engine": self.engine, "session-cache-engine": self.engine}
        self.configure()

    def fill_database(self):
        self.postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION moodle")
        self.sql("SET ROLE moodle;" + TABLES.read_text())
        self.sql(f"UPDATE mdl_config SET value = '{self.version}' WHERE name = 'version'")
        self.cron_ran(10)

    def sql(self, statement: str) -> str:
        return self.postgres.sql(statement)

    def cron_ran(self, seconds_ago: int):
        self.sql("DELETE FROM mdl_config_plugins; INSERT INTO mdl_config_plugins (plugin, name, value) VALUES "
                 f"('tool_task', 'lastcronstart', '{int(time.time()) - seconds_ago}')")

    def fill_folders(self):
        self.write("site/version.php", PHP.format(version=self.version, release=self.release))
        for store in ("file", "session", "static", "redis"):
            self.write(f"site/cache/stores/{store}/lib.php", "<?php\n")
        if self.redis:
            shutil.rmtree(self.site / "cache/stores/memcached")
        self.write_muc("moodle-4.5-before.php" if self.redis else "moodle-4.1-before.php")
        self.write_config(CONFIG.format(port=self.postgres.port, socket=self.postgres.dir, dir=self.dir))
        for name in ("cache", "temp", "local"):
            (self.dir / name).mkdir()
        self.lock = self.dir / "cache/filelocks/configwrite.lock"
        self.own(self.data, self.dir / "cache", self.dir / "temp", self.dir / "local")
        self.config.chmod(0o640)
        if os.geteuid() == 0:
            shutil.chown(self.config, "root", self.user)

    def own(self, *folders):
        """Gives the folders to the user as whom the web server would run."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{self.user}:", *folders], check=True)

    def fill_php(self):
        self.etc = self.dir / "etc"
        self.fpm = self.etc / "php/8.2/fpm"
        self.write("etc/php/8.2/fpm/php.ini", "")
        self.write("etc/php/8.2/fpm/conf.d/10-opcache.ini", "zend_extension=opcache.so\n")
        self.write("etc/php/8.2/fpm/conf.d/20-memcached.ini", "extension=memcached.so\n")
        self.write("etc/php/8.2/fpm/conf.d/20-redis.ini", "extension=redis.so\n")

    def start_servers(self):
        self.engine = "redis" if self.redis else "memcached"
        make = RedisServer if self.redis else Memcached
        self.cache = make(self)
        self.sessions = make(self)

    def access(self) -> list:
        """What the commands need to reach the servers, beside the facts."""
        return []

    def facts_of(self, use: str) -> list:
        return [word for name in ("endpoint", "engine", "tls", "node") if f"{use}-{name}" in self.options
                for word in (f"--{use}-{name}", self.options[f"{use}-{name}"])]

    def configure(self):
        self.set_store()
        self.set_sessions()
        self.ok("moodle-opcache", "write", "--config", self.config, "--etc", self.etc)

    def set_store(self, *options):
        self.ok("moodle-muc", "set", "--config", self.config, *self.facts_of("app-cache"), *self.access(), *options)

    def set_sessions(self, *options):
        self.ok("moodle-session", "set", "--config", self.config, *self.facts_of("session-cache"), *self.access(),
                *options)

    def ok(self, *argv):
        done = self.run_tool(*argv)
        self.assertEqual(done.code, 0, done.err)

    def edit_config(self, before: str, after: str):
        """Replaces a text that is there, and keeps the file's mode and owner."""
        text = self.config.read_text()
        self.assertIn(before, text)
        self.config.write_text(text.replace(before, after))

    def add_setting(self, line: str):
        self.edit_config("\nrequire_once", f"\n{line}\n\nrequire_once")

    def edit_muc(self, code: str):
        """Changes $c, the cache configuration, by PHP code, and writes it as Moodle does."""
        script = ("define('MOODLE_INTERNAL', 1); include $argv[1]; $c =& $configuration; " + code +
                  "; file_put_contents($argv[1], \"<?php defined('MOODLE_INTERNAL') || die();\\n \\$configuration = \""
                  " . var_export($configuration, true) . ';');")
        subprocess.run(["php", "-n", "-r", script, self.muc], check=True)

    def arguments(self, **changed) -> list[str]:
        options = self.options | {name.replace("_", "-"): value for name, value in changed.items()}
        return [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]

    def check(self, *more, **changed) -> dict:
        """The findings by the name of their check; `report` keeps all of it."""
        result = self.run_tool("moodle-check", *self.arguments(**changed), *more, "--format", "json")
        self.assertIn(result.code, (0, 1), result.err)
        self.report = json.loads(result.out)
        found = {check["name"]: check["findings"] for check in self.report["checks"] if check["findings"]}
        severe = any(one["severity"] != "note" for findings in found.values() for one in findings)
        self.assertEqual((result.code, result.err), (1 if severe else 0, ""))
        return found

    def states(self, state: str) -> dict:
        return {check["name"]: check["reason"] for check in self.report["checks"] if check["state"] == state}

    def mend(self, findings):
        """Runs what is printed, as it is printed."""
        environment = {**os.environ, "PATH": f"{TOOLS_DIR}:{self.stubs.folder}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        for finding in findings:
            self.assertTrue(finding["mend"], finding)
            done = subprocess.run(["bash", "-c", finding["mend"]], env=environment, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 0, f"{finding['mend']}: {done.stdout}{done.stderr}")
