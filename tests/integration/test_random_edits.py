"""Random config.php and cache configurations, put together from what PHP allows, through the commands and
with another PHP as the judge. The fuzz targets config_php and cache_config try far more of them, on the
libraries alone. RANDOM_EDITS says how many of each; RANDOM_SEED repeats a run."""

import os
import random
import subprocess

from harness import facts, main
from site_folder import SiteTest

ROUNDS = int(os.environ.get("RANDOM_EDITS", "40"))
SEED = os.environ.get("RANDOM_SEED") or str(random.randrange(10 ** 9))

START = ["<?php\nunset($CFG);\nglobal $CFG;\n$CFG = new stdClass();\n", "<?php $CFG = new stdClass;\n",
         "<?php // config\n\n$CFG = (object) [];\n", "#!/usr/bin/php\n<?php\n$CFG = new stdClass();\n"]
REQUIRES = ["require_once(__DIR__ . '/lib/setup.php');", "require_once __DIR__ . '/lib/setup.php' ;",
            "require_once(dirname(__FILE__) . '/lib/setup.php'); // go", "include_once\n  __DIR__.\"/lib/setup.php\";",
            "if (true) {\n    require(__DIR__ . '/lib/setup.php');\n}", "{ require_once(__DIR__ . '/lib/setup.php'); }",
            "$x = 1; require_once(__DIR__ . '/lib/setup.php'); $y = 2;", "@require_once(__DIR__ . '/lib/setup.php');",
            "/* here */ require_once(/* this */ __DIR__ . '/lib/setup.php' /* one */);"]
BEFORE = ["", "\n", "// a comment; require_once(__DIR__ . '/lib/setup.php');\n", "# moodle-session: begin\n",
          "/* moodle-session: end. \n */\n", "$CFG->a = 'it\\'s; {';\n", "$CFG->b = \"}{$CFG->dataroot} ?> <?php\";\n",
          "$CFG->c = <<<EOT\nrequire_once(__DIR__ . '/lib/setup.php');\n  { ;\nEOT;\n", "$CFG->d = <<<'X'\n?>$\nX;\n",
          "if (false) {\n  $CFG->e = 1;\n} else { $CFG->e = 2; }\n", "if (1):\n$CFG->f = [1, [2 => '3']];\nendif;\n",
          "?>\n<?php\n", "?>\n\n<?php // again\n", "function g%d() { return ['}' => '{']; }\n",
          "$CFG->h = (function () { return PHP_INT_MAX; })();\n", "$CFG->session_handler_class = '\\core\\session\\redis';\n",
          "$CFG->session_redis_host = 'old';\n", "$CFG->dbsessions = true;\n", "$CFG->session_redis_lock_expire = 60;\n",
          "switch (1) { case 1: $CFG->i = 1.5; break; default: }\n", "foreach ([1, 2] as $k) { $CFG->j = $k; }\n",
          "$CFG->{'k l'} = null;\n", "/** doc **/ $CFG->m = `true`;\n", "for ($n = 0; $n < 3; $n++) ;\n", "\t \t\n",
          "namespace_like();\nfunction namespace_like() {}\n", "try { $CFG->o = 1; } finally { }\n"]
AFTER = ["", "\n", "// no more\n", "$CFG->late = 1;\n", "?>", "?>\n", "?>\ntext { ' \" /*\n", "# moodle-session: end.", "\n\n"]

SETTINGS = ["--session-cache-endpoint", "s.example.org", "--session-cache-engine", "redis", "--servers", "endpoint",
            "--no-probe", "--force"]
STORE = ["--app-cache-endpoint", "c.example.org", "--app-cache-engine", "redis", "--servers", "endpoint", "--no-probe"]
REWRITE = ("define('MOODLE_INTERNAL', 1); include $argv[1]; $c =& $configuration; %s; echo \"<?php defined('MOODLE_INTERNAL')"
           " || die();\\n \\$configuration = \" . var_export($configuration, true) . ';';")


class RandomTest(SiteTest):
    release = "4.5.6"

    def setUp(self):
        super().setUp()
        self.write("site/cache/stores/redis/lib.php", "<?php\n")
        self.pick = random.Random(SEED)

    def run_command(self, command, verb, *arguments, result):
        path = {"moodle-session": "DIR/site/config.php", "moodle-muc": "DIR/data/muc/config.php"}[command]
        wording = {"changed": "changed", "unchanged": "is as it should be"}[result]
        self.expect(command, verb, "--config", self.config, *arguments, err=f"{command}: {path} {wording}\n",
                    out=facts(f"{command.split('-')[1]}-result={result}"))


