"""moodle-opcache: what it prints and how it ends, on a small tree and configuration folders of its own."""

import os
import re
import shutil
import subprocess
import unittest

from harness import TOOLS_DIR, facts, main
from site_folder import SiteTest

ANYTHING = re.compile(r"(.|\n)*")
INI = "99-moodle-opcache.ini"
PLAN = facts("opcache-files=11", "opcache-php-bytes=BYTES", "opcache-templates=1", "opcache-need=estimated",
             "opcache-used-bytes=USED", "opcache-enable=1", "opcache-memory-consumption=128",
             "opcache-interned-strings-buffer=8", "opcache-max-accelerated-files=16229",
             "opcache-max-wasted-percentage=5", "opcache-validate-timestamps=1",
             "opcache-revalidate-freq=60", "opcache-use-cwd=1", "opcache-save-comments=1",
             "opcache-enable-file-override=0", "opcache-file-cache=", "opcache-file-cache-only=0",
             "opcache-jit=disable", "opcache-jit-buffer-size=0", "realpath-cache-size=4M")


class OpcacheTest(SiteTest):
    def setUp(self):
        super().setUp()
        self.write("site/mod/x/view.php", "<?php echo 1;\n")
        self.write("site/templates/a.mustache", "<b>")
        self.etc = self.dir / "etc"
        self.fpm = self.etc / "php/8.2/fpm"
        self.ini = self.fpm / "conf.d" / INI
        self.write("etc/php/8.2/fpm/conf.d/10-opcache.ini", "zend_extension=opcache.so\n")
        self.write("etc/php/8.2/fpm/php.ini", "")
        self.options = ("--config", self.config, "--etc", self.etc)

    def written(self):
        self.run_tool("moodle-opcache", "write", *self.options)
        self.assertTrue(self.ini.is_file())


class Plan(OpcacheTest):
    def test_estimated(self):
        """The number is that of find, and an estimate says that it is one."""
        count = subprocess.run(["find", self.site, "-name", "*.php", "-type", "f"], check=True,
                               capture_output=True, text=True).stdout.count("\n")
        size = sum(path.stat().st_size for path in self.site.rglob("*.php"))
        self.assertEqual(count, 11)
        wanted = re.escape(PLAN).replace("BYTES", str(size)).replace("USED", r"\d+")
        err = re.compile(r"moodle-opcache: 11 PHP files with (.|\n)*the memory is estimated(.|\n)*")
        self.expect("moodle-opcache", "plan", *self.options, out=re.compile(wanted), err=err)
        self.expect("moodle-opcache", "plan", "-q", *self.options, out=re.compile(wanted))

    def test_what_is_not_a_file_does_not_count(self):
        (self.site / "link.php").symlink_to("version.php")
        (self.site / "loop").symlink_to(".")
        (self.site / "folder.php").mkdir()
        self.expect("moodle-opcache", "plan", "-q", *self.options,
                    out=re.compile(r"(.|\n)*opcache-files=11\n(.|\n)*"))

    @unittest.skipIf(os.geteuid() == 0, "root can read everything")
    def test_a_folder_that_cannot_be_read_is_named(self):
        folder = self.site / "secret"
        folder.mkdir(mode=0)
        self.addCleanup(folder.chmod, 0o700)
        self.expect("moodle-opcache", "plan", *self.options, out=ANYTHING,
                    err=re.compile(r"(.|\n)*cannot look into DIR/site/secret: its files are not counted\n(.|\n)*"))

    def test_policy(self):
        for options, seen in ((("--revalidate-freq", 5), "validate-timestamps=1\nopcache-revalidate-freq=5"),
                              (("--immutable",), "validate-timestamps=0\nopcache-revalidate-freq=0")):
            self.expect("moodle-opcache", "plan", "-q", *self.options, *options,
                        out=re.compile(rf"(.|\n)*opcache-{seen}\n(.|\n)*"))

    def test_an_earlier_measurement_is_taken_from_facts(self):
        stream = facts("opcache-script-bytes=400000000", "opcache-string-bytes=36000000")
        self.expect("moodle-opcache", "plan", "-q", *self.options, "-f", "-", stdin=stream,
                    out=re.compile(r"(.|\n)*opcache-need=measured\n(.|\n)*opcache-memory-consumption=528\n"
                                   r"opcache-interned-strings-buffer=56\n(.|\n)*#end\n"))

    def test_usage(self):
        def refused(text, *options, code=64, **more):
            self.expect("moodle-opcache", "plan", *options, code=code,
                        err=re.compile(rf"moodle-opcache: error: {text}\n(moodle-opcache: hint: .*\n)?"), **more)
        refused("--config is missing")
        refused("--immutable and --revalidate-freq exclude each other", *self.options, "--immutable",
                "--revalidate-freq", 3)
        refused("--timeout and --memory need --measure", *self.options, "--timeout", 3)
        refused("--memory takes from 32MiB to 64GiB", *self.options, "--measure", "--memory", "1MiB")
        refused("'nginx' is not a value for --sapi.*", *self.options, "--sapi", "nginx")
        refused("'new' is not a version of PHP such as 8.2", *self.options, "--php", "new")
        refused(".*belong together", *self.options, "--opcache-script-bytes", 3)
        refused(".*belong together", *self.options, "-f", "-", stdin=facts("opcache-string-bytes=1"), code=65)

    def test_no_code_here(self):
        shutil.move(self.site / "version.php", self.dir / "version.php")
        self.expect("moodle-opcache", "plan", *self.options, code=66,
                    err="moodle-opcache: error: DIR/site/config.php: the site's code is not on this host\n")


