"""moodle-opcache against a real PHP-FPM: what it measures is what FPM reports, each known mistake is
found by its own finding, and the command that is printed mends it."""

import os
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from fpm import PHP_FPM, Fpm
from harness import TOOLS_DIR, main, tool
from site_folder import SiteTest

ANYTHING = re.compile(r"(.|\n)*")
INI = "99-moodle-opcache.ini"
OPCACHE = "zend_extension=opcache.so\n"


def source(number: int) -> str:
    """A class and a function, with comments and strings as code has them."""
    methods = "".join(f"""
    /** Tells {number} of {at}. */
    public function method_{at}(array $given, string $name = 'default {number} {at}'): array {{
        foreach ($given as $key => $value) {{
            $given[$key] = strtoupper($name . $value) . 'text {number}-{at}';
        }}
        return ['name{at}' => $name, 'all' => $given, 'parent' => new parent_{number % 7}()];
    }}""" for at in range(12))
    return f"<?php\nnamespace site\\part{number};\nclass thing_{number} extends base {{{methods}\n}}\n" \
        f"function helper_{number}($x) {{ return [$x => {number}]; }}\n"


@unittest.skipUnless(PHP_FPM, "php-fpm8.2 is not installed")
class OpcacheTest(SiteTest):
    def setUp(self):
        super().setUp()
        self.etc = self.dir / "etc"
        self.conf = self.etc / "php/8.2/fpm/conf.d"
        self.write("etc/php/8.2/fpm/conf.d/10-opcache.ini", OPCACHE)
        self.write("etc/php/8.2/fpm/php.ini", "")
        self.ini = self.conf / INI
        self.options = ("--config", self.config, "--etc", self.etc)

    def add_code(self, count: int):
        for number in range(count):
            self.write(f"site/part/{number}.php", source(number))

    def facts_of(self, *argv, **options) -> dict:
        out = self.expect("moodle-opcache", *argv, *self.options, out=ANYTHING, err=ANYTHING, **options).out
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def files(self):
        return sorted(self.site.rglob("*.php"))


class Measure(OpcacheTest):
    def test_as_php_fpm_reports(self):
        self.add_code(600)
        plan = self.facts_of("plan", "--measure")
        self.assertEqual(plan["opcache-files"], str(len(self.files())))
        settings = {name: plan["opcache-" + name.replace("_", "-")] for name in
                    ("memory_consumption", "interned_strings_buffer", "max_accelerated_files")}
        fpm = Fpm(self.dir / "fpm", {f"opcache.{name}": value for name, value in settings.items()}
                  | {"opcache.file_update_protection": "0"}, ini=self.conf)
        try:
            status = fpm.compile(self.files())
        finally:
            fpm.stop()
        self.assertEqual(status["failed"], [])
        # FPM holds the test's own script as well, a few KiB.
        self.assertEqual(status["opcache_statistics"]["num_cached_scripts"], int(plan["opcache-scripts"]) + 1)
        buffer = int(settings["interned_strings_buffer"]) << 20
        reported = status["memory_usage"]["used_memory"] - buffer
        planned = int(plan["opcache-used-bytes"]) - buffer
        print(f"used memory without the buffer: planned {planned}, PHP-FPM {reported}, "
              f"ratio {planned / reported:.4f}")
        self.assertAlmostEqual(planned / reported, 1, delta=0.02)
        self.assertLess(planned, reported)
        strings = status["interned_strings_usage"]["used_memory"]
        table = 1 << 21  # of 8 MiB of buffer, see the unit tests
        self.assertEqual(settings["interned_strings_buffer"], "8")
        self.assertAlmostEqual(int(plan["opcache-string-bytes"]) / (strings - table), 1, delta=0.05)

    def test_files_that_do_not_compile_are_named_and_end_nothing(self):
        self.write("site/tests/fixtures/broken.php", "<?php function ( {\n")
        self.write("site/tests/fixtures/fatal.php", "<?php class a { function f() {} function f() {} }\n")
        # Each of these is right by itself: a page has one of them.
        for name in ("one", "two"):
            self.write(f"site/same/{name}.php", "<?php function same() { return 1; }\nclass same {}\n")
        self.write("site/never.php", "<?php throw new Exception('ran'); file_put_contents(__DIR__ . '/ran', '');\n")
        result = self.expect("moodle-opcache", "plan", "--measure", *self.options, out=ANYTHING,
                             err=re.compile(r"moodle-opcache: warning: DIR/site/tests/fixtures/broken.php does not "
                                            r"compile: syntax error, .* in line 1\n"
                                            r"moodle-opcache: warning: DIR/site/tests/fixtures/fatal.php does not "
                                            r"compile: Cannot redeclare a::f\(\)[^\n]*\n"
                                            r"moodle-opcache: \d+ PHP files(.|\n)*"))
        self.assertIn("opcache-failed=2\n", result.out)
        self.assertIn(f"opcache-scripts={len(self.files()) - 2}\n", result.out)
        self.assertFalse((self.site / "ran").exists())

    def test_time_and_memory_are_bounded(self):
        self.add_code(600)
        self.expect("moodle-opcache", "plan", "--measure", "--timeout", "0.001", *self.options, code=69,
                    err="moodle-opcache: error: cannot measure: compiling all code takes more than 0.001 s\n"
                        "moodle-opcache: hint: give it more with --timeout, or estimate without --measure\n")
        for number in range(6):
            self.write(f"site/large/{number}.php", "<?php return [" + ",".join(
                f"[{at}, 'k{number}' => {at}.5]" for at in range(30000)) + "];\n")
        self.expect("moodle-opcache", "plan", "--measure", "--memory", "32MiB", *self.options, code=69,
                    err="moodle-opcache: error: cannot measure: all code takes more than the 32 MiB that OPcache "
                        "had\nmoodle-opcache: hint: give it more with --memory, or estimate without --measure\n")

    def test_interrupted(self):
        """A signal ends it at once, nothing is printed, and no PHP is left behind."""
        self.add_code(600)
        before = sorted(self.dir.rglob("*"))
        process = subprocess.Popen([tool("moodle-opcache"), "plan", "--measure", *map(str, self.options)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 60
        while len(seen := children.read_text().split()) < 2 and process.poll() is None:
            self.assertLess(time.monotonic(), deadline)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, err), (-signal.SIGTERM, b"", b""))
        while any(self.lives(child) for child in seen):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.assertEqual(sorted(self.dir.rglob("*")), before)

    @staticmethod
    def lives(pid: str) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def test_without_opcache(self):
        """The embedded PHP's own is not there either: its folder of extensions is another one."""
        self.write("etc/php/8.2/fpm/php.ini", f"extension_dir={self.dir}\n")
        (self.conf / "10-opcache.ini").unlink()
        self.expect("moodle-opcache", "plan", "--measure", *self.options, code=78, err=(
            "moodle-opcache: error: cannot measure: PHP has no OPcache on this host\nmoodle-opcache: hint: "
            "install it (Debian: php8.2-opcache, Amazon Linux: php-opcache)\n"))


