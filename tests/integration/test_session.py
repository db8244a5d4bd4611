"""moodle-session against real files, a real php, and servers that misbehave."""

import re

from harness import facts, main
from postgres import Postgres
from site_folder import CONFIG, SiteTest

SET = ("set", "--servers", "endpoint", "--session-cache-endpoint", "sessions.example.org:11211", "--no-probe",
       "--force")
WANTED = {"session_handler_class": "\\core\\session\\memcached",
          "session_memcached_save_path": "sessions.example.org:11211",
          "session_memcached_acquire_lock_timeout": 120,
          "session_memcached_lock_expire": 7200}
REFUSED = re.compile(r"moodle-session: error: [^\n]+\n(moodle-session: hint: [^\n]+\n)?")

HEAD = "<?php\nunset($CFG);\nglobal $CFG;\n$CFG = new stdClass();\n$CFG->dataroot = 'DATAROOT';\n"
REQUIRE = "require_once(__DIR__ . '/lib/setup.php');\n"

REFARCH_1 = HEAD + """$SessionEndpoint = '%s';
if ($SessionEndpoint != '') {
$CFG->dbsessions = false;
$CFG->session_handler_class = '\\core\\session\\memcached';
$CFG->session_memcached_save_path = $SessionEndpoint;
$CFG->session_memcached_prefix = 'memc.sess.key.';
$CFG->session_memcached_acquire_lock_timeout = 120;
$CFG->session_memcached_lock_expire = 7100;
$CFG->session_memcached_lock_retry_sleep = 150;
}
//@error_reporting(E_ALL | E_STRICT); // NOT FOR PRODUCTION SERVERS!
""" + REQUIRE + "// END OF CONFIG\n?>\n"

REFARCH_2 = HEAD + """require __DIR__ . '/vendor/autoload.php';
$CFG->dbpass = fetch_secret();
$SessionsCacheType = '%s';
$SessionEndpoint = '%s';
if ($SessionEndpoint != '') {
  $CFG->dbsessions = false;
  if ($SessionsCacheType == 'Memcached') {
    $CFG->session_handler_class = '\\core\\session\\memcached';
    $CFG->session_memcached_save_path = $SessionEndpoint;
    $CFG->session_memcached_prefix = 'memc.sess.key.';
  } elseif ($SessionsCacheType == 'Redis') {
    $CFG->session_handler_class = '\\core\\session\\redis';
    $CFG->session_redis_host = $SessionEndpoint;
    $CFG->session_redis_port = 6379;
  }
}
$CFG->getremoteaddrconf = 0;
""" + REQUIRE

