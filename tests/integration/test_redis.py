"""moodle-muc and moodle-session with real Redis servers: plain, TLS, clusters, and those that cannot be
used; and with memcached where both kinds meet."""

import json
import re
import subprocess

import tls
from harness import ADVICE, facts, main, tool
from memcached import Memcached
from postgres import wait_until
from redis_server import RedisCluster, RedisServer
from site_folder import SiteTest, tree
from tcp_server import Server, answering, dripping, hold

MUC, SESSION = "moodle-muc", "moodle-session"
COMMANDS = (MUC, SESSION)
USE = {MUC: "app-cache", SESSION: "session-cache"}
FILE = {MUC: "DIR/data/muc/config.php", SESSION: "DIR/site/config.php"}
PASSWORD = "S3cret-pass-phrase-0123"
SHORT = ("--timeout", "0.5")


class CacheTest(SiteTest):
    """A Moodle 4.5 site, which keeps its caches in Redis only."""

    release = "4.5.6"
    servers_exist = True

    def setUp(self):
        super().setUp()
        self.use_release(self.release)
        self._authority = None

    def use_release(self, release):
        self.write("site/version.php", f"<?php\n$release = '{release} (Build: 20250811)';\n")
        self.write("site/cache/stores/redis/lib.php", "<?php\n")
        memcached = self.site / "cache/stores/memcached/lib.php"
        if release.startswith("4.1"):
            self.write(memcached.relative_to(self.dir), "<?php\n")
            self.write_muc("moodle-4.1-before.php")
        else:
            memcached.unlink(missing_ok=True)
            self.write_muc("moodle-4.5-before.php")

    @property
    def authority(self) -> tls.Authority:
        self._authority = self._authority or tls.Authority(self.dir)
        return self._authority

    def argv(self, command, *more, endpoint=None, nodes=(), engine="redis", ca_file=None, password=None):
        use = USE[command]
        argv = [command, "set", "--config", self.config, f"--{use}-engine", engine]
        argv += [f"--{use}-endpoint", endpoint] if endpoint else []
        for node in nodes:
            argv += [f"--{use}-node", node]
        argv += [f"--{use}-tls", "true", "--ca-file", ca_file] if ca_file else []
        argv += ["--password-file", self.write("password", password + "\nnot this\n")] if password else []
        argv += ["--force"] if command == SESSION else []
        return [*argv, *more]

    def sets(self, command, *more, result="changed", before="", **servers):
        """Runs `set` and compares everything that it says; `before` is what it says first."""
        wording = {"changed": "changed", "unchanged": "is as it should be"}[result]
        name = {MUC: "muc-result", SESSION: "session-result"}[command]
        self.expect(*self.argv(command, *more, **servers), out=facts(f"{name}={result}"),
                    err=f"{before}{command}: {FILE[command]} {wording}\n")

    def refused(self, command, *more, code, reason, **servers):
        """One error with the reason, perhaps after warnings, and nothing changed."""
        before = tree(self.site), tree(self.data)
        argv = self.argv(command, *more, **servers)
        result = self.expect(*argv, code=code, err=re.compile(
            rf"({command}: warning: [^\n]+\n)*{command}: error: [^\n]*{reason}[^\n]*\n({command}: hint: [^\n]+\n)?"))
        self.assertEqual((tree(self.site), tree(self.data)), before, "the files changed")
        self.assertNotIn(PASSWORD, result.err)

    def store(self, name="elasticache") -> dict | None:
        script = "define('MOODLE_INTERNAL', 1); include $argv[1]; echo json_encode($configuration['stores']);"
        done = subprocess.run(["php", "-r", script, self.muc], capture_output=True, check=True)
        return json.loads(done.stdout).get(name)

    def edit_muc(self, php: str):
        script = ("define('MOODLE_INTERNAL', 1); include $argv[1]; $c =& $configuration;" + php +
                  "file_put_contents($argv[1], \"<?php defined('MOODLE_INTERNAL') || die();\\n "
                  "\\$configuration = \" . var_export($configuration, true) . ';');")
        subprocess.run(["php", "-r", script, self.muc], check=True)

    def configure(self, text: str):
        """Settings of somebody else's in config.php."""
        self.config.write_text(self.config.read_text().replace("require_once", text + "\nrequire_once"))

    def sessions(self) -> dict:
        """What Moodle sees of its session settings."""
        return {key: value for key, value in self.php_cfg().items() if key.startswith("session_")}


