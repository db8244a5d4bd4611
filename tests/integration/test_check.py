"""moodle-check: each fault, planted into a healthy site, is found by its own check and by no other, and
what is printed mends it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import tls
from checked_site import CheckedSite
from harness import main, tool
from memcached import Memcached, announce_cluster
from postgres import wait_until
from redis_server import RedisCluster, RedisServer
from tcp_server import Server, hold

NEEDS_ROOT = unittest.skipUnless(os.geteuid() == 0, "only root can give files away and mount")


# As admin/environment.xml says what a release needs.
ENVIRONMENT = """<COMPATIBILITY_MATRIX>
  <MOODLE version="4.0"><DATABASE><VENDOR name="postgres" version="10" /></DATABASE></MOODLE>
  <MOODLE version="4.1" requires="3.9"><DATABASE><VENDOR name="postgres" version="12" /></DATABASE></MOODLE>
</COMPATIBILITY_MATRIX>
"""


class Planted(CheckedSite):
    """fault() is one planted fault."""

    def fault(self, name: str, mended=True, severity=None, what="", **changed):
        found = self.check(**changed)
        self.assertEqual(list(found), [name], found)
        text = " ".join(f"{one['object']} {one['what']}" for one in found[name])
        self.assertIn(what, text)
        for finding in found[name]:
            self.assertTrue(finding["why"] and finding["source"], finding)
        if severity:
            self.assertEqual({one["severity"] for one in found[name]}, {severity})
        if mended:
            self.mend(found[name])
            self.assertEqual(self.check(**changed), {})
        else:
            self.assertEqual([one["mend"] for one in found[name]], [None] * len(found[name]))


class Healthy(CheckedSite):
    def test_nothing_is_wrong(self):
        self.assertEqual(self.check(), {})
        self.assertEqual(self.states("not-possible"), {})
        # What the site is not: it has one web server, and no NFS.
        self.assertEqual(set(self.states("not-applicable")),
                         {"code-readonly", "folders-shared", "efs-mount", "sessions-tls", "database-version"})


class HealthyRedis(CheckedSite):
    redis = True

    def test_nothing_is_wrong(self):
        self.assertEqual(self.check(), {})
        self.assertEqual(self.states("not-possible"), {})
        self.assertEqual(set(self.states("not-applicable")), {"code-readonly", "folders-shared", "efs-mount", "database-version"})


class Folders(Planted):
    def test_dataroot_is_not_there(self):
        self.data.rename(self.dir / "elsewhere")
        found = self.check(efs_id=None, web_user=self.user)
        self.assertEqual(list(found), ["folders-dataroot"])
        self.assertIn("caches-file", self.states("not-possible"))
        self.mend(found["folders-dataroot"])
        self.assertEqual(self.data.owner(), self.user)

    def test_a_dataroot_that_may_only_have_to_be_mounted_is_not_made(self):
        self.data.rename(self.dir / "elsewhere")
        for changed in ({"web_user": self.user}, {"efs_id": None, "web_user": self.user, "web_asg_max": 2},
                        {"efs_id": None}):  # whose owner nobody knows
            finding, = self.check(**changed)["folders-dataroot"]
            self.assertEqual((finding["what"], finding["mend"]), ("is not there", None))

    @NEEDS_ROOT
    def test_what_may_not_be_looked_at(self):
        """By a user who may read config.php alone: nothing is said about the folders."""
        private = self.dir / "private"
        private.mkdir(0o700)
        for folder in (self.data, self.dir / "cache"):
            folder.rename(private / folder.name)
        self.edit_config(f"'{self.data}'", f"'{private}/data'")
        self.edit_config(f"'{self.dir}/cache'", f"'{private}/cache'")
        (self.site / "admin").mkdir()
        (self.site / "admin").chmod(0o700)
        done = subprocess.run(["runuser", "-u", self.user, "--", tool("moodle-check"), *self.arguments(), "--format", "json"],
                              capture_output=True, text=True, check=False, cwd="/")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        for name in ("folders-dataroot", "folders-cachedir", "folders-web"):
            self.assertEqual(checks[name]["state"], "not-possible")
            self.assertIn("Permission denied", checks[name]["reason"])

    def test_cachedir_is_not_there(self):
        shutil.rmtree(self.dir / "cache")
        self.fault("folders-cachedir", what="is not there", severity="error")

    def test_tempdir_is_a_file(self):
        (self.dir / "temp").rmdir()
        self.write("temp", "")
        self.fault("folders-tempdir", mended=False, what="is no folder")

    def test_localcachedir_is_not_there(self):
        (self.dir / "local").rmdir()
        self.fault("folders-localcachedir")

    def test_a_folder_that_moodle_makes_itself_may_be_missing(self):
        self.edit_config(f"{self.dir}/temp", f"{self.data}/temp")
        self.assertEqual(self.check(), {})

    @NEEDS_ROOT
    def test_not_writable(self):
        shutil.chown(self.dir / "cache", "root", "root")
        self.fault("folders-writable", what="is not writable for www-data")

    def test_open_to_all(self):
        self.data.chmod(0o777)
        self.fault("folders-private", what="every user of this host")

    def test_dataroot_in_the_web_root(self):
        inside = self.site / "data"
        self.data.rename(inside)
        self.edit_config(f"'{self.data}'", f"'{inside}'")
        self.fault("folders-web", mended=False, severity="error")

    def test_dataroot_beside_a_site_below_the_web_root(self):
        """https://moodle.example.org/site is served from the folder above the code."""
        self.edit_config("'https://moodle.example.org'", "'https://moodle.example.org/site'")
        self.fault("folders-web", mended=False, site_url="https://moodle.example.org/site")

    @NEEDS_ROOT
    def test_data_on_one_of_several_servers(self):
        self.fault("folders-shared", mended=False, web_asg_max=4, what="is on this host alone")

    def test_a_lock_that_nobody_gives_up(self):
        self.lock.parent.mkdir(exist_ok=True)
        self.lock.touch()
        self.assertEqual(self.check(), {})
        os.utime(self.lock, (time.time() - 120,) * 2)
        self.fault("folders-lock", what="has been there for 2 min")

    @NEEDS_ROOT
    def test_a_full_disk(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", self.dir / "temp"], check=True)
        self.addCleanup(subprocess.run, ["umount", self.dir / "temp"], check=True)
        self.own(self.dir / "temp")
        (self.dir / "temp").chmod(0o755)
        self.fault("folders-space", mended=False, what="left")


@NEEDS_ROOT
class Mounts(Planted):
    def mount(self, folder):
        """A file system in user space, which counts as shared: its process is returned."""
        below = self.dir / f"below-{folder.name}"
        folder.rename(below)
        folder.mkdir()
        process = subprocess.Popen(["bindfs", "-f", below, folder], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        self.addCleanup(process.send_signal, signal.SIGCONT)
        wait_until(lambda: os.path.ismount(folder), f"{folder} is mounted")
        return process

    def test_code_on_a_shared_file_system(self):
        self.mount(self.site)
        self.fault("code-local", mended=False, what="is on fuse")

    def test_local_cache_on_a_shared_file_system(self):
        self.mount(self.dir / "local")
        self.fault("folders-local", mended=False, what="is on fuse")

    def test_links_are_followed_to_the_shared_file_system(self):
        shared = self.dir / "shared"
        shared.mkdir()
        self.mount(shared)
        for folder in (self.data, self.dir / "cache", self.dir / "temp", self.dir / "local"):
            shutil.move(folder, shared / folder.name)
            folder.symlink_to(shared / folder.name)
        found = self.check(web_asg_max=4)
        self.assertEqual(list(found), ["folders-local"], found)

    def test_a_file_system_that_never_answers(self):
        """EFS is gone, the database is down, and a cache node hangs: the report comes all the same."""
        process = self.mount(self.data)
        hanging = Server(self, hold)
        self.edit_config(self.sessions.address, hanging.address)
        self.edit_config(f"'dbport' => {self.postgres.port}", "'dbport' => 1")
        process.send_signal(signal.SIGSTOP)
        timeout = 1.5
        start = time.monotonic()
        found = self.check("--timeout", timeout, session_cache_endpoint=hanging.address)
        self.assertLess(time.monotonic() - start, 2 * timeout)
        self.assertEqual(set(found), {"folders-dataroot", "database-reachable", "sessions-reachable"})
        self.assertIn("does not answer", found["folders-dataroot"][0]["what"])
        unknown = self.states("not-possible")
        self.assertLessEqual({"caches-file", "caches-reachable", "installation-finished", "clock-skew",
                              "sessions-drift"}, set(unknown))
        self.assertTrue(all(unknown.values()))


class Code(Planted):
    @NEEDS_ROOT
    def test_writable_for_the_web_server(self):
        """Only where there is more than one of them."""
        self.own(self.site)
        self.assertEqual(self.check(), {})
        found = self.check(web_asg_max=2)
        self.assertEqual(set(found), {"code-readonly", "folders-shared"})
        self.mend(found["code-readonly"])
        self.assertEqual(set(self.check(web_asg_max=2)), {"folders-shared"})
        subprocess.run(["runuser", "-u", self.user, "--", "cat", self.config], check=True, stdout=subprocess.DEVNULL)

    @NEEDS_ROOT
    def test_a_config_that_is_kept_elsewhere(self):
        """Its folder is none of the code's: that may hold dataroot."""
        shared = self.dir / "shared"
        shared.mkdir()
        self.own(self.site)
        self.edit_config("__DIR__ . '/lib", f"'{self.site}/lib")
        shutil.move(self.config, shared / "config.php")
        self.config.symlink_to(shared / "config.php")
        self.write("site/config.php.bak", "copy")
        self.write("shared/config.php.orig", "not served")
        found = self.check(web_asg_max=2)
        self.assertEqual(found["code-readonly"][0]["mend"], f"chown -R -h root {self.site} && chmod -R g+rX,go-w {self.site}")
        self.assertEqual([one["object"] for one in found["code-copies"]], [f"{self.site}/config.php.bak"])

    @NEEDS_ROOT
    def test_data_below_the_code(self):
        self.own(self.site)
        self.edit_config(f"'{self.dir}/temp'", f"'{self.site}/temp'")
        (self.dir / "temp").rename(self.site / "temp")
        self.assertEqual([one["mend"] for one in self.check(web_asg_max=2)["code-readonly"]], [None])

    def test_config_for_everybody(self):
        if os.geteuid() == 0:
            shutil.chown(self.config, "root", "root")
        self.config.chmod(0o644)
        self.fault("code-config", what="every user of this host")
        if os.geteuid() == 0:
            subprocess.run(["runuser", "-u", self.user, "--", "cat", self.config], check=True,
                           stdout=subprocess.DEVNULL)

    def test_copies_of_config(self):
        for name in ("config.php.bak", "config.php~", ".config.php.swp"):
            self.write(f"site/{name}", "copy")
        self.write("site/config-dist.php", "<?php\n")
        self.write("site/.config.php.moodle-aws-toolkit-a1B2c3.php", "an edit that goes on")
        (self.site / "config.php.lock").symlink_to("nothing")
        self.fault("code-copies", what="config.php~")
        self.assertTrue((self.site / "config-dist.php").exists())


class Database(Planted):
    def test_down(self):
        self.edit_config(f"'dbport' => {self.postgres.port}", "'dbport' => 1")
        self.fault("database-reachable", mended=False, severity="error")
        self.assertIn("installation-finished", self.states("not-possible"))

    def test_too_old(self):
        self.write("site/admin/environment.xml", ENVIRONMENT.replace("12", "99"))
        self.fault("database-version", mended=False, what="and Moodle 4.1.10 needs 99", severity="error")

    def test_far_away(self):
        """A connection through which each answer takes 15 ms."""
        def serve(client):
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(f"{self.postgres.dir}/.s.PGSQL.{self.postgres.port}")
                threading.Thread(target=forward, args=(client, server, 0), daemon=True).start()
                forward(server, client, 0.015)

        def forward(source, target, pause):
            while data := source.recv(65536):
                time.sleep(pause)  # this server's distance is what is tested
                target.sendall(data)

        far = Server(self, serve)
        self.edit_config("'localhost'", "'127.0.0.1'")
        self.edit_config(f"'dbsocket' => '{self.postgres.dir}'", "'dbsocket' => false")
        self.edit_config(f"'dbport' => {self.postgres.port}", f"'dbport' => {far.port}")
        self.fault("database-latency", mended=False, what="ms to answer")

    def pending(self, lastip):
        self.sql(f"UPDATE mdl_user SET password = 'adminsetuppending', lastip = '{lastip}' WHERE id = 2")

    def test_installation_waits(self):
        self.pending("10.9.9.9")
        found = self.check()
        self.assertEqual(list(found), ["installation-finished"])
        self.mend(found["installation-finished"])
        self.assertEqual(self.sql("SELECT lastip FROM mdl_user WHERE id = 2"), "10.0.1.15")
        self.sql("UPDATE mdl_user SET password = 'x' WHERE id = 2")  # what the administrator then does
        self.assertEqual(self.check(), {})

    def test_installation_waits_for_the_browser(self):
        """With getremoteaddrconf = 0 Moodle does not see the load balancer's address."""
        self.pending("10.9.9.9")
        self.add_setting("$CFG->getremoteaddrconf = 0;")
        finding, = self.check()["installation-finished"]
        self.assertTrue(finding["mend"].endswith("--access-log /var/log/apache2/access.log --watch"), finding["mend"])
        self.assertNotIn(" --ip ", finding["mend"])

    def test_no_installation(self):
        self.sql("DROP TABLE mdl_config, mdl_user")
        self.fault("installation-finished", mended=False, what="holds no Moodle")

    def test_upgrade_waits(self):
        self.sql("UPDATE mdl_config SET value = '2022112805.00' WHERE name = 'version'")
        # A stand-in for what Moodle's own script does in the end.
        self.write("site/admin/cli/upgrade.php", f"<?php exit(system(\"psql -qX -h {self.postgres.dir} -p "
                   f"{self.postgres.port} -U moodle -c \\\"UPDATE mdl_config SET value = '{self.version}.00' "
                   "WHERE name = 'version'\\\" moodle\") === false);\n")
        self.stubs.add("sudo", 'shift 2; exec "$@"')
        self.fault("installation-upgraded", what="is of version 2022112805")

    def test_an_upgrade_within_a_day(self):
        self.write("site/version.php", f"<?php\n$version  = {self.version}.01;\n$release  = '4.1.10+';\n")
        found = self.check()
        self.assertEqual(list(found), ["installation-upgraded"])
        self.assertEqual(found["installation-upgraded"][0]["what"], f"is of version {self.version}, and the code of {self.version}.01")

    def test_older_code(self):
        self.sql("UPDATE mdl_config SET value = '2029112805.00' WHERE name = 'version'")
        self.fault("installation-upgraded", mended=False)

    def test_cron_stopped(self):
        for seconds, severity in ((3600, "warning"), (200_000, "error")):
            self.cron_ran(seconds)
            found = self.check()
            self.assertEqual(list(found), ["cron-running"])
            self.assertEqual(found["cron-running"][0]["severity"], severity)
        self.assertRegex(found["cron-running"][0]["mend"], r"^echo '\* \* \* \* \* \S+ /usr/bin/php "
                                                           rf"{self.site}/admin/cli/cron.php >/dev/null' >/etc/cron.d/moodle$")

    def test_how_often_cron_is_expected(self):
        """As Moodle's own check has it: a minute late is late enough."""
        self.cron_ran(150)
        self.assertEqual(list(self.check()), ["cron-running"])
        self.add_setting("$CFG->expectedcronfrequency = 200;")
        self.assertEqual(self.check(), {})
        self.cron_ran(300)
        self.assertEqual(list(self.check()), ["cron-running"])

    def test_cron_of_a_code_with_its_scripts_in_public(self):
        self.write("site/public/admin/cli/cron.php", "<?php\n")
        self.cron_ran(3600)
        self.assertIn(f"{self.site}/public/admin/cli/cron.php", self.check()["cron-running"][0]["mend"])

    def test_cron_never_ran(self):
        self.sql("DELETE FROM mdl_config_plugins")
        self.assertIn("never seen cron", self.check()["cron-running"][0]["what"])

    def test_clock_is_wrong(self):
        library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
        env = {"LD_PRELOAD": library, "FAKETIME": "+90s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.assertTrue(os.path.exists(library), "faketime is not installed")
        result = self.run_tool("moodle-check", *self.arguments(), env=env)
        self.assertRegex(result.out, r"^warning  clock-skew +this host's clock is 1 min 30 s ahead of the database")
        self.assertIn("1 warning, 0 notes", result.out)
        units = [unit for unit in ("chronyd", "chrony", "systemd-timesyncd")
                 if os.path.exists(f"/usr/lib/systemd/system/{unit}.service")]
        self.assertEqual(re.findall(r"^ +\$ (systemctl .*)$", result.out, re.M), [f"systemctl restart {unit}" for unit in units[:1]])


class Sessions(Planted):
    def test_in_files(self):
        self.ok("moodle-session", "unset", "--config", self.config)
        self.fault("sessions-cached", what="are in files", severity="warning")

    def test_in_the_database_by_the_administration_page(self):
        self.ok("moodle-session", "unset", "--config", self.config)
        self.sql("INSERT INTO mdl_config (name, value) VALUES ('dbsessions', '1')")
        self.fault("sessions-cached", what="are in the database")

    def test_without_facts_it_is_a_note(self):
        self.ok("moodle-session", "unset", "--config", self.config)
        self.fault("sessions-cached", mended=False, severity="note", session_cache_endpoint=None,
                   session_cache_engine=None)

    def test_server_is_down(self):
        self.edit_config(f"{self.sessions.port}", "1")
        found = self.check(session_cache_endpoint=None, session_cache_engine=None)
        self.assertEqual(list(found), ["sessions-reachable"])

    def test_handler_is_gone(self):
        (self.site / "lib/classes/session/memcached.php").unlink()
        found = self.check(session_cache_endpoint=None, session_cache_engine=None)
        self.assertEqual(list(found), ["sessions-handler"])
        self.mend(found["sessions-handler"])
        self.assertEqual(list(self.check(session_cache_endpoint=None, session_cache_engine=None)), ["sessions-cached"])

    def test_endpoint_as_one_server(self):
        announce_cluster(self.sessions, Memcached(self))
        self.fault("sessions-endpoint", what="as if it were one server")

    def test_a_node_more(self):
        second, third = Memcached(self), Memcached(self)
        announce_cluster(self.sessions, second)
        self.set_sessions()
        self.assertEqual(self.check(), {})
        announce_cluster(self.sessions, second, third)
        self.fault("sessions-drift", what=f"do not use {third.address}")

    def test_another_cluster(self):
        other = Memcached(self).address
        found = self.check(session_cache_endpoint=other, session_cache_tls="true")
        self.assertEqual([one["mend"] for one in found["sessions-drift"]], [None])  # Moodle has no TLS to it
        self.fault("sessions-drift", session_cache_endpoint=other)

    def two_servers(self) -> Memcached:
        """Plain ones, of which none knows the other."""
        second = Memcached(self)
        self.edit_config(f"'{self.sessions.address}'", f"'{self.sessions.address},{second.address}'")
        return second

    def test_two_plain_servers(self):
        second = self.two_servers()
        for changed in ({}, {"session_cache_endpoint": None, "session_cache_engine": None}):
            self.assertEqual(self.check(**changed), {})
        self.options["session-cache-endpoint"] = None
        nodes = ["--session-cache-node", self.sessions.address, "--session-cache-node"]
        self.assertEqual(self.check(*nodes, second.address), {})
        found = self.check(*nodes, Memcached(self).address)
        self.assertEqual(list(found), ["sessions-drift"])
        self.assertIn(f"use {second.address}, which the cluster does not announce", found["sessions-drift"][0]["what"])

    def test_a_node_that_was_replaced_and_hangs(self):
        """One fault, one finding."""
        hanging = Server(self, hold)
        self.edit_config(f"'{self.sessions.address}'", f"'{self.sessions.address},{hanging.address}'")
        other = Memcached(self)
        announce_cluster(self.sessions, other)
        found = self.check("--timeout", 1)
        self.assertEqual(list(found), ["sessions-reachable"])
        self.mend(found["sessions-reachable"])
        self.assertEqual(self.check(), {})

    def test_what_is_set_for_locks_stays(self):
        self.set_sessions("--lock-expire", "600", "--acquire-lock-timeout", "30", "--prefix", "ours")
        before = self.php_cfg()
        other = Memcached(self)
        self.fault("sessions-drift", session_cache_endpoint=other.address)
        self.assertEqual(self.php_cfg(), before | {"session_memcached_save_path": other.address})

    def test_shared_with_caches(self):
        self.edit_config(self.sessions.address, f"localhost:{self.cache.port}")
        found = self.check(session_cache_endpoint=f"localhost:{self.cache.port}")
        self.assertEqual(list(found), ["sessions-apart"])
        self.assertIn("elasticache", found["sessions-apart"][0]["what"])
        # With the cluster that is meant for sessions, the command leads there.
        found = self.check()
        self.mend(found["sessions-apart"])
        self.assertEqual(self.check(), {})


class Caches(Planted):
    def test_broken_file(self):
        self.muc.write_text("<?php defined('MOODLE_INTERNAL') || die();\n $configuration = array (")
        found = self.check()
        self.assertEqual(list(found), ["caches-file"])
        self.mend(found["caches-file"])
        self.assertEqual([one["severity"] for one in self.check()["caches-file"]], ["note"])

    def test_a_file_that_cannot_be_judged(self):
        """It may work: no command takes it away."""
        whole = self.muc.read_text()
        for code, reason in (("$x = $CFG ?? 1;", "computes a value"), ("while (true);", "within")):
            self.muc.write_text(whole.replace(" $configuration", f" {code} $configuration"))
            self.assertEqual(self.check("--php-timeout", "0.5"), {})
            self.assertIn(reason, self.states("not-possible")["caches-file"])

    def test_no_file(self):
        self.muc.unlink()
        self.fault("caches-file", mended=False, severity="note")

    def test_edited_file(self):
        self.muc.write_text(self.muc.read_text().replace("$configuration = array (", "$configuration =  array("))
        self.fault("caches-form", mended=False, severity="note")

    def test_default_store_first(self):
        self.edit_muc("$c['modemappings'] = [['store' => 'default_application', 'mode' => 1, 'sort' => 0]]")
        self.fault("caches-mapped", what="'default_application'", severity="warning")

    def test_no_store(self):
        self.ok("moodle-muc", "remove", "--config", self.config)
        self.fault("caches-mapped")

    def test_mapping_to_nothing(self):
        self.edit_muc("$c['modemappings'][] = ['store' => 'gone', 'mode' => 1, 'sort' => 1];"
                      "$c['definitionmappings'][] = ['store' => 'an old one', 'definition' => 'core/string', 'sort' => 1]")
        self.fault("caches-mappings", what="'an old one'")

    def test_plugin_is_gone(self):
        self.edit_muc("$s = $c['stores']['default_application']; $s['name'] = 'old'; $s['plugin'] = 'mongodb';"
                      "$s['default'] = false; $s['class'] = 'cachestore_mongodb'; $c['stores']['old'] = $s")
        self.fault("caches-plugin", what="'old'", severity="error")

    def test_server_is_down(self):
        self.edit_muc("array_walk_recursive($c['stores']['elasticache']['configuration'], "
                      f"function (&$v) {{ if ($v === '{self.cache.port}') $v = '1'; }})")
        found = self.check(app_cache_endpoint=None, app_cache_engine=None)
        self.assertEqual(list(found), ["caches-reachable"])

    def test_server_of_a_store_that_nothing_uses(self):
        self.edit_muc("$s = $c['stores']['elasticache']; $s['name'] = 'old'; $s['configuration']['servers'] = "
                      "[['127.0.0.1', '1', '100']]; $c['stores']['old'] = $s")
        self.fault("caches-reachable", mended=False, severity="note", what="'old'")
        self.edit_muc("$c['definitionmappings'][] = ['store' => 'old', 'definition' => 'core/string', 'sort' => 1]")
        self.fault("caches-reachable", mended=False, severity="error", what="'old'")

    def test_endpoint_as_one_server(self):
        announce_cluster(self.cache, Memcached(self))
        self.set_store("--servers", "endpoint")
        self.fault("caches-endpoint", what="of a cluster of 2 nodes")

    def test_a_node_less(self):
        second = Memcached(self)
        announce_cluster(self.cache, second)
        self.set_store()
        self.assertEqual(self.check(), {})
        announce_cluster(self.cache)
        self.fault("caches-drift", what=f"use {second.address}, which the cluster does not announce")

    def test_clustered_without_servers_to_write_to(self):
        self.edit_muc("$c['stores']['elasticache']['configuration']['clustered'] = true; "
                      "$c['stores']['elasticache']['configuration']['setservers'] = []")
        self.fault("caches-cluster", severity="error")


class Php(Planted):
    def test_opcache(self):
        """A mistake of moodle-opcache's list; the others are its own tests'."""
        self.write("etc/php/8.2/fpm/conf.d/99-zz.ini", "opcache.enable_file_override=60\n")
        self.fault("php-opcache", what="opcache.enable_file_override of php8.2-fpm is 60")
        self.assertIn("systemctl reload php8.2-fpm", self.stubs.calls())

    def test_times_are_not_looked_at(self):
        """A mistake, unless it was moodle-opcache that was told so."""
        self.write("etc/php/8.2/fpm/conf.d/99-zz.ini", "opcache.validate_timestamps=0\n")
        self.fault("php-opcache", what="opcache.validate_timestamps of php8.2-fpm is 0")
        self.ok("moodle-opcache", "write", "--config", self.config, "--etc", self.etc, "--immutable")
        self.assertEqual(self.check(), {})

    def test_mending_keeps_the_policy(self):
        self.ok("moodle-opcache", "write", "--config", self.config, "--etc", self.etc, "--immutable", "--headroom", "50")
        before = (self.fpm / "conf.d/99-moodle-opcache.ini").read_text()
        self.write("etc/php/8.2/fpm/conf.d/99-zz.ini", "opcache.save_comments=0\n")
        self.fault("php-opcache", what="opcache.save_comments")
        self.assertEqual((self.fpm / "conf.d/99-moodle-opcache.ini").read_text(), before)

    def test_what_was_measured_is_better_than_an_estimate(self):
        with open(self.write("site/large.php", ""), "ab") as large:
            large.truncate(100 << 20)
        self.assertEqual(list(self.check()), ["php-opcache"])
        self.ok("moodle-opcache", "write", "--config", self.config, "--etc", self.etc, "--opcache-script-bytes", "1000000",
                "--opcache-string-bytes", "100000")
        self.assertEqual(self.check(), {})

    def test_a_folder_of_a_php_that_was_removed(self):
        """In /etc, which is another one for this process."""
        script = f"mount --bind {self.etc}/php /etc/php && exec \"$@\""
        os.rename(self.etc / "php/8.2", self.etc / "php/9.9")
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", tool("moodle-check"), *self.arguments(etc=None), "-v"],
                              capture_output=True, text=True, check=False)
        self.assertRegex(done.stdout, "- +php-opcache +no PHP serves pages on this host", done.stderr)

    def test_lines_that_load_an_extension(self):
        for line in ("extension = \"memcached.so\" ; by hand", "extension=/usr/lib/php/memcached.so",
                     "extension=amazon-elasticache-cluster-client.so"):
            self.write("etc/php/8.2/fpm/conf.d/20-memcached.ini", f"{line}\n")
            self.assertEqual(self.check(), {})
        self.write("etc/php/8.2/fpm/conf.d/20-memcached.ini", ";extension=memcached.so\n")
        self.assertEqual(list(self.check()), ["php-extensions"])

    def test_extension(self):
        (self.fpm / "conf.d/20-memcached.ini").unlink()
        found = self.check()
        self.assertEqual(list(found), ["php-extensions"])
        self.assertEqual(found["php-extensions"][0]["mend"],
                         "apt-get install -y php8.2-memcached && phpenmod -v 8.2 -s fpm memcached && systemctl "
                         "reload php8.2-fpm")


class Efs(Planted):
    ELASTIC = "aws efs update-file-system --file-system-id fs-0123456789abcdef0 --throughput-mode elastic"

    def test_too_little_data(self):
        found = self.check(efs_size_bytes=5 << 30)
        self.assertEqual(list(found), ["efs-baseline"])
        self.assertEqual(found["efs-baseline"][0]["mend"], self.ELASTIC)
        self.assertEqual(self.check(efs_size_bytes=5 << 30, efs_throughput_mode="elastic"), {})

    def test_credits(self):
        for credits, severity in (("500GiB", "warning"), ("100GiB", "error")):
            found = self.check(efs_burst_credits=credits)
            self.assertEqual(list(found), ["efs-credits"])
            self.assertEqual(found["efs-credits"][0]["severity"], severity)


class Web(Planted):
    def test_slash(self):
        self.edit_config("'https://moodle.example.org'", "'https://moodle.example.org/'")
        self.fault("web-wwwroot", mended=False, what="ends with a slash")

    def test_another_address(self):
        self.fault("web-address", mended=False, site_url="https://other.example.org")

    def test_sslproxy_missing(self):
        self.edit_config("sslproxy  = true", "sslproxy  = false")
        self.fault("web-sslproxy", mended=False, what="is off", severity="warning")

    def test_sslproxy_without_https(self):
        self.edit_config("'https://moodle.example.org'", "'http://moodle.example.org'")
        self.fault("web-sslproxy", mended=False, what="is on", site_url="http://moodle.example.org")

    def test_reverseproxy(self):
        self.add_setting("$CFG->reverseproxy = true;")
        self.fault("web-reverseproxy", mended=False, severity="warning")


class Redis(Planted):
    redis = True

    def test_policy(self):
        self.sessions.command("CONFIG", "SET", "maxmemory", "100mb")
        self.sessions.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.fault("sessions-safe", mended=False, what="allkeys-lru")

    def test_policy_of_caches(self):
        self.cache.command("CONFIG", "SET", "maxmemory", "100mb")
        for policy in ("noeviction", "volatile-lru"):
            self.cache.command("CONFIG", "SET", "maxmemory-policy", policy)
            self.fault("caches-eviction", mended=False, what=policy)

    def test_settings_that_nobody_reads(self):
        self.edit_config("// moodle-session: end", "$CFG->session_redis_lock_retry = 50;\n// moodle-session: end")
        self.fault("sessions-settings", what="$CFG->session_redis_lock_retry is not read by Moodle 4.5.6")

    def test_what_is_set_besides_stays(self):
        """Whatever moodle-session can be told is in its command; where it cannot, there is none."""
        self.set_sessions("--database", "3", "--lock-expire", "600", "--serialiser", "igbinary", "--compressor", "gzip",
                          "--connection-timeout", "5", "--lock-warn", "20", "--prefix", "ours")
        before = self.php_cfg()
        self.edit_config("// moodle-session: end", "$CFG->session_redis_lock_retry = 50;\n// moodle-session: end")
        self.fault("sessions-settings", session_cache_endpoint=None, session_cache_engine=None)
        self.assertEqual(self.php_cfg(), before)
        self.edit_config("// moodle-session: end", "$CFG->session_redis_lock_retry = 50;\n// moodle-session: end")
        for line in ("$CFG->session_redis_encrypt = ['peer_name' => 'other'];", "$CFG->session_redis_compressor = 'lz4';",
                     "$CFG->session_redis_auth = ['user', 'password'];", "$CFG->session_redis_auth = 'password';"):
            with self.subTest(line):
                whole = self.config.read_text()
                self.edit_config("// moodle-session: end", f"{line}\n// moodle-session: end")
                self.assertEqual([one["mend"] for one in self.check("--timeout", 2)["sessions-settings"]], [None])
                self.config.write_text(whole)

    def test_servers_that_tell_no_run_id(self):
        """ElastiCache Serverless tells less than others: that does not make two of them one."""
        def serve(client):
            info = b"redis_version:7.1.0\r\nredis_mode:standalone\r\nrun_id:\r\n"
            while client.recv(4096):
                client.sendall(b"$%d\r\n%s\r\n" % (len(info), info))

        one, other = Server(self, serve), Server(self, serve)
        self.edit_config(f"session_redis_port = {self.sessions.port}", f"session_redis_port = {one.port}")
        self.edit_muc(f"$c['stores']['elasticache']['configuration']['server'] = '{other.address}'")
        self.assertNotIn("sessions-apart", self.check())

    def test_mended_without_facts(self):
        """The commands then name the servers in use."""
        self.edit_muc("$c['stores']['elasticache']['configuration']['connectiontimeout'] = null")
        self.fault("caches-timeout", app_cache_endpoint=None, app_cache_engine=None)

    def test_one_server_as_a_cluster(self):
        self.edit_config("session_redis_host = '127.0.0.1'", f"session_redis_host = '{self.sessions.address},{self.sessions.address}'")
        self.fault("sessions-endpoint", what="which is no cluster", severity="error")

    def test_endless_timeout(self):
        self.edit_muc("$c['stores']['elasticache']['configuration']['connectiontimeout'] = null")
        self.fault("caches-timeout")

    def test_memcached_store_in_a_moodle_without(self):
        self.edit_muc("$c['stores']['m'] = ['name' => 'm', 'plugin' => 'memcached', 'configuration' => [], 'features' => 20, "
                      "'modes' => 1, 'mappingsonly' => false, 'class' => 'cachestore_memcached', 'default' => false, "
                      "'lock' => 'cachelock_file_default']")
        self.fault("caches-plugin", what="of the kind memcached, which Moodle 4.5.6 does not have")

    def test_other_database_of_one_server(self):
        self.edit_config(f"session_redis_port = {self.sessions.port}", f"session_redis_port = {self.cache.port}")
        self.add_setting("$CFG->session_redis_database = 1;")
        self.edit_config("// moodle-session: end", "$CFG->session_redis_database = 1;\n// moodle-session: end")
        found = self.check(session_cache_endpoint=self.cache.address)
        self.assertEqual(list(found), ["sessions-apart"])
        self.assertEqual(found["sessions-apart"][0]["severity"], "warning")


class RedisOverTls(Planted):
    redis = True

    def start_servers(self):
        self.engine = "redis"
        self.authority = tls.Authority(self.dir)
        self.cache, self.sessions = RedisServer(self, tls=self.authority), RedisServer(self, tls=self.authority)

    def access(self):
        return ["--ca-file", self.authority.ca_file]

    def configure(self):
        self.options |= {"app-cache-tls": "true", "session-cache-tls": "true", "ca-file": self.authority.ca_file}
        super().configure()

    def test_nothing_is_wrong(self):
        self.assertEqual(self.check(), {})

    def test_sessions_do_not_verify(self):
        self.edit_config("'verify_peer' => true", "'verify_peer' => false")
        whole = self.config.read_text()
        self.config.write_text(whole.replace(f"'cafile' => '{self.authority.ca_file}'", ""))
        self.assertEqual(list(self.check(ca_file=None)), ["sessions-tls"])
        self.config.write_text(whole)
        self.fault("sessions-tls", what="turns the verification of the server off")

    def test_store_does_not_verify(self):
        self.edit_muc("$c['stores']['elasticache']['configuration']['cafile'] = ''")
        # Moodle uses it, whoever has signed its certificate.
        self.assertEqual(list(self.check(ca_file=None)), ["caches-tls"])
        self.fault("caches-tls", what="without a file of authorities")


class RedisNodes(Planted):
    redis = True

    def start_servers(self):
        self.engine = "redis"
        self.cluster = RedisCluster(self)
        self.cache, self.sessions = self.cluster.nodes[0], RedisServer(self)

    def servers(self, *addresses):
        lines = "\\n".join(addresses)
        self.edit_muc(f"$c['stores']['elasticache']['configuration']['server'] = \"{lines}\"")

    def test_some_nodes_are_enough(self):
        """The client learns of the others from any of them, whatever its name is."""
        self.assertEqual(self.check(), {})
        for servers in ([self.cache.address], [f"localhost:{self.cluster.nodes[1].port}"], self.cluster.addresses[:2]):
            self.servers(*servers)
            self.assertEqual(self.check(), {})
        stranger = RedisCluster(self, size=1).nodes[0]
        self.servers(self.cache.address, stranger.address)
        self.fault("caches-drift", what=f"use {stranger.address}, which the cluster does not announce")

    def test_a_node_as_one_server(self):
        self.edit_muc("$c['stores']['elasticache']['configuration']['clustermode'] = 0")
        self.servers(self.cluster.nodes[1].address)
        self.fault("caches-endpoint", what="a node of a cluster, as if it were one server", severity="error")


class Writes(CheckedSite):
    def test_it_only_reads(self):
        """With a role that may only read, and where nothing below the site can be written."""
        self.sql("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA public TO reader; "
                 "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        self.addCleanup(self.sql, "DROP OWNED BY reader; DROP ROLE reader")
        self.edit_config("'moodle';\n$CFG->dbpass", "'reader';\n$CFG->dbpass")
        before = {server.port: server.keys() for server in (self.cache, self.sessions)}
        self.assertEqual(self.check(), {})
        if os.geteuid() == 0:
            script = f"mount --bind {self.dir} {self.dir} && mount -o remount,ro,bind {self.dir} && exec \"$@\""
            done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", tool("moodle-check"), *self.arguments()],
                                  capture_output=True, text=True, check=False, cwd="/")
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertIn("0 errors, 0 warnings, 0 notes", done.stdout)
        self.assertEqual({server.port: server.keys() for server in (self.cache, self.sessions)}, before)


if __name__ == "__main__":
    main()