class Write(OpcacheTest):
    def write_opcache(self, *options, **wanted):
        return self.expect("moodle-opcache", "write", *self.options, *options, **wanted)

    def result(self, word, end=True):
        return f"#facts 1\nopcache-ini=DIR/etc/php/8.2/fpm/conf.d/{INI}\nopcache-result={word}\n" + \
            ("#end\n" if end else "")

    def test_once_and_again(self):
        path = f"DIR/etc/php/8.2/fpm/conf.d/{INI}"
        self.write_opcache("--check", out=self.result("planned", end=False), code=1,
                           err=f"moodle-opcache: {path} would change\n")
        self.assertFalse(self.ini.exists())
        self.write_opcache("--dry-run", out=self.result("planned"),
                           err=f"moodle-opcache: {path} would change\n")
        self.assertFalse(self.ini.exists())
        self.write_opcache(out=self.result("changed"),
                           err=f"moodle-opcache: {path} changed\nmoodle-opcache: php8.2-fpm takes the settings "
                               "after 'systemctl reload php8.2-fpm'\n")
        before = self.ini.stat()
        self.assertEqual(before.st_mode & 0o7777, 0o644)
        for options in ((), ("--check",)):
            self.write_opcache(*options, out=self.result("unchanged"),
                               err=f"moodle-opcache: {path} is as it should be\n")
        self.assertEqual(self.ini.stat(), before)
        self.assertEqual(sorted(path.name for path in self.ini.parent.iterdir()),
                         ["10-opcache.ini", INI], "nothing else is left there")

    def test_diff_is_a_patch_that_makes_the_file(self):
        diff = self.write_opcache("--diff", out=ANYTHING).out
        self.assertFalse(self.ini.exists())
        subprocess.run(["patch", "-p1", "-d", "/", "--silent"], input=diff.encode(), check=True)
        self.assertEqual(self.write_opcache(out=self.result("unchanged"), err=ANYTHING).code, 0)

    def test_a_changed_file_is_replaced_and_keeps_its_mode(self):
        self.written()
        text = self.ini.read_text()
        self.ini.write_text("opcache.enable=0\n")
        self.ini.chmod(0o640)
        self.write_opcache(out=self.result("changed"), err=ANYTHING)
        self.assertEqual(self.ini.read_text(), text)
        self.assertEqual(self.ini.stat().st_mode & 0o7777, 0o640)

    def test_php_reads_what_was_planned(self):
        self.written()
        shown = subprocess.run(["php", "-i"], capture_output=True, text=True, check=True,
                               env={**os.environ, "PHP_INI_SCAN_DIR": f":{self.ini.parent}"}).stdout
        for line in ("opcache.memory_consumption => 128", "opcache.revalidate_freq => 60",
                     "opcache.use_cwd => On", "opcache.jit => disable", "realpath_cache_size => 4M"):
            self.assertIn(line, shown)

    def test_who_has_the_last_word(self):
        for name, text in (("conf.d/moodle.ini", "opcache.use_cwd=0\n"),
                           ("pool.d/www.conf", "[www]\nphp_admin_flag[opcache.use_cwd] = off\n")):
            path = self.write(f"etc/php/8.2/fpm/{name}", text)
            self.write_opcache(code=78, err=re.compile(
                rf"moodle-opcache: error: the settings would have no effect: DIR/etc/php/8.2/fpm/{name} sets "
                r"opcache.use_cwd to (0|off)\nmoodle-opcache: hint: remove that line\n"))
            self.assertFalse(self.ini.exists())
            path.unlink()

    def test_without_opcache(self):
        (self.fpm / "conf.d/10-opcache.ini").unlink()
        self.write_opcache(code=78, err=re.compile(
            r"moodle-opcache: error: php8.2-fpm does not load OPcache\nmoodle-opcache: hint: install .*\n"))

    def test_which_php(self):
        self.write_opcache("--php", "8.4", code=66, err="moodle-opcache: error: there is no PHP 8.4 that serves "
                           "pages below DIR/etc\nmoodle-opcache: hint: there is: fpm 8.2\n")
        self.write_opcache("--sapi", "apache2", code=66, err="moodle-opcache: error: there is no PHP for apache2 "
                           "below DIR/etc\nmoodle-opcache: hint: there is: fpm 8.2\n")
        self.write("etc/php/8.3/fpm/conf.d/10-opcache.ini", "zend_extension=opcache.so\n")
        self.write_opcache(code=64, err="moodle-opcache: error: there is more than one PHP that fits below "
                           "DIR/etc: fpm 8.2, fpm 8.3\nmoodle-opcache: hint: choose one with --sapi and --php\n")
        self.write_opcache("--php", "8.3", err=ANYTHING,
                           out=self.result("changed").replace("8.2", "8.3"))
        shutil.rmtree(self.etc)
        self.write_opcache(code=66, err="moodle-opcache: error: there is no PHP that serves pages below DIR/etc\n"
                           "moodle-opcache: hint: is PHP installed?\n")

    def test_amazon_linux(self):
        shutil.rmtree(self.etc)
        self.write("etc/php.d/10-opcache.ini", "zend_extension=opcache\n")
        self.write("etc/php-fpm.d/www.conf", "[www]\n")
        self.write_opcache(out=self.result("changed").replace("php/8.2/fpm/conf.d", "php.d"), err=ANYTHING)
        self.assertTrue((self.etc / "php.d" / INI).is_file())

    def test_a_folder_that_is_not_there(self):
        shutil.rmtree(self.etc)
        self.write("etc/php/8.2/fpm/php.ini", "zend_extension=opcache.so\n")
        self.write_opcache(code=66, err=re.compile(r"moodle-opcache: error: cannot read DIR/etc/.*conf.d.*\n"))


