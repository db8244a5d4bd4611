"""moodle-muc against the cache configurations that Moodle wrote, and a real memcached."""

import json
import re
import socket
import subprocess
import threading

from harness import FIXTURES, facts, main, tool
from postgres import free_port, wait_until
from site_folder import SiteTest, moodle_write

ENDPOINT = ("--servers", "endpoint", "--no-probe", "--app-cache-endpoint", "127.0.0.1:11311")
CHANGED = facts("muc-result=changed")
UNCHANGED = facts("muc-result=unchanged")
PLANNED = facts("muc-result=planned")
DID = "moodle-muc: DIR/data/muc/config.php changed\n"
WOULD = "moodle-muc: DIR/data/muc/config.php would change\n"
SAME = "moodle-muc: DIR/data/muc/config.php is as it should be\n"
BEFORE = "moodle-4.1-before.php"
MAPPED = "moodle-4.1-store-mapped.php"
REFUSED = re.compile(r"moodle-muc: error: [^\n]+\n(moodle-muc: hint: [^\n]+\n)?")


class MucTest(SiteTest):
    def muc_set(self, *options, **wanted):
        wanted = {"out": CHANGED, "err": DID} | wanted
        return self.expect("moodle-muc", "set", *options, "--config", self.config, **wanted)

    def muc_remove(self, *options, **wanted):
        wanted = {"out": CHANGED, "err": DID} | wanted
        return self.expect("moodle-muc", "remove", *options, "--config", self.config, **wanted)

    def configuration(self) -> dict:
        """The file as the real php sees it; objects keep the order."""
        script = ("define('MOODLE_INTERNAL', 1); include $argv[1];"
                  "echo json_encode($configuration, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);")
        done = subprocess.run(["php", "-r", script, str(self.muc)], capture_output=True, check=True)
        return json.loads(done.stdout)

    def moodle_text(self) -> bytes:
        """What Moodle's own writer would write for what is in the file."""
        script = ("define('MOODLE_INTERNAL', 1); include $argv[1]; echo \"<?php defined('MOODLE_INTERNAL')"
                  " || die();\\n \\$configuration = \" . var_export($configuration, true) . ';';")
        return subprocess.run(["php", "-r", script, str(self.muc)], capture_output=True, check=True).stdout

    def chain(self, mode: int = 1) -> list:
        mappings = [m for m in self.configuration()["modemappings"] if m["mode"] == mode]
        return [m["store"] for m in sorted(mappings, key=lambda m: m["sort"])]

    def store(self, name: str = "elasticache") -> dict:
        return self.configuration()["stores"][name]["configuration"]


class Fixtures(MucTest):
    def test_what_moodle_itself_wrote(self):
        self.muc_set(*ENDPOINT)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))
        self.muc_set(*ENDPOINT, out=UNCHANGED, err=SAME)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))
        self.muc_remove()
        self.assertEqual(self.muc.read_bytes(), self.fixture(BEFORE))
        self.muc_remove(out=UNCHANGED, err=SAME)
        self.assertFalse(self.lock.exists())

    def test_only_the_mapping_is_missing(self):
        self.write_muc("moodle-4.1-store-added.php")
        self.muc_set(*ENDPOINT)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))

    def test_diff_is_what_patch_makes_of_it(self):
        for verb, start, end in (("set", BEFORE, MAPPED), ("remove", MAPPED, BEFORE)):
            self.write_muc(start)
            options = ENDPOINT if verb == "set" else ()
            diff = self.expect_untouched("moodle-muc", verb, *options, "--diff", "--config", self.config,
                                         out=re.compile(r"--- aDIR/data/muc/config.php\n\+\+\+ bDIR/data/muc/config.php\n@@.*", re.DOTALL)).out
            subprocess.run(["patch", "-s", "-p1", "-d", "/"], input=diff.encode(), check=True)
            self.assertEqual(self.muc.read_bytes(), self.fixture(end))
        self.expect_untouched("moodle-muc", "remove", "--diff", "--config", self.config,
                              err=SAME)

    def test_dry_run_and_check_write_nothing(self):
        for option, code in (("--dry-run", 0), ("--check", 1)):
            out = PLANNED if code == 0 else PLANNED.replace("#end\n", "")
            self.expect_untouched("moodle-muc", "set", *ENDPOINT, option, "--config", self.config, code=code,
                                  out=out, err=WOULD)
        self.muc_set(*ENDPOINT)
        for option in ("--dry-run", "--check"):
            self.expect_untouched("moodle-muc", "set", *ENDPOINT, option, "--config", self.config,
                                  out=UNCHANGED, err=SAME)

    def test_the_fixtures_are_what_moodle_would_write(self):
        for path in sorted((FIXTURES / "muc").glob("*.php")):
            self.write_muc(path.name)
            self.assertEqual(self.moodle_text(), path.read_bytes())