class Check(OpcacheTest):
    """Every mistake is planted into files that a real php-fpm reads."""

    INI_MISTAKES = {
        "opcache.enable": "0",
        "opcache.enable_file_override": "60",
        # Without a file cache PHP does not start at all, and says nothing of its settings.
        "opcache.file_cache_only": "1",
        "opcache.validate_timestamps": "0",
        "opcache.revalidate_freq": "0",
        "opcache.save_comments": "0",
        "opcache.use_cwd": "0",
        "opcache.max_file_size": "2000",
        "opcache.restrict_api": "/srv/status",
    }

    def setUp(self):
        super().setUp()
        self.add_code(250)
        self.facts_of("write")
        # The commands are run as printed; there is no service to reload.
        self.write("bin/systemctl", "#!/bin/sh\nexit 0\n").chmod(0o755)

    def found(self, *options) -> list:
        result = self.run_tool("moodle-opcache", "check", *self.options, *options)
        findings = re.findall(r"^opcache-finding=(.*)$", result.out, re.MULTILINE)
        self.assertEqual((result.code, "opcache-result=bad" in result.out), (1, True) if findings else (0, False),
                         result.err)
        self.commands = re.findall(r"mend it with: (.*)\n", result.err)
        return findings

    def mend(self):
        self.assertTrue(self.commands)
        for command in self.commands:
            subprocess.run(["sh", "-c", command], check=True, capture_output=True, stdin=subprocess.DEVNULL,
                           env={**os.environ, "PATH": f"{self.dir}/bin:{TOOLS_DIR}:{os.environ['PATH']}"})

    def test_healthy(self):
        self.assertEqual(self.found(), [])

    def test_mistakes_in_a_later_file(self):
        self.assertEqual(self.found(), [])
        for name, value in self.INI_MISTAKES.items():
            with self.subTest(setting=name):
                path = self.write("etc/php/8.2/fpm/conf.d/zz-own.ini", f"{name} = {value}\n")
                self.assertEqual(self.found(), [name])
                self.mend()
                # There is no cache any more for what restricts it; max_file_size has PHP's default.
                self.assertEqual(self.found(), [])
                path.unlink()

    def test_a_file_cache_only(self):
        """PHP starts with this one."""
        cache = self.dir / "file-cache"
        cache.mkdir()
        self.write("etc/php/8.2/fpm/conf.d/zz-own.ini",
                   f"opcache.file_cache = {cache}\nopcache.file_cache_only = 1\n")
        self.assertEqual(self.found(), ["opcache.file_cache_only"])

    def test_mistakes_in_an_earlier_file(self):
        """What a host has before anything was written, and one command mends."""
        for name, value in self.INI_MISTAKES.items():
            if name in ("opcache.restrict_api", "opcache.max_file_size"):
                continue
            with self.subTest(setting=name):
                self.ini.unlink(missing_ok=True)
                self.write("etc/php/8.2/fpm/conf.d/20-own.ini", f"{name} = {value}\n")
                self.assertIn(name, self.found())
                self.mend()
                self.assertEqual(self.found(), [])

    def test_mistakes_in_a_pool(self):
        for name, value in {"opcache.use_cwd": "0", "opcache.enable_file_override": "60",
                            "opcache.validate_timestamps": "off", "opcache.memory_consumption": "512"}.items():
            with self.subTest(setting=name):
                self.write("etc/php/8.2/fpm/pool.d/www.conf",
                           f"[www]\nphp_admin_value[{name}] = {value}\nphp_admin_value[memory_limit] = 1G\n")
                self.assertEqual(self.found(), [name])
                self.mend()
                self.assertEqual(self.found(), [])

    def test_sizes_below_the_need(self):
        self.write("etc/php/8.2/fpm/conf.d/zz-own.ini", "opcache.max_accelerated_files = 200\n")
        self.assertEqual(self.found(), ["opcache.max_accelerated_files"])
        self.mend()
        large = ("--opcache-script-bytes", 100 << 20, "--opcache-string-bytes", 5 << 20)
        self.assertEqual(self.found(*large), [])
        large = ("--opcache-script-bytes", 130 << 20, "--opcache-string-bytes", 5 << 20)
        self.assertEqual(self.found(*large), ["opcache.memory_consumption"])
        large = ("--opcache-script-bytes", 60 << 20, "--opcache-string-bytes", 20 << 20)
        self.assertEqual(self.found(*large), ["opcache.interned_strings_buffer"])

    def test_xdebug_and_preloading(self):
        """As a saved text: neither is on this host."""
        text = subprocess.run([PHP_FPM, "-c", self.etc / "php/8.2/fpm/php.ini", "-i"], check=True, text=True,
                              env={**os.environ, "PHP_INI_SCAN_DIR": str(self.conf)}, capture_output=True).stdout
        saved = self.write("phpinfo.txt", text)
        self.assertEqual(self.found("--phpinfo", saved), [])
        jit = re.sub(r"opcache.jit => .*", "opcache.jit => tracing => tracing", text)
        jit = re.sub(r"opcache.jit_buffer_size => .*", "opcache.jit_buffer_size => 64M => 64M", jit)
        saved.write_text(jit)
        self.assertEqual(self.found("--phpinfo", saved), [])
        saved.write_text(jit + "xdebug.mode => develop => develop\n")
        self.assertEqual(self.found("--phpinfo", saved), ["opcache.jit"])
        saved.write_text(re.sub(r"opcache.preload => .*", "opcache.preload => /x.php => /x.php", text))
        self.assertEqual(self.found("--phpinfo", saved), ["opcache.preload"])

    def test_without_opcache(self):
        (self.conf / "10-opcache.ini").unlink()
        self.assertEqual(self.found(), ["zend_extension"])

    def test_pools_take_no_sizes(self):
        """What the finding says is so: PHP-FPM keeps the size of its .ini files."""
        fpm = Fpm(self.dir / "fpm", {"opcache.memory_consumption": "64"},
                  pool="php_admin_value[opcache.memory_consumption] = 512")
        try:
            memory = fpm.compile([self.config])["memory_usage"]
        finally:
            fpm.stop()
        self.assertLess(memory["free_memory"], 64 << 20)

    def test_php_fpm_starts_with_the_file(self):
        fpm_conf = self.dir / "fpm.conf"
        fpm_conf.write_text(f"[global]\nerror_log={self.dir}/log\n[www]\nlisten={self.dir}/s\npm=static\n"
                            f"pm.max_children=1\nuser=nobody\n")
        done = subprocess.run([PHP_FPM, "-t", "-y", fpm_conf, "-c", self.etc / "php/8.2/fpm/php.ini"],
                              env={**os.environ, "PHP_INI_SCAN_DIR": str(self.conf)}, capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("WARNING", done.stderr.upper().replace("WARNINGS", ""))


if __name__ == "__main__":
    main()