# Each is a whole config.php that moodle-session has to handle.
FORMS = {
    "closing tag": HEAD + REQUIRE + "?>",
    "closing tag and text after it": HEAD + REQUIRE + "?>\n\ntrailing text\n",
    "closing tag on the same line": HEAD + REQUIRE.strip() + " ?>\n<?php $CFG->late = 1;\n",
    "no semicolon before the closing tag": HEAD + "require_once __DIR__ . '/lib/setup.php' ?>\n",
    "windows line ends": (HEAD + REQUIRE).replace("\n", "\r\n"),
    "windows line ends, closing tags": (HEAD + "?>\n<?php\n?>\n<?php\n" + REQUIRE + "include 'x.php';\n?>")
                                       .replace("\n", "\r\n"),
    "mixed line ends": HEAD.replace("\n", "\r\n", 2) + REQUIRE,
    "old mac line ends": (HEAD + REQUIRE).replace("\n", "\r"),
    "byte-order mark": "\ufeff" + HEAD + REQUIRE,
    "no final newline": HEAD + REQUIRE.rstrip("\n"),
    "latin-1 bytes": (HEAD + "$CFG->x = 1; // caf\xe9\n" + REQUIRE).encode("latin-1"),
    "a zero byte in a comment": HEAD + "// \0\n" + REQUIRE,
    "dirname(__FILE__)": HEAD + "require_once(dirname(__FILE__) . '/lib/setup.php');\n",
    "dirroot": HEAD + "$CFG->dirroot = __DIR__;\nrequire_once(\"$CFG->dirroot/lib/setup.php\");\n",
    "dirroot in braces": HEAD + "$CFG->dirroot = __DIR__;\nrequire_once \"{$CFG->dirroot}/lib/setup.php\";\n",
    "relative path": HEAD + "require_once('lib/setup.php');\n",
    "dotted path": HEAD + "require_once('./lib/setup.php');\n",
    "double slash": HEAD + "require_once(__DIR__ . '//lib//setup.php');\n",
    "path through a folder": HEAD + "require_once(__DIR__ . '/lib/../lib/./setup.php');\n",
    "absolute path": HEAD + "require_once('DATAROOT/../site/lib/setup.php');\n",
    "require": HEAD + "require __DIR__ . '/lib/setup.php';\n",
    "include": HEAD + "include(__DIR__ . '/lib/setup.php');\n",
    "include_once with @": HEAD + "@include_once __DIR__ . '/lib/setup.php';\n",
    "upper case": HEAD + "REQUIRE_ONCE (__DIR__ . '/lib/setup.php');\n",
    "path in a variable": HEAD + "$setup = __DIR__ . '/lib/setup.php';\nrequire_once $setup;\n",
    "over several lines": HEAD + "require_once(\n    __DIR__\n    . '/lib/setup.php'\n);\n",
    "comments inside": HEAD + "require_once /* why */ ( // here\n __DIR__ . '/lib/setup.php');\n",
    "comment before on the line": HEAD + "/* now; */ " + REQUIRE,
    "indented": HEAD + "\t  " + REQUIRE,
    "files required before": HEAD + "require_once __DIR__ . '/local.php';\n"
                             "include(__DIR__ . '/more.php');\n" + REQUIRE,
    "files required after": HEAD + REQUIRE + "require_once __DIR__ . '/local.php';\n",
    "two requires on one line": HEAD + "require_once 'local.php'; require_once(__DIR__ . '/lib/setup.php');\n",
    "two requires on one line, reversed": HEAD + REQUIRE.strip() + " require_once 'local.php';\n",
    "two on one line, both named setup.php": HEAD + "require 'my/setup.php'; " + REQUIRE,
    "getenv": HEAD + "$CFG->wwwroot = getenv('SITE_URL');\n$CFG->debug = (int) getenv('NOT_SET');\n" + REQUIRE,
    "$_SERVER": HEAD + "$CFG->wwwroot = $_SERVER['SITE_URL'] ?? 'none';\n" + REQUIRE,
    "commented-out example": HEAD + "// $CFG->session_handler_class = '\\core\\session\\database';\n"
                             "#require_once(__DIR__ . '/lib/setup.php');\n"
                             "/* require_once(__DIR__ . '/lib/setup.php'); */\n" + REQUIRE,
    "commented-out require after": HEAD + REQUIRE + "// require_once(__DIR__ . '/lib/setup.php');\n",
    "one line": "<?php $CFG = new stdClass(); $CFG->dataroot = 'DATAROOT'; require_once(__DIR__ . '/lib/setup.php');",
    "one line, closed": "<?php $CFG = new stdClass(); $CFG->dataroot = 'DATAROOT'; "
                        "require_once(__DIR__ . '/lib/setup.php') ?>",
    "if without braces": HEAD + "if (true) require_once(__DIR__ . '/lib/setup.php');\n",
    "if without braces, two lines": HEAD + "if (is_readable(__DIR__ . '/lib/setup.php'))\n  " + REQUIRE,
    "in if": HEAD + "if (true) {\n    " + REQUIRE + "}\n",
    "in else": HEAD + "if (false) {\n    require_once 'other.php';\n} else {\n    " + REQUIRE + "}\n",
    "in the other branch": HEAD + "if (true) {\n    " + REQUIRE + "} else {\n    " + REQUIRE + "}\n",
    "in a function": HEAD + "function start() {\n    global $CFG;\n    " + REQUIRE + "}\nstart();\n",
    "in a closure": HEAD + "(function () use ($CFG) { " + REQUIRE.strip() + " })();\n",
    "arrow function": HEAD + "(fn() => require_once __DIR__ . '/lib/setup.php')();\n",
    "in try": HEAD + "try {\n    " + REQUIRE + "} finally {\n    $x = 1;\n}\n",
    "in try, on one line": HEAD + "try { require_once __DIR__ . '/lib/setup.php'; } catch (Exception $e) { }\n",
    "in do": HEAD + "do require_once __DIR__ . '/lib/setup.php'; while (false);\n",
    "in foreach": HEAD + "foreach (['setup'] as $f) require_once __DIR__ . \"/lib/$f.php\";\n",
    "in switch": HEAD + "switch (1) { case 1: require_once __DIR__ . '/lib/setup.php'; }\n",
    "alternative syntax": HEAD + "if (true):\n    " + REQUIRE + "endif;\n",
    "alternative syntax on one line": HEAD + "if (true): require_once __DIR__ . '/lib/setup.php'; endif;\n",
    "alternative syntax with tags": HEAD + "if (true): ?>\n<?php " + REQUIRE + "endif;\n",
    "return require": HEAD + "return require __DIR__ . '/lib/setup.php';\n",
    "assigned": HEAD + "$done = require_once __DIR__ . '/lib/setup.php';\n",
    "after a string with an expression": HEAD + "$x = \"{$CFG->dataroot};\" . require_once __DIR__ . '/lib/setup.php';\n",
    "or die": HEAD + "(require_once __DIR__ . '/lib/setup.php') or die('no');\n",
    "namespace": HEAD.replace("<?php\n", "<?php\nnamespace Site;\n").replace("new stdClass", "new \\stdClass") + REQUIRE,
    "namespace in braces": "<?php\nnamespace {\n" + HEAD[6:] + REQUIRE + "}\n",
    "strict types": HEAD.replace("<?php\n", "<?php declare(strict_types=1);\n") + REQUIRE,
    "closing tag directly before": HEAD + "?><?php " + REQUIRE,
    "closing tag with a line end before": HEAD + "?>\n<?php " + REQUIRE,
    "many closing tags": HEAD + "?>\n<?php\n?>\n<?php\n?>\n<?php\n" + REQUIRE + "require 'local.php';\n",
    "heredoc with the text": HEAD + "$CFG->x = <<<EOT\nrequire_once(__DIR__ . '/lib/setup.php');\nEOT;\n" + REQUIRE,
    "nowdoc with the text": HEAD + "$CFG->x = <<<'EOT'\n<?php " + REQUIRE + "EOT;\n" + REQUIRE,
    "heredoc after": HEAD + REQUIRE + "$x = <<<EOT\n" + REQUIRE + "{$CFG->dataroot}\nEOT;\n",
    "string with the text": HEAD + "$CFG->x = \"require_once(__DIR__ . '/lib/setup.php');\";\n" + REQUIRE,
    "markers in a string": HEAD + "$CFG->x = '\n// moodle-session: begin. These lines belong to moodle-session(1); "
                           "\\'moodle-session unset\\' removes them.\n// moodle-session: end.\n';\n" + REQUIRE,
    "markers in a block comment": HEAD + "/*\n// moodle-session: begin\n// moodle-session: end.\n*/\n" + REQUIRE,
    "words like the markers": HEAD + "// moodle-session: begin of what we do\n# moodle-session: end.\n" + REQUIRE,
    "markers behind the closing tag": HEAD + REQUIRE + "?>\n// moodle-session: begin\n// moodle-session: end.\n",
    "assignments after setup": HEAD + REQUIRE + "$CFG->session_handler_class = '\\core\\session\\database';\n",
    "settings before": HEAD + "$CFG->session_handler_class = '\\core\\session\\redis';\n"
                       "$CFG->session_redis_host = 'r';\n$CFG->session_memcached_prefix = 'old';\n"
                       "$CFG->session_memcached_lock_retry_sleep = 10;\n" + REQUIRE,
    "settings as a list": HEAD + "foreach (['session_memcached_prefix' => 'p'] as $k => $v) { $CFG->$k = $v; }\n" + REQUIRE,
    "settings in if": HEAD + "if (getenv('SITE_URL')) {\n    $CFG->session_memcached_save_path = 'old:1';\n}\n" + REQUIRE,
    "dbsessions": HEAD + "$CFG->dbsessions = true;\n" + REQUIRE,
    "time": HEAD + "$CFG->jsrev = microtime(true);\n$CFG->themerev = random_int(1, PHP_INT_MAX);\n" + REQUIRE,
    "prints": HEAD + "echo 'x', str_repeat('y', 100000);\nfwrite(fopen('php://stderr', 'w'), 'z');\n" + REQUIRE,
    "halt compiler": HEAD + REQUIRE + "__halt_compiler();\n<?php " + REQUIRE,
    "handler in reference architecture 1, off": REFARCH_1 % "",
    "handler in reference architecture 1, on": REFARCH_1 % "old.example.org:11211",
    "handler in reference architecture 2, off": REFARCH_2 % ("", ""),
    "handler in reference architecture 2, memcached": REFARCH_2 % ("Memcached", "old.example.org:11211"),
    "handler in reference architecture 2, redis": REFARCH_2 % ("Redis", "old.example.org"),
    "define and ini_set": HEAD + "define('CLI_SCRIPT_X', true);\nini_set('display_errors', 0);\n" + REQUIRE,
    "attributes and enums": HEAD + "enum Kind: string { case A = 'a'; }\n#[Attribute] class X {}\n" + REQUIRE,
    "match and arrows": HEAD + "$CFG->x = match(true) { default => (fn() => 1)() };\n" + REQUIRE,
    "label": HEAD + "here: " + REQUIRE,
    "heredoc with markers": HEAD + "$CFG->x = <<<X\n// moodle-session: end.\nX;\n" + REQUIRE,
}