class Kept(MucTest):
    """What is not named stays, whatever it is."""

    def edit_muc(self, php: str):
        script = ("define('MOODLE_INTERNAL', 1); include $argv[1]; $c =& $configuration;" + php +
                  "file_put_contents($argv[1], \"<?php defined('MOODLE_INTERNAL') || die();\\n "
                  "\\$configuration = \" . var_export($configuration, true) . ';');")
        subprocess.run(["php", "-r", script, str(self.muc)], check=True)

    def test_other_stores_definitions_mappings_and_locks(self):
        self.edit_muc("""
          $c['stores']['my redis'] = ['name' => 'my redis', 'plugin' => 'redis', 'configuration' =>
            ['server' => "it's\\\\ \\0here\\n", 'weights' => [1.5, -0.0, 1e100, PHP_INT_MIN, null, true, 'é€', "\\xff"]],
            'features' => 26, 'modes' => 3, 'mappingsonly' => true, 'class' => 'cachestore_redis', 'default' => false,
            'lock' => 'my lock'];
          $c['locks']['my lock'] = ['name' => 'my lock', 'type' => 'cachelock_file', 'dir' => 'x', 'default' => false];
          $c['definitionmappings'] = [3 => ['store' => 'my redis', 'definition' => 'core/string', 'sort' => 1]];
          $c['definitions']['local_x/y'] = ['mode' => 1, 'x' => ['a' => ['b' => ['c' => []]]], 'sharingoptions' => 7,
            'selectedsharingoption' => 4, 'userinputsharingkey' => 'k'];
          $c['modemappings'][] = ['store' => 'my redis', 'mode' => 2, 'sort' => 1];
          $c['unknown'] = ['kept' => 'too'];""")
        before = self.muc.read_bytes()
        self.muc_set(*ENDPOINT)
        self.assertEqual(self.muc.read_bytes(), self.moodle_text())
        self.assertEqual(self.chain(1), ["elasticache"])
        self.assertEqual(self.chain(2), ["default_session", "my redis"])
        self.muc_remove()
        self.assertEqual(self.moodle_text(), self.muc.read_bytes())
        self.assertEqual(self.muc.read_bytes().replace(b" ", b"").count(b"'myredis'"),
                         before.replace(b" ", b"").count(b"'myredis'"))
        self.edit_muc("$c['modemappings'] = [];")
        after = self.muc.read_bytes()
        self.muc.write_bytes(before)
        self.edit_muc("$c['modemappings'] = [];")
        self.assertEqual(after, self.muc.read_bytes(), "something but the mappings changed")

    def test_the_store_is_edited_in_its_place_and_keeps_its_settings(self):
        self.muc_set(*ENDPOINT, "--prefix", "moodle-1_", "--compression", "off", "--serialiser", "igbinary")
        self.edit_muc("$c['stores']['elasticache']['configuration']['isshared'] = 1;"
                      "$c['locks']['other'] = array_merge($c['locks']['cachelock_file_default'], ['default' => false]);"
                      "$c['stores']['elasticache']['lock'] = 'other';"
                      "$c['stores']['last'] = array_merge($c['stores']['elasticache'], ['name' => 'last']);")
        order = list(self.configuration()["stores"])
        self.muc_set("--servers", "nodes", "--no-probe", "--app-cache-node", "10.0.0.1", "--app-cache-node", "10.0.0.2:11212",
                     "--weight", "10.0.0.2:11212=3")
        self.assertEqual(list(self.configuration()["stores"]), order)
        self.assertEqual(self.store(), {
            "servers": [["10.0.0.1", "11211"], ["10.0.0.2", "11212", "3"]], "compression": 0, "serialiser": 2,
            "prefix": "moodle-1_", "hash": 0, "bufferwrites": 0, "clustered": False, "setservers": [],
            "isshared": 1})
        self.assertEqual(self.configuration()["stores"]["elasticache"]["lock"], "other")
        self.muc_set("--no-probe", "--app-cache-node", "10.0.0.1", "--prefix", "", "--compression", "on", "--serialiser", "php")
        self.assertEqual([self.store()[key] for key in ("prefix", "compression", "serialiser")], ["", 1, 1])

    def test_a_store_whose_key_is_not_its_name(self):
        self.muc_set(*ENDPOINT)
        self.edit_muc("$c['stores']['key'] = $c['stores']['elasticache']; unset($c['stores']['elasticache']);")
        self.muc_set("--servers", "endpoint", "--no-probe", "--app-cache-endpoint", "127.0.0.1:11312")
        stores = self.configuration()["stores"]
        self.assertNotIn("elasticache", stores)
        self.assertEqual(stores["key"]["configuration"]["servers"], [["127.0.0.1", "11312"]])
        self.muc_remove()
        self.assertEqual(self.muc.read_bytes(), self.fixture(BEFORE))

    def test_stores_with_other_names(self):
        for name in ("cache 1", "A-b_c", "123", "0", "-7", "007", "9223372036854775808", "x" * 100):
            with self.subTest(name=name):
                self.muc_set(*ENDPOINT, f"--store={name}")
                self.assertEqual(self.muc.read_bytes(), self.moodle_text())
                self.assertEqual(self.chain(), [name])
                self.muc_set(*ENDPOINT, f"--store={name}", out=UNCHANGED, err=SAME)
                self.muc_remove(f"--store={name}")
                self.assertEqual(self.muc.read_bytes(), self.fixture(BEFORE))

    def test_default_stores_are_refused(self):
        for verb, options in (("set", ENDPOINT), ("remove", ())):
            for name in ("default_application", "default_session", "default_request"):
                self.expect_untouched(
                    "moodle-muc", verb, *options, "--store", name, "--config", self.config, code=78,
                    err=f"moodle-muc: error: '{name}' is one of Moodle's own default stores\n"
                        "moodle-muc: hint: choose another name with --store\n")

    def test_a_store_of_another_kind_is_refused(self):
        self.write_muc("moodle-4.5-store-mapped.php")
        self.expect_untouched("moodle-muc", "set", *ENDPOINT, "--config", self.config, code=78,
                              err="moodle-muc: error: the store 'elasticache' is there already, of the kind redis\n"
                                  "moodle-muc: hint: choose another name with --store, or remove that store first\n")
        self.muc_remove()
        self.assertEqual(self.muc.read_bytes(), self.fixture("moodle-4.5-before.php"))