class Written(CacheTest):
    FIXTURE = ("--servers", "endpoint", "--no-probe", "--prefix", "mdl_")

    def test_what_moodle_itself_wrote(self):
        self.sets(MUC, *self.FIXTURE, endpoint="127.0.0.1:6379")
        self.assertEqual(self.muc.read_bytes(), self.fixture("moodle-4.5-store-mapped.php"))
        self.sets(MUC, *self.FIXTURE, endpoint="127.0.0.1", engine="valkey", result="unchanged")
        self.expect(MUC, "remove", "--config", self.config, out=facts("muc-result=changed"),
                    err="moodle-muc: DIR/data/muc/config.php changed\n")
        self.assertEqual(self.muc.read_bytes(), self.fixture("moodle-4.5-before.php"))
        self.expect(MUC, "remove", "--config", self.config, out=facts("muc-result=unchanged"),
                    err="moodle-muc: DIR/data/muc/config.php is as it should be\n")

    def test_only_the_mapping_is_missing(self):
        self.write_muc("moodle-4.5-store-added.php")
        self.sets(MUC, "--servers", "endpoint", "--no-probe", endpoint="127.0.0.1:6379")
        self.assertEqual(self.muc.read_bytes(), self.fixture("moodle-4.5-store-mapped.php"))

    def test_a_single_server(self):
        server = RedisServer(self)
        for command in COMMANDS:
            self.write_muc("moodle-4.5-before.php")
            self.sets(command, endpoint=server.address)
            self.sets(command, endpoint=server.address, result="unchanged")
            if command == MUC:
                self.assertEqual(self.store()["configuration"], {
                    "server": server.address, "prefix": "", "password": "", "serializer": 1, "compressor": 0,
                    "connectiontimeout": 3, "encryption": 0, "cafile": "", "clustermode": 0})
        self.assertEqual(self.sessions(), {
            "session_handler_class": "\\core\\session\\redis", "session_redis_host": "127.0.0.1",
            "session_redis_port": server.port, "session_redis_prefix": "moodle_mdl_sess_",
            "session_redis_acquire_lock_timeout": 120})
        self.assertEqual(server.command("DBSIZE"), "0")  # the proof leaves nothing behind

    def test_tls_and_a_password(self):
        server = RedisServer(self, tls=self.authority, password=PASSWORD)
        given = {"endpoint": server.address, "ca_file": self.authority.ca_file, "password": PASSWORD}
        self.sets(MUC, **given)
        self.sets(MUC, **given, result="unchanged")
        configuration = self.store()["configuration"]
        self.assertEqual([configuration[key] for key in ("password", "encryption", "cafile", "clustermode")],
                         [PASSWORD, 1, str(self.authority.ca_file), 0])
        self.write_muc("moodle-4.5-before.php")
        self.sets(SESSION, **given)
        self.sets(SESSION, **given, result="unchanged")
        self.assertEqual({key: self.sessions()[f"session_redis_{key}"] for key in ("host", "auth", "encrypt")}, {
            "host": "127.0.0.1", "auth": PASSWORD,
            "encrypt": {"verify_peer": True, "verify_peer_name": True, "cafile": str(self.authority.ca_file)}})

    def test_a_relative_ca_file_is_written_as_an_absolute_one(self):
        server = RedisServer(self, tls=self.authority)
        self.write("ca.pem", self.authority.ca_file.read_text())
        self.sets(MUC, endpoint=server.address, ca_file="./ca.pem")
        self.assertEqual(self.store()["configuration"]["cafile"], str(self.dir / "ca.pem"))

    def test_a_cluster_gains_a_node(self):
        for arguments in ({}, {"tls": self.authority, "password": PASSWORD}):
            access = {"ca_file": self.authority.ca_file, "password": PASSWORD} if arguments else {}
            cluster = RedisCluster(self, **arguments)
            for command in COMMANDS:
                self.write_muc("moodle-4.5-before.php")
                self.write_config()
                result = "changed"
                for endpoint in cluster.addresses:  # each lists the nodes in an order of its own
                    self.sets(command, endpoint=endpoint, result=result, **access)
                    result = "unchanged"
                self.assertEqual(self.nodes(command), set(cluster.addresses))
                known = list(cluster.nodes)
                new = cluster.add_node(self, **arguments)
                self.sets(command, endpoint=known[0].address, **access)
                for node in known:
                    self.sets(command, endpoint=node.address, result="unchanged", **access)
                self.assertEqual(self.nodes(command), {*(node.address for node in known), new.address})

    def nodes(self, command) -> set:
        if command == MUC:
            self.assertEqual(self.store()["configuration"]["clustermode"], 1)
            return set(self.store()["configuration"]["server"].split("\n"))
        self.assertNotIn("session_redis_port", self.sessions())
        return set(self.sessions()["session_redis_host"].split(","))

    def test_nodes_that_are_given(self):
        cluster = RedisCluster(self)
        for command in COMMANDS:
            self.write_muc("moodle-4.5-before.php")
            self.sets(command, nodes=cluster.addresses[:2])
            self.sets(command, nodes=cluster.addresses[1::-1], result="unchanged")
            self.assertEqual(self.nodes(command), set(cluster.addresses[:2]))

    def test_a_node_that_is_given_twice_is_one(self):
        server = RedisServer(self)
        self.sets(MUC, nodes=[server.address, server.address])
        self.assertEqual([self.store()["configuration"][key] for key in ("server", "clustermode")], [server.address, 0])
        self.write_muc("moodle-4.5-before.php")
        self.sets(SESSION, nodes=[server.address, server.address])
        self.assertEqual(self.sessions()["session_redis_host"], "127.0.0.1")

    def test_the_advice_is_about_this_hosts_php(self):
        result = self.run_tool(*self.argv(MUC, *self.FIXTURE, endpoint="127.0.0.1:6379"))
        self.assertTrue(ADVICE.search(result.err), result.err)
        self.assertEqual(ADVICE.sub("", result.err), f"moodle-muc: {self.muc} changed\n")
        again = self.run_tool(*self.argv(MUC, *self.FIXTURE, endpoint="127.0.0.1:6379"))
        self.assertEqual(again.err, f"moodle-muc: {self.muc} is as it should be\n")