# What the command may not touch: there is no place for its lines that counts.
REFUSED_FORMS = {
    "else without braces": HEAD + "if (false) { $x = 1; } else require_once __DIR__ . '/lib/setup.php';\n",
    "elseif without braces": HEAD + "if (false) { $x = 1; } elseif (true) require_once __DIR__ . '/lib/setup.php';\n",
    "path in a variable, another after it": HEAD + "$f = __DIR__ . '/lib/setup.php'; require $f; require 'local.php';\n",
    "in for, without braces": HEAD + "for ($i = 0; $i < 1; $i++) require_once __DIR__ . '/lib/setup.php';\n",
    "in a ternary": HEAD + "true ? require_once __DIR__ . '/lib/setup.php' : 1;\n".replace(" ? ", " ?: false ? 1 : "),
    "short echo tag": HEAD + "?><?= require_once __DIR__ . '/lib/setup.php' ?>\n",
    "eval": HEAD + "eval(\"require_once '\" . __DIR__ . \"/lib/setup.php';\");\n",
    "in a file that it requires": HEAD + "require __DIR__ . '/starts.php';\n",
    "never": HEAD,
    "not PHP": "$CFG->dataroot = '/x';\n",
    "empty": "",
    "commented out": HEAD + "// " + REQUIRE,
    "no $CFG": "<?php\n" + REQUIRE,
    "$CFG is an array": "<?php $CFG = [];\n" + REQUIRE,
    "syntax error": HEAD + "$CFG->x = ;\n" + REQUIRE,
    "exit": HEAD + "exit(1);\n" + REQUIRE,
    "exception": HEAD + "throw new Exception('no database');\n" + REQUIRE,
    "exit in a function": HEAD + "function f() { die('x'); } f();\n" + REQUIRE,
    "sealed $CFG": HEAD.replace("new stdClass()", "new Sealed()") + "class Sealed { public $dataroot; "
                   "function __set($k, $v) {} }\n" + REQUIRE,
}