class Chains(MucTest):
    def test_chains(self):
        self.muc_set(*ENDPOINT, "--map", "application=elasticache,default_application")
        self.assertEqual(self.chain(), ["elasticache", "default_application"])
        self.assertEqual([m["sort"] for m in self.configuration()["modemappings"]], [0, 1, 0, 0])
        # The first choice already: the fallback that was asked for stays.
        self.muc_set(*ENDPOINT, out=UNCHANGED, err=SAME)
        self.muc_set(*ENDPOINT, "--map", "application=default_application,elasticache")
        self.assertEqual(self.chain(), ["default_application", "elasticache"])
        self.muc_set(*ENDPOINT)
        self.assertEqual(self.chain(), ["elasticache"])
        self.muc_set(*ENDPOINT, "--map", "application=default_application")
        self.assertEqual(self.chain(), ["default_application"])
        self.muc_set(*ENDPOINT, "--map", "session=default_session,default_application", "--map",
                     "application=elasticache,default_application")
        self.assertEqual(self.chain(2), ["default_session", "default_application"])
        self.muc_remove()
        self.assertEqual(self.chain(), ["default_application"])
        self.assertEqual(self.chain(2), ["default_session", "default_application"])

    def test_chains_that_cannot_be(self):
        for code, maps in ((78, ["application=missing"]), (78, ["session=elasticache"]),
                           (78, ["request=default_application"]), (78, ["application=elasticache,elasticache"]),
                           (64, ["application"]), (64, ["application="]), (64, ["application=a,,b"]),
                           (64, ["=elasticache"]), (64, ["all=elasticache"]),
                           (64, ["application=elasticache", "application=default_application"])):
            options = [word for text in maps for word in ("--map", text)]
            self.expect_untouched("moodle-muc", "set", *ENDPOINT, *options, "--config", self.config, code=code,
                                  err=REFUSED)

    def test_what_moodle_makes_first(self):
        """Its mappings have another order of keys, and the position -1."""
        text = self.fixture(BEFORE).decode()
        text = re.sub(r"'store' => ('default_\w+'),\n      'mode' => (\d),\n      'sort' => 0",
                      r"'mode' => \2,\n      'store' => \1,\n      'sort' => -1", text)
        self.assertIn("'sort' => -1", text)
        self.muc.write_text(text)
        self.expect("moodle-muc", "show", "--config", self.config, out=facts(
            "muc-store=default_application file", "muc-store=default_session session",
            "muc-store=default_request static", "muc-application=default_application",
            "muc-session=default_session", "muc-request=default_request"))
        self.muc_set(*ENDPOINT)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))

    def test_a_mapping_to_a_store_that_is_gone(self):
        self.muc.write_bytes(self.fixture(BEFORE).replace(b"'store' => 'default_application'",
                                                          b"'store' => 'gone'"))
        self.muc_set(*ENDPOINT, "--map", "session=default_session")
        self.assertEqual(self.chain(), [])
        self.muc_set(*ENDPOINT)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))

    def test_names_that_are_no_text(self):
        self.muc.write_bytes(self.fixture(MAPPED).replace(b"'elasticache'", b"'a\n\xff'"))
        self.expect("moodle-muc", "show", "--config", self.config,
                    out=re.compile(r"(.*\n)*muc-application=a\\x0a\\xff\n(.*\n)*"))

    def test_another_place(self):
        for name, made in (("alt", "alt/cacheconfig.php"), ("other.php", "other.php")):
            self.write(made, self.fixture(BEFORE))
            self.write_config()
            self.config.write_text(self.config.read_text().replace(
                "require_once", f"$CFG->altcacheconfigpath = '{self.dir}/{name}';\nrequire_once"))
            self.muc_set(*ENDPOINT, err=f"moodle-muc: DIR/{made} changed\n")
            self.assertEqual((self.dir / made).read_bytes(), self.fixture(MAPPED))
        self.assertEqual(self.muc.read_bytes(), self.fixture(BEFORE))
        # Moodle passes over a place whose folder is not there.
        self.write_config()
        self.config.write_text(self.config.read_text().replace(
            "require_once", f"$CFG->altcacheconfigpath = '{self.dir}/gone/other.php';\nrequire_once"))
        self.muc_set(*ENDPOINT)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))

    def test_values_that_the_file_computes_are_not_frozen(self):
        computed = self.fixture(MAPPED).replace(b"'prefix' => ''", b"'prefix' => getenv('SITE') ?: ''")
        self.assertNotEqual(computed, self.fixture(MAPPED))
        self.muc.write_bytes(computed)
        line = computed.split(b"getenv")[0].count(b"\n") + 1
        self.expect_untouched("moodle-muc", "remove", "--config", self.config, code=78,
                              err=re.compile(f"moodle-muc: error: .*: line {line} computes a value, .*\nmoodle-muc: hint: .*\n"))
        self.expect("moodle-muc", "show", "--config", self.config, out=re.compile("(.*\n)*muc-application=elasticache\n(.*\n)*"),
                    err=re.compile(f"moodle-muc: warning: .*: line {line} computes a value: .*\n"))

    def test_show(self):
        self.write_muc(MAPPED)
        self.expect("moodle-muc", "show", "--config", self.config, out=facts(
            "muc-store=default_application file", "muc-store=default_session session",
            "muc-store=default_request static", "muc-store=elasticache memcached 127.0.0.1:11311",
            "muc-application=elasticache", "muc-session=default_session", "muc-request=default_request"))