class ConfigFiles(RandomTest):
    def random_config(self) -> bytes:
        pick = self.pick
        text = pick.choice(START) + "$CFG->dataroot = 'DATAROOT';\n"
        pieces = pick.sample(BEFORE, pick.randrange(8))
        text += "".join(piece % pick.randrange(10 ** 9) if "%d" in piece else piece for piece in pieces)
        text += pick.choice(["", "  ", "\t", "$before = 1; "]) + pick.choice(REQUIRES)
        text += pick.choice(["\n", " ", "\n\n"]) + pick.choice(AFTER)
        if pick.random() < 0.25:
            text = text.replace("\n", "\r\n")
        return text.encode()

    def test_set_and_unset(self):
        for number in range(ROUNDS):
            content = self.random_config()
            with self.subTest(seed=SEED, number=number, content=content):
                self.write_config(content)
                self.round_trip()

    def round_trip(self):
        before = self.config.read_bytes()
        cfg = self.php_cfg()
        self.run_command("moodle-session", "set", *SETTINGS, result="changed")
        wanted = {key: value for key, value in cfg.items()
                  if key != "session_handler_class" and not key.startswith("session_redis_")}
        wanted |= {"session_handler_class": "\\core\\session\\redis", "session_redis_host": "s.example.org",
                   "session_redis_port": 6379, "session_redis_prefix": "_sess_",
                   "session_redis_acquire_lock_timeout": 120}
        self.assertEqual(self.php_cfg(), wanted)
        self.run_command("moodle-session", "set", *SETTINGS, result="unchanged")
        self.run_command("moodle-session", "unset", result="changed")
        self.assertEqual(self.config.read_bytes(), before)


class CacheConfigurations(RandomTest):
    def text(self) -> str:
        return self.pick.choice(["", "0", "1", "-1", "01", "a b", "it's", "back\\slash", "\\", "$x {$y}", "?><?php", "nul\0nul",
                                 "é€", "line\nend\r\n", "=> array (", "x" * 300, "elastic", "/**/"])

    def literal(self, depth=0) -> str:
        kind = self.pick.randrange(8 if depth < 4 else 6)
        if kind >= 6:
            entries = (f"{self.key()} => {self.literal(depth + 1)}" for _ in range(self.pick.randrange(4)))
            return f"[{', '.join(entries)}]"
        return [lambda: "null", lambda: self.pick.choice(["true", "false"]),
                lambda: self.pick.choice(["0", "-1", "PHP_INT_MAX", "PHP_INT_MIN", "1763800000"]),
                lambda: self.pick.choice(["0.1", "-0.0", "1e100", "1.0", "1/3", "NAN", "INF"]),
                lambda: self.quoted(self.text()), lambda: '"\\xff\\x00\\xfe"'][kind]()

    def key(self) -> str:
        return self.pick.choice([str(self.pick.randrange(-3, 9)), self.quoted(self.text())])

    @staticmethod
    def quoted(text: str) -> str:
        literal = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return literal.replace("\0", "' . \"\\0\" . '")  # the code is php's argument

    def store(self, name: str) -> str:
        return (f"$c['stores'][{self.quoted(name)}] = ['name' => {self.quoted(name)}, 'plugin' => 'file', 'configuration' => "
                f"['x' => {self.literal()}], 'features' => 30, 'modes' => 3, 'default' => false, "
                f"'class' => 'cachestore_file', 'lock' => 'cachelock_file_default', {self.key()} => {self.literal()}];")

    def random_changes(self) -> str:
        names = self.pick.sample(["one", "two", "3", "it's", "ELASTICACHE", "é"], self.pick.randrange(4))
        changes = "".join(self.store(name) for name in names)
        for name in names:
            if self.pick.random() < 0.5:
                changes += (f"$c['modemappings'][] = ['store' => {self.quoted(name)}, "
                            f"'mode' => {self.pick.choice([1, 2])}, 'sort' => {self.pick.randrange(3)}];")
        for _ in range(self.pick.randrange(3)):
            changes += f"$c['definitions'][{self.key()}] = ['mode' => {self.pick.choice([1, 2, 4])}, 'x' => {self.literal()}];"
        return changes

    def php(self, changes: str) -> bytes:
        return subprocess.run(["php", "-r", REWRITE % changes, self.muc], capture_output=True, check=True).stdout

    def test_set_and_remove(self):
        for number in range(ROUNDS):
            changes = self.random_changes()
            with self.subTest(seed=SEED, number=number, changes=changes):
                self.write_muc("moodle-4.5-before.php")
                self.muc.write_bytes(self.php(changes))
                self.round_trip()

    def round_trip(self):
        rest = "unset($c['stores']['elasticache'], $c['modemappings'])"
        complete = ("foreach ($c['definitions'] as &$d) { $m = $d['mode'] ?? 0; if ($m == 1) { $d['sharingoptions'] ??= 15; "
                    "$d['selectedsharingoption'] ??= 2; $d['userinputsharingkey'] ??= ''; } else { $d['sharingoptions'] = 2; "
                    "$d['selectedsharingoption'] = 2; $d['userinputsharingkey'] = ''; } }"
                    "foreach ($c['stores'] as &$s) { $s['class'] = 'cachestore_' . $s['plugin']; "
                    "$s['default'] = !empty($s['default']); }")
        others = self.php(complete + rest)
        self.run_command("moodle-muc", "set", *STORE, result="changed")
        self.assertEqual(self.php(""), self.muc.read_bytes())
        self.assertEqual(self.php(rest), others)
        self.run_command("moodle-muc", "set", *STORE, result="unchanged")
        self.run_command("moodle-muc", "remove", result="changed")
        self.assertEqual(self.php(rest), others)
        removed = self.muc.read_bytes()
        self.run_command("moodle-muc", "set", *STORE, result="changed")
        self.run_command("moodle-muc", "remove", result="changed")
        self.assertEqual(self.muc.read_bytes(), removed)


if __name__ == "__main__":
    main()