class Versions(CacheTest):
    """The refusals themselves are unit tests; here, that a command asks the tree and says it."""

    def test_what_this_moodle_cannot_do(self):
        server = RedisServer(self, tls=self.authority)
        given = {"endpoint": server.address, "ca_file": self.authority.ca_file}
        self.use_release("4.2.11")
        self.refused(MUC, code=78, reason=re.escape("Moodle 4.2.11 has no TLS in its Redis store"), **given)
        self.refused(SESSION, code=78, reason=re.escape("Moodle 4.2.11 cannot be given a file of authorities for its "
                                                        "session servers"), **given)
        cluster = RedisCluster(self)
        self.use_release("4.3.12")
        self.refused(MUC, code=78, reason="has no Redis cluster mode in its store", endpoint=cluster.addresses[0])
        self.refused(SESSION, code=78, reason="cannot keep sessions in a Redis cluster", endpoint=cluster.addresses[0])
        self.refused(MUC, code=78, reason="Moodle 4.3.12 has no memcached cache store", endpoint="127.0.0.1:1",
                     engine="memcached")

    def test_the_code_is_in_public_from_5_1_on(self):
        self.use_release("5.1.2")
        public = self.site / "public"
        public.mkdir()
        for name in ("lib", "cache", "version.php"):
            (self.site / name).rename(public / name)
        self.write_config(self.config.read_text().replace("/lib/setup.php", "/public/lib/setup.php"))
        self.write("site/public/config.php", "<?php\nrequire_once(__DIR__ . '/../config.php');\n")
        for command in COMMANDS:
            self.sets(command, "--servers", "endpoint", "--no-probe", endpoint=f"{USE[command]}.example.org")
        self.assertIn("connectiontimeout", self.store()["configuration"])
        self.assertEqual(self.sessions()["session_redis_host"], "session-cache.example.org")
        self.refused(MUC, "--store", "m", code=78, engine="memcached", endpoint="127.0.0.1:1",
                     reason="site/public/cache/stores/memcached/lib.php is not there")
        (public / "lib/classes/session/memcached.php").unlink()
        self.refused(SESSION, code=78, engine="memcached", endpoint="127.0.0.1:1",
                     reason="site/public/lib/classes/session/memcached.php is not there")
        self.config = public / "config.php"
        self.refused(SESSION, "--servers", "endpoint", "--no-probe", code=78, endpoint="s", reason="site/config.php does")

    def test_the_code_decides_where_it_is(self):
        """A release that is given, or a fact from before an upgrade, does not count then."""
        self.sets(MUC, "--moodle-version", "4.1", "--servers", "endpoint", "--no-probe", endpoint="c.example.org")
        self.assertIn("clustermode", self.store()["configuration"])
        self.refused(SESSION, "--moodle-version", "5.2", "--read-timeout", "4", "--servers", "endpoint", "--no-probe",
                     code=78, reason="Moodle 4.5.6 does not read session_redis_read_timeout", endpoint="s.example.org")

    def test_memcached_has_no_tls(self):
        for command in COMMANDS:
            self.refused(command, f"--{USE[command]}-tls", "true", code=78, reason="Moodle has no TLS to memcached",
                         endpoint="127.0.0.1:1", engine="memcached")

    def test_options_that_do_not_fit(self):
        for command in COMMANDS:
            self.refused(command, "--ca-file", "/ca.pem", code=64, endpoint="127.0.0.1:1",
                         reason=f"--ca-file is for servers with TLS, and --{USE[command]}-tls is not true")
            self.refused(command, code=64, endpoint="127.0.0.1:1", engine="keydb", reason="'keydb' is not a value for")
            self.refused(command, "--cluster", code=78, endpoint=RedisServer(self).address,
                         reason="is not in cluster mode, as --cluster says")