class Servers(MucTest):
    def memcached(self) -> int:
        port = free_port()
        process = subprocess.Popen(["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        wait_until(lambda: self.answer(port, b"version\r\n"), "memcached answers")
        return port

    @staticmethod
    def answer(port: int, request: bytes) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.sendall(request)
                return connection.recv(4096)
        except ConnectionRefusedError:
            return b""

    def test_nodes_by_discovery(self):
        port = self.memcached()
        payload = f"12\n|127.0.0.1|{port} |127.0.0.2|{port}\n\r\n".encode()
        self.assertEqual(self.answer(port, b"set AmazonElastiCache:cluster 0 0 %d\r\n%s\r\n"
                                     % (len(payload), payload)), b"STORED\r\n")
        nodes = [["127.0.0.1", str(port)], ["127.0.0.2", str(port)]]
        for choice in ("nodes", "auto"):
            self.write_muc(BEFORE)
            self.muc_set("--servers", choice, "--no-probe", "--app-cache-endpoint", f"127.0.0.1:{port}")
            self.assertEqual([self.store()[key] for key in ("servers", "clustered", "setservers")],
                             [nodes, False, []])

    def test_a_plain_memcached_is_its_own_endpoint(self):
        port = self.memcached()
        self.muc_set("--app-cache-endpoint", f"127.0.0.1:{port}")
        self.assertEqual([self.store()[key] for key in ("servers", "clustered", "setservers")],
                         [[["127.0.0.1", str(port)]], True, [["127.0.0.1", str(port)]]])
        self.muc_set("--app-cache-endpoint", f"127.0.0.1:{port}", "--servers", "nodes")
        self.assertEqual([self.store()[key] for key in ("servers", "clustered", "setservers")],
                         [[["127.0.0.1", str(port)]], False, []])

    def test_servers_of_sessions_are_refused(self):
        for key, value, options in (
                ("memcached_save_path", "other:1, Sessions.example.org:11211", ["--app-cache-endpoint", "sessions.example.org"]),
                ("memcached_save_path", "10.0.0.2", ["--app-cache-node", "10.0.0.1", "--app-cache-node", "10.0.0.2:11211"]),
                ("redis_host", "10.0.0.2", ["--app-cache-node", "10.0.0.2:6379"])):
            handler = key.split("_")[0]
            self.write_config()
            self.config.write_text(self.config.read_text().replace(
                "require_once", f"$CFG->session_handler_class = '\\core\\session\\{handler}';\n"
                                f"$CFG->session_{key} = '{value}';\nrequire_once"))
            more = ["--servers", "endpoint"] if "--app-cache-endpoint" in options else []
            self.expect_untouched(
                "moodle-muc", "set", *options, *more, "--no-probe", "--config", self.config, code=78,
                err=re.compile(r"moodle-muc: error: \S+:\d+ holds the site's sessions; purging caches would end them "
                               r"all\nmoodle-muc: hint: [^\n]+\n"))
        # Settings of a handler that is not in use do not count.
        self.config.write_text(self.config.read_text().replace("session\\redis", "session\\file"))
        self.muc_set("--no-probe", "--app-cache-node", "10.0.0.2:6379")

    def test_a_moodle_without_the_plugin(self):
        hint = ("moodle-muc: hint: Moodle 4.2 and later cache in Redis or Valkey; 'moodle-session set' can still "
                "keep sessions in memcached\n")
        (self.site / "cache/stores/memcached/lib.php").unlink()
        self.expect_untouched("moodle-muc", "set", *ENDPOINT, "--config", self.config, code=78,
                              err="moodle-muc: error: Moodle 4.1.10 has no memcached cache store: DIR/site/cache/stores/"
                                  "memcached/lib.php is not there (Moodle 4.2 removed it, MDL-77161)\n" + hint)
        (self.site / "version.php").unlink()
        self.expect_untouched("moodle-muc", "set", *ENDPOINT, "--config", self.config, code=78,
                              err="moodle-muc: error: cannot tell whether the site's Moodle has a memcached cache store: "
                                  "its code is not beside DIR/site/config.php\n"
                                  "moodle-muc: hint: name its release with --moodle-version\n")
        self.expect_untouched("moodle-muc", "set", *ENDPOINT, "--config", self.config, "--moodle-version", "4.2",
                              code=78, err="moodle-muc: error: Moodle 4.2 has no memcached cache store (Moodle 4.2 "
                                           "removed it, MDL-77161)\n" + hint)
        self.muc_set(*ENDPOINT, "--moodle-version", "4.1.9")


class Pipelines(MucTest):
    def test_facts_in_facts_out(self):
        stream = ("#facts 1\nstack-name=Moodle\n#a comment\napp-cache-endpoint=127.0.0.1:11311\n"
                  "app-cache-engine=memcached\napp-cache-tls=false\nmuc-result=old\nalb-ip=10.0.0.1\n#end\n")
        out = stream.replace("muc-result=old\n", "").replace("#end\n", "muc-result={}\n#end\n")
        common = ("--servers", "endpoint", "--no-probe", "--config", self.config)
        self.expect("moodle-muc", "set", "-f", "-", *common, stdin=stream, out=out.format("changed"), err=DID)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))
        self.expect("moodle-muc", "set", "-f", self.write("saved.facts", stream), *common,
                    out=out.format("unchanged"), err=SAME)
        # The command line wins.
        self.expect("moodle-muc", "set", "-f", "-", *common, "--app-cache-endpoint", "127.0.0.1:11399", stdin=stream,
                    out=out.format("changed"), err=DID)

    def test_a_pipe_without_its_end_changes_nothing(self):
        error = re.compile(r"moodle-muc: error: [^\n]*the facts stopped early: an earlier command failed\n")
        for stream in ("", "#facts 1\napp-cache-endpoint=127.0.0.1:11311\n",
                       "#facts 1\napp-cache-endpoint=127.0.0.1:11311\n#end"):
            for verb in ("set", "remove", "show"):
                self.expect_untouched("moodle-muc", verb, "-f", "-", "--config", self.config, stdin=stream, code=65,
                                      err=error)

    def test_bad_facts_are_bad_data(self):
        for line in ("app-cache-endpoint=a b", "app-cache-endpoint=h:1\napp-cache-endpoint=h:2", "app-cache-tls=yes",
                     "moodle-version=new", "app-cache-node=:1", "app-cache-endpoint=" + "x" * (1 << 20), "app-cache-endpoint=\x01", "?"):
            self.expect_untouched("moodle-muc", "set", "-f", "-", "--servers", "endpoint", "--config", self.config,
                                  stdin=f"#facts 1\n{line}\n#end\n", code=65, err=REFUSED)
        for line in ("app-cache-endpoint=h:1\napp-cache-engine=redis", "app-cache-endpoint=h:1\napp-cache-tls=true"):
            self.expect_untouched("moodle-muc", "set", "-f", "-", "--servers", "endpoint", "--config", self.config,
                                  stdin=f"#facts 1\n{line}\n#end\n", code=78, err=REFUSED)


