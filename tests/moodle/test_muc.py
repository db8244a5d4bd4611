"""moodle-muc against a real Moodle: what Moodle makes of the file, and what it would have written itself.

Moodle 4.5 has no memcached store any more, so the site gets a small one of the tests' own
(fixtures/moodle); everything else there is Moodle's."""

import json
import re
import subprocess
import time

from harness import FIXTURES, CommandTest, facts, main
from memcached import Memcached
from moodle_site import Browser, MoodleSite

# Moodle's page for a new store, then the one for the mappings (cache/classes/local/
# administration_display_helper.php, process_add_store_action and action_editmodemappings).
ADD = """$writer = \\core_cache\\config_writer::instance();
$writer->add_store_instance('elasticache', 'memcached', %s + ['lock' => 'cachelock_file_default']);
"""
MAP = """\\core_cache\\config_writer::instance()->set_mode_mappings([
    1 => ['%s'], 2 => ['default_session'], 4 => ['default_request']]);
"""
DELETE = "\\core_cache\\config_writer::instance()->delete_store_instance('elasticache');"
TOUCH = """$writer = \\core_cache\\config_writer::instance();
$writer->add_store_instance('passing', 'file', ['lock' => 'cachelock_file_default']);
$writer->delete_store_instance('passing');
"""
LOADED = """$config = \\core_cache\\config::instance();
$chain = fn($mode) => array_values(array_column(
    array_filter($config->get_mode_mappings(), fn($mapping) => $mapping['mode'] == $mode), 'store'));
$strings = \\core_cache\\definition::load('core/string', $config->get_definition_by_id('core/string'));
return ['stores' => $config->get_all_stores(), 'definitions' => $config->get_definitions(),
        'definitionmappings' => $config->get_definition_mappings(), 'locks' => $config->get_locks(),
        'application' => $chain(1), 'session' => $chain(2), 'request' => $chain(4),
        'strings' => array_keys($config->get_stores_for_definition($strings))];
"""
# Another administrator at Moodle's pages: each turn is one page that loads the file, adds its store or
# deletes it, and saves. One line a turn: when it began and ended, whether Moodle saved, what it had loaded.
PAGES = """<?php define('CLI_SCRIPT', true); require '{config}';
for ($turn = 0; !file_exists('{stop}'); ++$turn) {{
    $line = ['begin' => hrtime(true)];
    \\core_cache\\factory::reset();
    $writer = \\core_cache\\config_writer::instance();
    $line['loaded'] = array_keys($writer->get_all_stores());
    try {{
        if (in_array('page', $line['loaded'])) {{
            $writer->delete_store_instance('page');
        }} else {{
            $writer->add_store_instance('page', 'file', ['lock' => 'cachelock_file_default']);
        }}
        $line['saved'] = true;
    }} catch (\\core_cache\\exception\\cache_exception $e) {{
        $line['saved'] = false;
        $line['why'] = $e->debuginfo;
    }}
    $line['end'] = hrtime(true);
    echo json_encode($line), "\\n";
    usleep(random_int(0, 60000)); // the time between an administrator's clicks
}}
"""