class Adopted(CacheTest):
    HAND_MADE = """$c['stores']['My Redis'] = ['name' => 'My Redis', 'plugin' => 'redis', 'configuration' =>
        ['server' => '%s', 'prefix' => 'ours_', 'serializer' => '2'], 'features' => 26, 'modes' => 3];"""

    def test_a_store_that_somebody_made(self):
        server = RedisServer(self)
        self.edit_muc(self.HAND_MADE % server.address)
        kept = "moodle-muc: the store 'My Redis' has these servers already and is kept in its place\n"
        self.sets(MUC, endpoint=server.address, before=kept)
        self.assertIsNone(self.store())
        self.assertEqual(self.store("My Redis")["configuration"], {
            "server": server.address, "prefix": "ours_", "password": "", "serializer": "2", "compressor": 0,
            "connectiontimeout": 3, "encryption": 0, "cafile": "", "clustermode": 0})
        self.sets(MUC, endpoint=server.address, before=kept, result="unchanged")
        self.expect(MUC, "show", "--config", self.config, out=re.compile(
            rf"#facts 1\n(muc-store=default_.*\n)+muc-store=My Redis redis {server.address}\nmuc-application=My Redis\n(.*\n)+"))

    def test_without_a_port(self):
        self.edit_muc(self.HAND_MADE % "Cache.Example.org")
        self.sets(MUC, "--servers", "endpoint", "--no-probe", endpoint="cache.example.org:6379",
                  before="moodle-muc: the store 'My Redis' has these servers already and is kept in its place\n")
        self.assertEqual(self.store("My Redis")["configuration"]["server"], "cache.example.org:6379")

    def test_a_memcached_store_of_moodles_page(self):
        self.use_release("4.1.10")
        memcached = Memcached(self)
        self.write_muc("moodle-4.1-store-added.php")
        self.edit_muc("$s = $c['stores']['elasticache']; unset($c['stores']['elasticache']); $s['name'] = 'Mem';"
                      "$s['configuration']['prefix'] = 'ours_'; $c['stores']['Mem'] = $s;"
                      "foreach (['servers', 'setservers'] as $k) {"
                      f"$c['stores']['Mem']['configuration'][$k] = [['127.0.0.1', '{memcached.port}']]; }}")
        before = self.store("Mem")
        kept = "moodle-muc: the store 'Mem' has these servers already and is kept in its place\n"
        self.sets(MUC, endpoint=memcached.address, engine="memcached", before=kept)
        self.assertEqual((self.store("Mem"), self.store()), (before, None))
        self.sets(MUC, endpoint=memcached.address, engine="memcached", before=kept, result="unchanged")

    def test_one_for_other_servers_is_left_alone(self):
        self.edit_muc(self.HAND_MADE % "other.example.org")
        before = self.store("My Redis")
        self.sets(MUC, endpoint=RedisServer(self).address)
        self.assertIsNotNone(self.store())
        after = self.store("My Redis")
        self.assertEqual({key: after[key] for key in before}, before)

    def test_session_settings_of_somebody_else(self):
        server = RedisServer(self)
        for name, text, elsewhere in (
            ("version 1", "$SessionEndpoint = 'old.example.org:11211';\nif ($SessionEndpoint != '') {\n"
             "$CFG->dbsessions = false;\n$CFG->session_handler_class = '\\core\\session\\memcached';\n"
             "$CFG->session_memcached_save_path = $SessionEndpoint;\n$CFG->session_memcached_prefix = 'memc.sess.key.';\n}",
             ["dbsessions", "session_handler_class", "session_memcached_save_path", "session_memcached_prefix"]),
            ("version 2", "$SessionsCacheType = 'Redis';\n$SessionEndpoint = 'old.example.org';\n"
             "if ($SessionEndpoint != '') {\n  $CFG->dbsessions = false;\n  if ($SessionsCacheType == 'Redis') {\n"
             "    $CFG->session_handler_class = '\\core\\session\\redis';\n    $CFG->session_redis_host = $SessionEndpoint;\n"
             "    $CFG->session_redis_encrypt = ['verify_peer' => false];\n    $CFG->session_redis_database = 3;\n  }\n}",
             ["dbsessions", "session_handler_class", "session_redis_host", "session_redis_encrypt",
              "session_redis_database"]),
        ):
            with self.subTest(form=name):
                self.write_config()
                self.configure(text)
                before = self.config.read_bytes()
                self.expect(SESSION, "show", "--config", self.config, out=re.compile(
                    r"#facts 1\nsession-handler=\w+\nsession-server=old.example.org:\d+\nsession-managed=false\n"
                    + "".join(f"session-elsewhere={key}\n" for key in elsewhere) + "#end\n"))
                self.sets(SESSION, endpoint=server.address)
                self.assertEqual({key: value for key, value in self.sessions().items() if "memcached" not in key}, {
                    "session_handler_class": "\\core\\session\\redis", "session_redis_host": "127.0.0.1",
                    "session_redis_port": server.port, "session_redis_prefix": "moodle_mdl_sess_",
                    "session_redis_acquire_lock_timeout": 120})
                self.sets(SESSION, endpoint=server.address, result="unchanged")
                self.expect(SESSION, "unset", "--config", self.config, out=facts("session-result=changed"),
                            err="moodle-session: DIR/site/config.php changed\n")
                self.assertEqual(self.config.read_bytes(), before)

    def test_the_same_by_hand_is_left_alone(self):
        server = RedisServer(self)
        self.configure("$CFG->session_handler_class = '\\\\core\\\\session\\\\redis';\n"
                       "$CFG->session_redis_host = '127.0.0.1';\n"
                       f"$CFG->session_redis_port = {server.port};\n$CFG->session_redis_prefix = 'p';\n"
                       "$CFG->session_redis_acquire_lock_timeout = 120;")
        self.sets(SESSION, "--prefix", "p", endpoint=server.address, result="unchanged")