class Together(MucTest):
    COUNT = 50

    def set_all(self):
        running = [subprocess.Popen([tool("moodle-muc"), "set", *ENDPOINT, "--no-probe", "--store", f"s{i}", "--lock-timeout", "120",
                                     "--map", "application=default_application", "--config", self.config],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                   for i in range(self.COUNT)]
        for process in running:
            _, err = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, err)

    def assert_all_there(self):
        stores = set(self.configuration()["stores"])
        self.assertEqual({f"s{i}" for i in range(self.COUNT)} - stores, set(), "stores were lost")
        self.assertFalse(self.lock.exists())
        self.assertEqual(self.strays(self.muc.parent), [])

    def test_at_once(self):
        self.set_all()
        self.assert_all_there()
        self.assertEqual(self.muc.read_bytes(), self.moodle_text())

    def test_at_once_with_a_moodle_that_writes(self):
        done = threading.Event()
        written = []

        def writer():
            while not done.is_set():
                number = len(written)
                if moodle_write(self.muc, self.lock, lambda text: re.sub(
                        rb"'siteidentifier' => '[^']*'", b"'siteidentifier' => '%d'" % number, text)):
                    written.append(number)

        self.lock.parent.mkdir(parents=True)
        thread = threading.Thread(target=writer)
        thread.start()
        try:
            self.set_all()
        finally:
            done.set()
            thread.join()
        self.assert_all_there()
        self.assertGreater(len(written), 0)
        self.assertEqual(self.configuration()["siteidentifier"], str(written[-1]), "a write of Moodle's was lost")


if __name__ == "__main__":
    main()