class Forms(SiteTest):
    env = {"SITE_URL": "https://moodle.example.org"}

    def setUp(self):
        super().setUp()
        for name in ("local.php", "more.php", "x.php", "my/setup.php", "other.php"):
            self.write(f"site/{name}", "<?php\n")
        self.write("site/vendor/autoload.php", "<?php function fetch_secret() { return 'from the SDK'; }\n")
        self.write("site/starts.php", "<?php\n" + REQUIRE)

    def test_every_form(self):
        for name, content in FORMS.items():
            with self.subTest(form=name):
                self.write_config(content)
                self.round_trip(volatile=("jsrev", "themerev") if name == "time" else ())

    def round_trip(self, volatile):
        before = self.config.read_bytes()
        cfg = self.php_cfg(self.env)
        self.expect("moodle-session", *SET, "--config", self.config, env=self.env,
                    out="#facts 1\nsession-result=changed\n#end\n",
                    err="moodle-session: DIR/site/config.php changed\n")
        after = self.config.read_bytes()
        wanted = {key: value for key, value in cfg.items()
                  if key != "session_handler_class" and not key.startswith("session_memcached_")} | WANTED
        seen = self.php_cfg(self.env)
        for key in volatile:
            del seen[key], wanted[key]
        self.assertEqual(seen, wanted)
        self.expect("moodle-session", *SET, "--config", self.config, env=self.env,
                    out="#facts 1\nsession-result=unchanged\n#end\n",
                    err="moodle-session: DIR/site/config.php is as it should be\n")
        self.assertEqual(self.config.read_bytes(), after, "the second run changed the file")
        self.expect("moodle-session", "unset", "--config", self.config, env=self.env,
                    out="#facts 1\nsession-result=changed\n#end\n",
                    err="moodle-session: DIR/site/config.php changed\n")
        self.assertEqual(self.config.read_bytes(), before, "unset did not give the file back")

    def test_forms_that_cannot_be_handled(self):
        for name, content in REFUSED_FORMS.items():
            with self.subTest(form=name):
                self.write_config(content)
                self.expect_untouched("moodle-session", *SET, "--config", self.config, code=78, err=REFUSED)