class Shared(CacheTest):
    """One server for both is refused, however it is spelled."""

    def use_for_sessions(self, **servers):
        self.write_muc("moodle-4.5-before.php")
        self.write_config()
        self.sets(SESSION, **servers)

    def use_for_caches(self, **servers):
        self.write_config()
        self.write_muc("moodle-4.5-before.php")
        self.sets(MUC, **servers)

    def refused_for_both(self, used, given, *more):
        self.use_for_sessions(**used)
        self.refused(MUC, *more, code=78, reason="holds the site's sessions; caches would push them out", **given)
        self.use_for_caches(**used)
        self.refused(SESSION, *more, code=78, reason="is a server of the cache store 'elasticache', and no place for "
                                                     "sessions", **given)

    def test_name_and_address(self):
        server = RedisServer(self)
        named = f"localhost:{server.port}"
        self.refused_for_both({"endpoint": server.address}, {"endpoint": named})
        self.refused_for_both({"endpoint": named}, {"endpoint": server.address})
        self.refused_for_both({"endpoint": server.address}, {"endpoint": f"LocalHost:{server.port}"}, "--no-probe")

    def test_nodes_of_one_cluster(self):
        for arguments in ({}, {"tls": self.authority, "password": PASSWORD}):
            cluster = RedisCluster(self, **arguments)
            access = {"ca_file": self.authority.ca_file, "password": PASSWORD} if arguments else {}
            first, _, last = cluster.addresses
            self.refused_for_both({"endpoint": first, **access}, {"endpoint": last, **access})
            self.refused_for_both({"nodes": cluster.addresses[:2], **access}, {"endpoint": last, **access})

    def test_another_address_of_the_same_server(self):
        server = RedisServer(self, bind="127.0.0.1 127.0.0.2")
        self.refused_for_both({"endpoint": server.address}, {"endpoint": f"127.0.0.2:{server.port}"})

    def test_behind_the_scheme_of_old_moodles(self):
        server = RedisServer(self, tls=self.authority)
        self.configure("$CFG->session_handler_class = '\\core\\session\\redis';\n"
                       "$CFG->session_redis_host = 'tls://127.0.0.1';\n"
                       f"$CFG->session_redis_port = {server.port};")
        self.refused(MUC, code=78, reason="holds the site's sessions", endpoint=server.address,
                     ca_file=self.authority.ca_file)

    def test_another_database_is_only_warned_of(self):
        server = RedisServer(self)
        self.sets(SESSION, "--database", "2", endpoint=server.address)
        because = "share its memory and its eviction policy; sessions and application caches need a cluster each\n"
        self.sets(MUC, endpoint=server.address, before=f"moodle-muc: warning: {server.address} holds the site's "
                  f"sessions too, in database 2: they {because}")
        self.sets(SESSION, "--database", "3", endpoint=f"localhost:{server.port}",
                  before=f"moodle-session: warning: {server.address} is a server of the cache store 'elasticache' too: "
                         f"database 3 {because.replace('share ', 'shares ')}")
        self.refused(SESSION, code=78, reason="is a server of the cache store", endpoint=server.address)

    def test_memcached_nodes_and_endpoint(self):
        self.use_release("4.1.10")
        first, second = Memcached(self), Memcached(self)
        first.announce("1\n{}\n".format(" ".join(f"127.0.0.1|127.0.0.1|{node.port}"
                                                 for node in (first, second))).encode())
        self.sets(SESSION, nodes=[second.address], engine="memcached")
        for more in ((), ("--servers", "endpoint")):
            self.refused(MUC, *more, code=78, reason="holds the site's sessions; purging caches would end them all",
                         endpoint=first.address, engine="memcached")
        self.write_config()
        self.sets(MUC, "--servers", "endpoint", endpoint=first.address, engine="memcached")
        self.refused(SESSION, code=78, reason="purging caches would end them all", nodes=[f"localhost:{second.port}"],
                     engine="memcached")

    def test_two_servers_are_two(self):
        caches, sessions = RedisServer(self), RedisServer(self)
        self.sets(MUC, endpoint=caches.address)
        self.sets(SESSION, endpoint=sessions.address)
        self.sets(MUC, endpoint=caches.address, result="unchanged")