class Check(OpcacheTest):
    """With --phpinfo; a real PHP-FPM is asked in the integration test."""

    def phpinfo(self, **settings):
        values = {"enable": "On", "memory_consumption": "128", "interned_strings_buffer": "8",
                  "max_accelerated_files": "10000", "validate_timestamps": "On", "revalidate_freq": "60",
                  "use_cwd": "On", "save_comments": "On", "enable_file_override": "Off"} | settings
        lines = [f"opcache.{name} => {value} => {value}" for name, value in values.items()]
        return "\n".join(["phpinfo()", "PHP Version => 8.2.29", *lines, ""])

    def check(self, text, **wanted):
        return self.expect("moodle-opcache", "check", *self.options, "--phpinfo", "-", stdin=text, **wanted)

    def test_good(self):
        self.check(self.phpinfo(), err="moodle-opcache: php8.2-fpm has the right settings for 11 PHP files\n",
                   out=facts("opcache-service=php8.2-fpm", "opcache-files=11", "opcache-result=good"))

    def test_bad(self):
        self.check(self.phpinfo(save_comments="Off", use_cwd="Off"), code=1, out=(
            "#facts 1\nopcache-service=php8.2-fpm\nopcache-files=11\nopcache-finding=opcache.use_cwd\n"
            "opcache-finding=opcache.save_comments\nopcache-result=bad\n"), err=re.compile(
            r"moodle-opcache: warning: opcache.use_cwd is Off.*, and should be 1: .*\n"
            r"moodle-opcache: warning: opcache.save_comments is Off.*, and should be 1: .*\n"
            r"moodle-opcache: mend it with: moodle-opcache write --config DIR/site/config.php --sapi fpm "
            r"--php 8.2 --etc DIR/etc && systemctl reload php8.2-fpm\n"))

    def test_the_command_keeps_what_check_was_told(self):
        options = ("--immutable", "--headroom", "30", "--opcache-script-bytes", "1000000", "--opcache-string-bytes", "100000")
        self.expect("moodle-opcache", "check", *self.options, *options, "--phpinfo", "-", code=1,
                    stdin=self.phpinfo(validate_timestamps="Off", use_cwd="Off"), out=re.compile("(?s).*"), err=re.compile(
            r"moodle-opcache: warning: .*\nmoodle-opcache: mend it with: moodle-opcache write --config DIR/site/config.php "
            r"--sapi fpm --php 8.2 --etc DIR/etc --immutable --headroom 30 --opcache-script-bytes 1000000 "
            r"--opcache-string-bytes 100000 && systemctl reload php8.2-fpm\n"))

    def test_no_phpinfo(self):
        self.check("<html>phpinfo()</html>", code=65, err="moodle-opcache: error: standard input is not what "
                   "'php -i' prints\nmoodle-opcache: hint: an HTML page of phpinfo() will not do\n")
        self.expect("moodle-opcache", "check", *self.options, "--phpinfo", self.dir / "absent", code=66,
                    err=re.compile("moodle-opcache: error: .*DIR/absent: No such file or directory\n"))

    def with_program(self, text):
        program = self.write("bin/php-fpm8.2", f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        return {"PATH": f"{program.parent}:{TOOLS_DIR}:{os.environ['PATH']}"}

    def test_a_php_that_hangs_or_fails(self):
        self.expect("moodle-opcache", "check", *self.options, "--php-timeout", "1", code=69,
                    env=self.with_program("exec sleep 60"),
                    err="moodle-opcache: error: 'php-fpm8.2 -c DIR/etc/php/8.2/fpm/php.ini -i' did not end "
                        "within 1 s\n")
        self.expect("moodle-opcache", "check", *self.options, env=self.with_program("exit 3"),
                    out=facts("opcache-service=php8.2-fpm", "opcache-files=11", "opcache-result=good"),
                    err="moodle-opcache: warning: 'php-fpm8.2 -c DIR/etc/php/8.2/fpm/php.ini -i' failed: its .ini "
                        "files are read in its place\nmoodle-opcache: php8.2-fpm has the right settings for 11 "
                        "PHP files\n")

    def test_a_php_that_is_not_there(self):
        shutil.move(self.etc / "php/8.2", self.etc / "php/9.9")
        self.expect("moodle-opcache", "check", *self.options, code=66,
                    err="moodle-opcache: error: there is no command php-fpm9.9\nmoodle-opcache: hint: save what "
                        "'php -i' prints where it is, and give it to --phpinfo\n")


if __name__ == "__main__":
    main()