class SessionTest(SiteTest):
    def session_set(self, *options, **wanted):
        wanted = {"out": facts("session-result=changed"), "err": "moodle-session: DIR/site/config.php changed\n"} | wanted
        return self.expect("moodle-session", "set", *options, "--config", self.config, **wanted)

    def refused(self, *options, code=78, err=REFUSED, **more):
        self.expect_untouched("moodle-session", "set", *options, "--config", self.config, code=code, err=err, **more)


class Installation(SessionTest):
    """Sessions move to a cache only when the installation has finished."""

    NODE = ("--session-cache-node", "10.0.0.9")
    TABLES = """
      CREATE TABLE mdl_config (id bigserial PRIMARY KEY, name varchar(255) NOT NULL, value text NOT NULL);
      CREATE UNIQUE INDEX mdl_conf_nam_uix ON mdl_config (name);
      CREATE TABLE mdl_user (id bigserial PRIMARY KEY, username varchar(100) NOT NULL, password varchar(255) NOT NULL,
                             lastip varchar(45) NOT NULL DEFAULT '');
      ALTER TABLE mdl_config OWNER TO moodle;
      ALTER TABLE mdl_user OWNER TO moodle;
      INSERT INTO mdl_config (name, value) VALUES ('siteadmins', '2'), ('rolesactive', '1'), ('version', '2022112810');
      INSERT INTO mdl_user (username, password) VALUES ('guest', 'x'), ('admin', 'adminsetuppending');"""

    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.remove)

    def test_before_and_after(self):
        content = CONFIG % {"port": self.postgres.port, "dataroot": self.data}
        password = self.postgres.PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        self.write_config(re.sub(r"dbpass    = .*;", lambda _: f"dbpass    = '{password}';", content))
        hint = "moodle-session: hint: finish the installation first; --force switches without asking\n"
        self.refused(*self.NODE, err="moodle-session: error: the site's database has no tables yet; the installation would "
                                     "fail with sessions in a cache\n" + hint)
        self.postgres.sql(self.TABLES)
        self.refused(*self.NODE, err="moodle-session: error: the installation of the site has not finished; it would fail "
                                     "with sessions in a cache\n" + hint)
        self.session_set(*self.NODE, "--force")
        self.expect("moodle-session", "unset", "--config", self.config, out=facts("session-result=changed"),
                    err=re.compile("[^\n]+\n"))
        # Where there is no cache to go wrong, nobody asks.
        self.session_set("--handler", "database")
        self.postgres.sql("UPDATE mdl_user SET password = 'x' WHERE id = 2")
        self.session_set(*self.NODE)
        self.assertEqual(self.php_cfg()["session_memcached_save_path"], "10.0.0.9:11211")
        self.postgres.stop()
        self.refused(*self.NODE, "--prefix", "p", code=69)
        self.postgres.start()
        self.write_config(self.config.read_text().replace("Se cret", "wrong"))
        result = self.run_tool("moodle-session", "set", *self.NODE, "--prefix", "p", "--config", self.config, "-v")
        self.assertEqual(result.code, 77, result.err)
        self.assertNotIn("wrong", result.err)

    def test_another_database(self):
        self.write_config((CONFIG % {"port": 1, "dataroot": self.data}).replace("'pgsql'", "'mariadb'"))
        self.refused(*self.NODE, err="moodle-session: error: cannot tell whether the installation has finished: DIR/site/"
                                     "config.php: the site's dbtype is 'mariadb'; only pgsql can be asked\n"
                                     "moodle-session: hint: --force switches without asking\n")
        self.session_set(*self.NODE, "--force")