class Evicting(CacheTest):
    def test_policies(self):
        for policy, warns in (("allkeys-lru", True), ("allkeys-random", True), ("volatile-lru", False),
                              ("noeviction", False)):
            with self.subTest(policy=policy):
                server = RedisServer(self, maxmemory="100mb", maxmemory_policy=policy)
                self.write_config()
                self.write_muc("moodle-4.5-before.php")
                self.sets(SESSION, endpoint=server.address, before=(
                    f"moodle-session: warning: {server.address} evicts any key when its memory is full (maxmemory-policy "
                    f"{policy}): that ends sessions; noeviction does not\n") if warns else "")
                self.write_config()
                self.sets(MUC, endpoint=server.address)


class Unusable(CacheTest):
    """Every server that cannot be used is refused by both commands, whether it is asked first (auto) or
    only when it has to prove itself (endpoint)."""

    def both_refused(self, server, *more, code, reason, **access):
        for command in COMMANDS:
            for choice in ("auto", "endpoint"):
                with self.subTest(command=command, servers=choice):
                    self.refused(command, "--servers", choice, *more, code=code, reason=reason, endpoint=server, **access)

    def test_wrong_authority(self):
        other = tls.Authority(self.dir, "Another Authority").ca_file
        self.both_refused(RedisServer(self, tls=self.authority).address, code=78, ca_file=other,
                          reason="is not trusted: its certificate comes from 'Test Authority', which the CA file")

    def test_expired_certificate(self):
        certificate = self.authority.issue(end="20240229120000Z")
        self.both_refused(RedisServer(self, tls=self.authority, certificate=certificate).address, code=78,
                          ca_file=self.authority.ca_file, reason="its certificate expired on 2024-02-29")

    def test_wrong_host_name(self):
        certificate = self.authority.issue("DNS:cache.example.org")
        self.both_refused(RedisServer(self, tls=self.authority, certificate=certificate).address, code=78,
                          ca_file=self.authority.ca_file, reason="its certificate is for cache.example.org, not for "
                                                                 "127.0.0.1")

    def test_a_ca_file_that_is_none(self):
        server = RedisServer(self, tls=self.authority).address
        self.both_refused(server, code=66, ca_file=self.dir / "missing.pem", reason="missing.pem")
        self.both_refused(server, code=65, ca_file=self.write("text.pem", "no certificate\n"), reason="text.pem")

    def test_passwords(self):
        server = RedisServer(self, password=PASSWORD).address
        self.both_refused(server, code=77, password="wrong-" + PASSWORD[::-1],
                          reason="does not accept the user or the password")
        self.both_refused(server, code=77, reason="wants a password")
        self.both_refused(RedisServer(self).address, code=78, password=PASSWORD,
                          reason="has no password set, and was given one")

    def test_password_files(self):
        server = RedisServer(self).address
        for content, reason in (("\n", "no password in its first line"), ("", "no password in its first line"), ("caf\u00e9 12345\n", "printable ASCII")):
            path = self.write("bad-password", content)
            self.both_refused(server, "--password-file", path, code=65, reason=reason)
        self.both_refused(server, "--password-file", self.dir / "none", code=66, reason="No such file")

    def test_read_only_replica(self):
        replica = RedisServer(self, replica_of=RedisServer(self))
        self.both_refused(replica.address, code=78, reason="is a read-only replica")

    def test_a_version_that_moodle_refuses(self):
        info = b"redis_version:5.0.0\r\nredis_mode:standalone\r\nrole:master\r\nrun_id:1\r\n"
        server = Server(self, answering(b"", b"", b"$%d\r\n%s\r\n" % (len(info), info)))
        self.refused(SESSION, "--servers", "endpoint", code=78, endpoint=server.address,
                     reason=f"{server.address} is Redis 5.0.0, and Moodle 4.5.6 keeps sessions only in one above 5.0.0")

    def test_out_of_memory(self):
        self.both_refused(RedisServer(self, maxmemory=1, maxmemory_policy="noeviction").address, code=78,
                          reason="has no memory left and evicts nothing")

    def test_a_byte_now_and_then(self):
        server = Server(self, dripping(b"$400\r\n" + b"x" * 400, 0.05))
        self.both_refused(server.address, *SHORT, code=69, reason=r"within 0\.5 s")

    def test_never_answers(self):
        self.both_refused(Server(self, hold).address, *SHORT, code=69, reason=r"within 0\.5 s")

    def test_closes_at_once(self):
        self.both_refused(Server(self, lambda connection: None).address, code=69,
                          reason="(closed the connection|Connection reset)")

    def test_nobody_listens(self):
        server = RedisServer(self)
        server.stop()
        self.both_refused(server.address, code=69, reason="Connection refused")

    def test_http(self):
        server = Server(self, answering(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
        self.both_refused(server.address, *SHORT, code=65, reason="")

    def test_memcached_for_redis(self):
        self.both_refused(Memcached(self).address, *SHORT, code=65, reason="")

    def test_redis_for_memcached(self):
        self.use_release("4.1.10")
        server = RedisServer(self).address
        for command in COMMANDS:
            for choice in ("auto", "endpoint"):
                self.refused(command, "--servers", choice, *SHORT, code=65, reason="", endpoint=server,
                             engine="memcached")

    def test_tls_port_without_tls(self):
        self.both_refused(RedisServer(self, tls=self.authority).address, *SHORT, code=69, reason="")

    def test_plain_port_with_tls(self):
        self.both_refused(RedisServer(self).address, *SHORT, code=69, ca_file=self.authority.ca_file,
                          reason="no answer from .* to the beginning of TLS")

    def test_one_bad_node_is_enough(self):
        cluster = RedisCluster(self)
        gone = RedisServer(self, cluster=True)
        gone.stop()
        for command in COMMANDS:
            self.refused(command, nodes=[*cluster.addresses, gone.address], code=69, reason=f"{gone.address}.*refused")

    def test_a_cluster_that_is_taken_for_a_single_server(self):
        node = RedisCluster(self).addresses[0]
        for command in COMMANDS:
            self.refused(command, "--servers", "endpoint", endpoint=node, code=78, reason="is a node of a cluster")


class Secret(CacheTest):
    def test_it_is_only_where_it_has_to_be(self):
        server = RedisServer(self, password=PASSWORD)
        for command in COMMANDS:
            self.write_config()
            self.write_muc("moodle-4.5-before.php")
            argv = self.argv(command, endpoint=server.address, password=PASSWORD)
            for more in (["--dry-run", "-v"], ["--check", "-v"], ["-v"], []):
                result = self.run_tool(*argv, *more)
                self.assertNotIn(PASSWORD, result.out + result.err)
            show = self.run_tool(command, "show", "-v", "--config", self.config)
            self.assertEqual(show.code, 0)
            self.assertNotIn(PASSWORD, show.out + show.err)
            target = self.muc if command == MUC else self.config
            self.assertIn(PASSWORD, target.read_text())

    def test_a_diff_shows_what_is_in_the_file(self):
        server = RedisServer(self, password=PASSWORD)
        for command in COMMANDS:
            result = self.run_tool(*self.argv(command, "--diff", endpoint=server.address, password=PASSWORD))
            self.assertIn(PASSWORD, result.out)
            self.assertNotIn(PASSWORD, result.err)

    def test_no_process_shows_it(self):
        for command in COMMANDS:
            asked = []
            server = Server(self, lambda connection, asked=asked: (asked.append(1), hold(connection)))
            argv = self.argv(command, "--timeout", "30", endpoint=server.address, password=PASSWORD)
            process = subprocess.Popen([tool(argv[0]), *map(str, argv[1:])], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_until(lambda asked=asked: asked, "the command asks")
                children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True,
                                          check=False).stdout.split()
                for pid in (process.pid, *children):
                    for name in ("cmdline", "environ"):
                        with open(f"/proc/{pid}/{name}", "rb") as file:
                            self.assertNotIn(PASSWORD.encode(), file.read())
            finally:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
