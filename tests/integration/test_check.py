"""moodle-check: each fault, planted into a healthy site, is found by its own check and by no other, and
what is printed mends it."""

import os
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
        found = self.check()
        self.assertEqual(list(found), ["folders-dataroot"])
        self.assertIn("caches-file", self.states("not-possible"))
        self.mend(found["folders-dataroot"])
        self.assertTrue(self.data.is_dir())

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
        self.fault("sessions-drift", session_cache_endpoint=Memcached(self).address)

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

    def test_extension(self):
        (self.fpm / "conf.d/20-memcached.ini").unlink()
        found = self.check()
        self.assertEqual(list(found), ["php-extensions"])
        self.assertEqual(found["php-extensions"][0]["mend"],
                         "apt-get install php8.2-memcached && phpenmod -v 8.2 -s fpm memcached && systemctl "
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
        self.fault("web-sslproxy", mended=False, what="is off")

    def test_sslproxy_without_https(self):
        self.edit_config("'https://moodle.example.org'", "'http://moodle.example.org'")
        self.fault("web-sslproxy", mended=False, what="is on", site_url="http://moodle.example.org")

    def test_reverseproxy(self):
        self.add_setting("$CFG->reverseproxy = true;")
        self.fault("web-reverseproxy", mended=False)


class Redis(Planted):
    redis = True

    def test_policy(self):
        self.sessions.command("CONFIG", "SET", "maxmemory", "100mb")
        self.sessions.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.fault("sessions-safe", mended=False, what="allkeys-lru")

    def test_policy_of_caches(self):
        self.cache.command("CONFIG", "SET", "maxmemory", "100mb")
        self.fault("caches-eviction", mended=False, what="noeviction")

    def test_settings_that_nobody_reads(self):
        self.edit_config("// moodle-session: end", "$CFG->session_redis_lock_retry = 50;\n// moodle-session: end")
        self.fault("sessions-settings", what="$CFG->session_redis_lock_retry is not read by Moodle 4.5.6")

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
        self.fault("sessions-tls", what="turns the verification of the server off")

    def test_store_does_not_verify(self):
        self.edit_muc("$c['stores']['elasticache']['configuration']['cafile'] = ''")
        self.fault("caches-tls", what="without a file of authorities")


class RedisNodes(Planted):
    redis = True

    def start_servers(self):
        self.engine = "redis"
        self.cluster = RedisCluster(self)
        self.cache, self.sessions = self.cluster.nodes[0], RedisServer(self)

    def test_a_node_more(self):
        self.assertEqual(self.check(), {})
        node = self.cluster.add_node(self)
        self.fault("caches-drift", what=f"do not use {node.address}")


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