class Handlers(SessionTest):
    def test_database_and_file(self):
        before = self.config.read_bytes()
        for handler in ("database", "file"):
            self.session_set("--handler", handler)
            self.assertEqual(self.php_cfg()["session_handler_class"], f"\\core\\session\\{handler}")
            self.expect("moodle-session", "show", "--config", self.config,
                        out=facts(f"session-handler={handler}", "session-managed=true"))
        self.session_set(*SET[1:], "--prefix", "p_", "--acquire-lock-timeout", "5", "--lock-expire", "6",
                         "--lock-retry-sleep", "7")
        cfg = self.php_cfg()
        self.assertEqual({key: cfg[key] for key in cfg if key.startswith("session_memcached_")}, {
            "session_memcached_save_path": "sessions.example.org:11211", "session_memcached_prefix": "p_",
            "session_memcached_acquire_lock_timeout": 5, "session_memcached_lock_expire": 6,
            "session_memcached_lock_retry_sleep": 7})
        self.expect("moodle-session", "show", "--config", self.config, out=facts(
            "session-handler=memcached", "session-server=sessions.example.org:11211", "session-managed=true"))
        self.expect("moodle-session", "unset", "--config", self.config, out=facts("session-result=changed"),
                    err=re.compile("[^\n]+\n"))
        self.assertEqual(self.config.read_bytes(), before)
        self.expect("moodle-session", "show", "--config", self.config,
                    out=facts("session-handler=file", "session-managed=false"))

    def test_options_that_mean_nothing_to_the_handler(self):
        for option in (("--prefix", "p"), ("--lock-expire", "6"), ("--compressor", "zstd"), ("--cluster",),
                       ("--session-cache-endpoint", "sessions.example.org"), ("--servers", "nodes")):
            self.refused("--handler", "file", *option, code=64, err=re.compile(
                rf"moodle-session: error: {option[0]} is for sessions in cache servers, and --handler is file\n"
                r"moodle-session: hint: [^\n]+\n"))
        # The facts about the site's caches come along whatever the handler is.
        stream = facts("session-cache-endpoint=sessions.example.org:11211", "session-cache-engine=memcached")
        self.session_set("--handler", "file", "-f", "-", stdin=stream,
                         out=stream.replace("#end", "session-result=changed\n#end"))

    def test_a_handler_that_this_moodle_has_not(self):
        (self.site / "lib/classes/session/memcached.php").unlink()
        self.refused(*SET[1:], err="moodle-session: error: Moodle 4.1.10 has no session handler memcached: DIR/site/lib/"
                                   "classes/session/memcached.php is not there\n")
        self.write_config((CONFIG % {"port": 1, "dataroot": self.data}))
        (self.site / "version.php").unlink()
        self.refused(*SET[1:], "--moodle-version", "5.2")
        self.refused(*SET[1:], "--moodle-version", "3.3.2", "--lock-retry-sleep", "5")
        self.session_set(*SET[1:], "--moodle-version", "3.3.2")

    def test_a_changed_block_is_left_to_people(self):
        self.session_set(*SET[1:])
        self.config.write_text(self.config.read_text().replace("// moodle-session: end.\n", ""))
        error = re.compile(r"moodle-session: error: DIR/site/config.php: line \d+: the lines of moodle-session do not "
                           r"begin and end once\nmoodle-session: hint: [^\n]+\n")
        self.refused(*SET[1:], code=65, err=error)
        self.expect_untouched("moodle-session", "unset", "--config", self.config, code=65, err=error)

    def test_modes_that_write_nothing(self):
        for option, code in (("--dry-run", 0), ("--check", 1)):
            out = "#facts 1\nsession-result=planned\n" + ("" if code else "#end\n")
            self.refused(*SET[1:], option, code=code, out=out,
                         err="moodle-session: DIR/site/config.php would change\n")