class RealMoodle(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.site = MoodleSite(FIXTURES / "moodle")
        cls.addClassCleanup(cls.site.remove)
        cls.file = cls.site.dataroot / "muc" / "config.php"
        cls.first = cls.file.read_bytes()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.file.write_bytes, self.first)

    def muc(self, verb, *arguments, result="changed", **options):
        wording = {"changed": "changed", "unchanged": "is as it should be"}[result]
        self.expect("moodle-muc", verb, "--config", self.site.config, *arguments,
                    out=facts(f"muc-result={result}"),
                    err=f"moodle-muc: {self.file} {wording}\n", **options)

    def configuration(self, *servers, endpoint=None) -> dict:
        """What a store's configuration has to be, for one endpoint or for several nodes."""
        def split(addresses):
            return [address.split(":") for address in addresses]
        given = [endpoint] if endpoint else servers
        return {"servers": split(given), "compression": 1, "serialiser": 1, "prefix": "", "hash": 0,
                "bufferwrites": 0, "clustered": endpoint is not None,
                "setservers": split([endpoint] if endpoint else []), "isshared": 0}

    def moodle_adds(self, configuration: dict):
        """The same by Moodle itself, through what its pages call."""
        literal = f"json_decode('{json.dumps(configuration)}', true)"
        self.site.ask(ADD % literal + MAP % "elasticache")

    def status(self):
        status = self.file.stat()
        return status.st_mode, status.st_uid, status.st_gid

    def test_a_moodle_without_the_store_is_refused(self):
        plugin = self.site.web / "cache/stores/memcached"
        plugin.rename(self.dir / "away")
        self.addCleanup((self.dir / "away").rename, plugin)
        self.expect("moodle-muc", "set", "--config", self.site.config, "--app-cache-endpoint",
                    Memcached(self).address, code=78,
                    err=re.compile(r"moodle-muc: error: Moodle \d\.\d+(\.\d+)? has no memcached cache "
                                   rf"store: {re.escape(str(plugin))}/lib\.php is not there "
                                   r"\(Moodle 4\.2 removed it, MDL-77161\)\nmoodle-muc: hint: .*\n"))
        self.assertEqual(self.file.read_bytes(), self.first)

    def test_moodle_loads_what_was_meant(self):
        before = self.site.ask(LOADED)
        memcached = Memcached(self)
        self.muc("set", "--app-cache-endpoint", memcached.address)
        self.assertEqual(self.site.ask(LOADED), before | {
            "stores": before["stores"] | {"elasticache": {
                "name": "elasticache", "plugin": "memcached",
                "configuration": self.configuration(endpoint=memcached.address), "features": 20,
                "modes": 1, "mappingsonly": False, "class": "cachestore_memcached", "default": False,
                "lock": "cachelock_file_default"}},
            "application": ["elasticache"], "strings": ["elasticache"]})
        self.muc("set", "--app-cache-endpoint", memcached.address, result="unchanged")

    def test_the_bytes_are_those_of_moodles_own_writer(self):
        nodes = [Memcached(self), Memcached(self)]
        for arguments, wanted in (
                (["--app-cache-endpoint", nodes[0].address],
                 self.configuration(endpoint=nodes[0].address)),
                (["--app-cache-node", nodes[0].address, "--app-cache-node", nodes[1].address],
                 self.configuration(*[node.address for node in nodes]))):
            with self.subTest(arguments=arguments):
                self.file.write_bytes(self.first)
                owner = self.status()
                self.moodle_adds(wanted)
                theirs = self.file.read_bytes()
                self.file.write_bytes(self.first)
                self.muc("set", *arguments)
                self.assertEqual(self.file.read_bytes().decode(), theirs.decode())
                self.assertEqual(self.status(), owner)
                self.site.ask(TOUCH)
                self.assertEqual(self.file.read_bytes().decode(), theirs.decode())

    def test_remove_leaves_what_moodle_would_leave(self):
        memcached = Memcached(self)
        self.moodle_adds(self.configuration(endpoint=memcached.address))
        added = self.file.read_bytes()
        self.site.ask(MAP % "default_application" + DELETE)
        theirs = self.file.read_bytes()
        self.file.write_bytes(added)
        self.muc("remove")
        self.assertEqual(self.file.read_bytes().decode(), theirs.decode())
        self.muc("remove", result="unchanged")
        self.muc("set", "--app-cache-endpoint", memcached.address)
        self.muc("remove")
        self.assertEqual(self.file.read_bytes().decode(), theirs.decode())

    def test_caches_live_in_the_endpoint(self):
        memcached = Memcached(self)
        self.muc("set", "--app-cache-endpoint", memcached.address, "--prefix", "site1-")
        self.check_caches([memcached])

    def test_caches_are_spread_over_the_nodes(self):
        nodes = [Memcached(self), Memcached(self)]
        self.muc("set", "--app-cache-node", nodes[0].address, "--app-cache-node", nodes[1].address,
                 "--prefix", "site1-")
        self.check_caches(nodes)

    def check_caches(self, servers):
        """A core cache's value is on exactly one server, pages use them all, and a purge empties them."""
        def holding(text: bytes):
            return [(server, key) for server in servers for key in server.keys()
                    if text in server.value(key)]
        self.site.ask("\\cache::make('core', 'string')->set('here', 'a value to be found');")
        found = holding(b"a value to be found")
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0][1].startswith("site1-"))
        self.assertEqual(self.site.ask("return \\cache::make('core', 'string')->get('here');"),
                         "a value to be found")
        self.assertTrue(Browser(self.site).login())
        for server in servers:
            self.assertTrue(server.keys(), server.address)
        self.site.cli("purge_caches")
        self.assertEqual(holding(b"a value to be found"), [])

    def test_with_moodle_writing_at_the_same_time(self):
        stop = self.site.dir / "stop"
        script = self.site.dir / "pages.php"
        script.write_text(PAGES.format(config=self.site.config, stop=stop))
        log = open(self.dir / "log", "w+")
        self.addCleanup(log.close)
        pages = subprocess.Popen(["php", script], stdout=log, cwd=self.site.dir, **self.site.user)
        self.addCleanup(lambda: pages.poll() is None and (pages.kill(), pages.wait()))
        runs = {}
        for number in range(30):
            store = f"s{number}"
            begin = time.monotonic_ns()
            result = self.run_set(store)
            self.assertIn(result.code, (0, 75), result.err)
            runs[store] = (result.code, begin, time.monotonic_ns())
        stop.touch()
        self.assertEqual(pages.wait(60), 0)
        stop.unlink()
        log.seek(0)
        turns = [json.loads(line) for line in log.read().splitlines()]
        self.check_moodles_changes(turns)
        self.check_our_changes(turns, runs)

    def run_set(self, store):
        return self.run_tool("moodle-muc", "set", "--config", self.site.config, "--store", store,
                             "--app-cache-node", "127.0.0.1:1", "--no-probe", "--map",
                             "application=default_application")

    def check_moodles_changes(self, turns):
        """None of them is ever undone by us."""
        self.assertGreater(len(turns), 10)
        for before, after in zip(turns, turns[1:]):
            toggled = before["saved"] != ("page" in before["loaded"])
            self.assertEqual("page" in after["loaded"], toggled, (before, after))
        refused = {turn["why"] for turn in turns if not turn["saved"]}
        # Moodle 4.5 gives up as soon as it had to wait for its lock (cache/locks/file/lib.php).
        self.assertLessEqual(refused, {"Unable to open the cache config file."})

    def check_our_changes(self, turns, runs):
        """Ours are all there, but for those that Moodle itself wrote over: it loads without its lock,
        and so puts back what it loaded before we wrote."""
        there = set(self.site.ask(LOADED)["stores"])
        lost = {store for store, (code, *_) in runs.items() if code == 0} - there
        for store in lost:
            _, begin, end = runs[store]
            self.assertTrue([turn for turn in turns if turn["saved"] and turn["begin"] < end
                             and turn["end"] > begin and store not in turn["loaded"]], store)
        self.assertLess(len(lost), len(runs))
        for store in set(runs) - there:
            self.assertEqual(self.run_set(store).code, 0)
        loaded = self.site.ask(LOADED)
        self.assertLessEqual(set(runs), set(loaded["stores"]))
        self.assertEqual(loaded["application"], ["default_application"])
        saved = self.file.read_bytes()
        self.site.ask(TOUCH)
        self.assertEqual(self.file.read_bytes().decode(), saved.decode())


if __name__ == "__main__":
    main()