class CacheStore(SessionTest):
    """Purging the store's servers would end all sessions."""

    def test_servers_of_the_cache_store_are_refused(self):
        self.write_muc("moodle-4.1-store-mapped.php")
        error = ("moodle-session: error: 127.0.0.1:11311 is a server of the cache store 'elasticache', and no place for "
                 "sessions: purging caches would end them all\nmoodle-session: hint: sessions and application caches need a cluster each\n")
        self.refused("--session-cache-endpoint", "127.0.0.1:11311", "--servers", "endpoint", "--force", err=error)
        self.refused("--session-cache-node", "127.0.0.2", "--session-cache-node", "127.0.0.1:11311", "--force", err=error)
        self.refused("--session-cache-endpoint", "127.0.0.1:11311", "--session-cache-node", "127.0.0.2", "--force", err=error)
        self.muc.write_bytes(self.muc.read_bytes().replace(b"'127.0.0.1'", b"'Cache.Example.'"))
        self.refused("--session-cache-node", "cache.example:11311", "--force")
        self.session_set("--session-cache-node", "127.0.0.1:11311", "--force")
        self.muc.write_bytes(b"<?php ")
        self.refused("--session-cache-node", "127.0.0.1:11311", "--prefix", "p", "--force", code=65)
        # No servers, so nothing to refuse.
        self.session_set("--handler", "file")


class Pipelines(SessionTest):
    STREAM = "#facts 1\nstack-name=Moodle\nsession-cache-endpoint=sessions.example.org:11211\n#end\n"

    def test_facts_in_facts_out(self):
        out = self.STREAM.replace("#end\n", "session-result={}\n#end\n")
        self.session_set("--servers", "endpoint", "--force", "-f", "-", stdin=self.STREAM, out=out.format("changed"))
        self.assertEqual(self.php_cfg()["session_memcached_save_path"], "sessions.example.org:11211")
        self.expect("moodle-session", "unset", "-f", "-", "--config", self.config, stdin=self.STREAM,
                    out=out.format("changed"), err=re.compile("[^\n]+\n"))

    def test_a_pipe_without_its_end_changes_nothing(self):
        self.refused("--servers", "endpoint", "--force", "-f", "-", code=65, stdin=self.STREAM.replace("#end\n", ""),
                     err=re.compile(r"moodle-session: error: [^\n]*the facts stopped early: an earlier command failed\n"))

    def test_a_failure_ends_the_stream(self):
        self.write_config("<?php exit;")
        self.refused("--servers", "endpoint", "--force", "-f", "-", stdin=self.STREAM)


if __name__ == "__main__":
    main()
