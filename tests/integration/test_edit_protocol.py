"""How moodle-muc and moodle-session change a file: whole or not at all, whatever happens."""

import contextlib
import fcntl
import itertools
import os
import random
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import threading

from harness import facts, main, tool
from postgres import wait_until
from site_folder import CONFIG, SiteTest, kill_at_random, seconds_of, tree

MUC_SET = ("moodle-muc", "set", "--servers", "endpoint", "--no-probe", "--app-cache-endpoint", "127.0.0.1:11311")
MUC_REMOVE = ("moodle-muc", "remove")
SESSION_SET = ("moodle-session", "set", "--servers", "endpoint", "--no-probe", "--session-cache-endpoint", "127.0.0.1:11312", "--force")
SESSION_UNSET = ("moodle-session", "unset")
BEFORE = "moodle-4.1-before.php"
MAPPED = "moodle-4.1-store-mapped.php"

# 500 in all take about a minute on an idle machine.
KILLS = int(os.environ.get("EDIT_KILLS", "100"))


def refused(command: str, text: str = "[^\n]+"):
    return re.compile(rf"{command}: error: {text}\n({command}: hint: [^\n]+\n)?")


class EditTest(SiteTest):
    def on(self, command: tuple) -> tuple:
        return (*command, "--config", self.config)

    def succeed(self, command: tuple, *options, **wanted):
        return self.expect(*self.on(command), *options, out=wanted.pop("out", re.compile(r"#facts 1\n.*#end\n", re.DOTALL)),
                           err=re.compile(r"[^\n]*\n"), **wanted)


class Killed(EditTest):
    def kill_often(self, commands: tuple, path, contents: tuple, *options):
        """Kills the two commands at random instants, in turn; the file is always one of the contents."""
        pick = random.Random()
        spread = 1.1 * max(seconds_of([*self.on(command), *options]) for command in commands * 3)
        left = {"strays": 0, "locks": 0, "killed": 0}
        for number in itertools.count():
            if left["killed"] >= KILLS // 2:
                break
            command = self.on(commands[number % 2])
            killed = kill_at_random([*command, *options], spread, pick)
            left["killed"] += killed
            spread *= 1.05 if killed else 0.9  # so that two of three are killed, however busy the host is
            self.assertIn(path.read_bytes(), contents, f"run {number} left something else")
            left["strays"] += bool(self.strays(path.parent))
            if self.lock.exists():
                left["locks"] += 1
                self.lock_is_named(command)
            result = self.run_tool(*command, *options)
            self.assertEqual(result.code, 0, result.err)
            self.assertEqual(path.read_bytes(), contents[(number + 1) % 2])
            self.assertEqual(self.strays(path.parent), [], "a temporary file stayed")
            self.assertFalse(self.lock.exists(), "the lock stayed")
        print(path.name, left, end=" ", flush=True)

    def lock_is_named(self, command):
        """Without --break-lock, the next run says who holds the lock, and does so in time."""
        before = tree(self.dir)
        result = self.run_tool(*command, "--lock-timeout", "0.05")
        if result.code == 0:  # what it wanted was done already
            return
        self.assertEqual(result.code, 75)
        self.assertRegex(result.err, r"moodle-muc: error: the lock \S+/configwrite.lock is held (since .* by moodle-muc, "
                                     r"process \d+ on \S+, which is no longer running|by Moodle, or left behind by it, "
                                     r"since .*)\nmoodle-muc: hint: --break-lock removes the lock\n")
        self.assertEqual(tree(self.dir), before)

    def test_muc(self):
        self.kill_often((MUC_SET, MUC_REMOVE), self.muc, (self.fixture(BEFORE), self.fixture(MAPPED)), "--break-lock",
                        "--lock-timeout", "0.2")

    def test_session(self):
        before = self.config.read_bytes()
        self.succeed(SESSION_SET)
        contents = (before, self.config.read_bytes())
        self.succeed(SESSION_UNSET)
        self.kill_often((SESSION_SET, SESSION_UNSET), self.config, contents)

    def test_ctrl_c_leaves_nothing(self):
        pick = random.Random()
        for commands, path in (((MUC_SET, MUC_REMOVE), self.muc), ((SESSION_SET, SESSION_UNSET), self.config)):
            spread = 1.1 * max(seconds_of(self.on(command)) for command in commands * 3)
            for number in range(20):
                kill_at_random(self.on(commands[number % 2]), spread, pick, signal.SIGINT)
                self.assertEqual(self.strays(path.parent), [])
                self.assertFalse(self.lock.exists())

    def test_what_a_killed_run_left_goes_with_the_next_one(self):
        self.write("data/muc/.config.php.moodle-aws-toolkit-abcdef.php", "half")
        self.write("data/muc/.config.php.swp", "an editor's")
        self.succeed(MUC_REMOVE, out=facts("muc-result=unchanged"))
        self.assertEqual(self.strays(self.muc.parent), [])
        self.assertTrue((self.muc.parent / ".config.php.swp").exists())
        self.write("site/.config.php.moodle-aws-toolkit-abcdef.php", "half")
        self.expect_untouched(*self.on(SESSION_UNSET), "--check", out=facts("session-result=unchanged"),
                              err="moodle-session: DIR/site/config.php is as it should be\n")
        self.succeed(SESSION_UNSET, out=facts("session-result=unchanged"))
        self.assertEqual(self.strays(self.site), [])


class Locked(EditTest):
    def test_moodles_lock_is_kept(self):
        self.lock.parent.mkdir(parents=True)
        self.lock.touch()
        self.expect_untouched(*self.on(MUC_SET), "--lock-timeout", "0.1", code=75,
                              err=refused("moodle-muc", "the lock DIR/data/cache/filelocks/configwrite.lock is held by Moodle,"
                                                        " or left behind by it, since [0-9 :+-]+"))
        self.succeed(MUC_SET, "--lock-timeout", "0.1", "--break-lock")
        self.assertFalse(self.lock.exists())

    def test_it_is_the_lock_that_moodle_takes(self):
        before = self.muc.read_text()
        for folder, found in (("other-locks", self.data / "cache" / "other_locks"), (f"{self.dir}/locks", self.dir / "locks")):
            found.mkdir(parents=True)
            self.muc.write_text(before.replace("'dir' => 'filelocks'", f"'dir' => '{folder}'"))
            self.assertNotEqual(self.muc.read_text(), before)
            (found / "configwrite.lock").touch()
            self.expect_untouched(*self.on(MUC_SET), "--lock-timeout", "0.1", code=75,
                                  err=refused("moodle-muc", f"the lock {str(found).replace(str(self.dir), 'DIR')}/configwrite.lock is held by Moodle,"
                                                            " or left behind by it, since [0-9 :+-]+"))
            (found / "configwrite.lock").unlink()
            self.succeed(MUC_SET)
        self.muc.write_text(before.replace("'type' => 'cachelock_file'", "'type' => 'cachelock_other'"))
        self.expect_untouched(*self.on(MUC_SET), code=78, err=refused(
            "moodle-muc", "Moodle's lock on its cache configuration, 'cachelock_file_default', is no folder of files"))

    def test_a_lock_that_keeps_changing_hands_is_not_broken(self):
        self.lock.parent.mkdir(parents=True)
        done = threading.Event()
        lost = []

        def hand_over():
            while not done.is_set():
                other = self.lock.with_name("other")
                other.touch()
                mine = os.stat(other).st_mtime_ns
                other.rename(self.lock)
                done.wait(0.01)
                if not self.lock.exists() or self.lock.stat().st_mtime_ns != mine:
                    lost.append(mine)

        thread = threading.Thread(target=hand_over)
        thread.start()
        try:
            wait_until(self.lock.exists, "the lock is there")
            result = self.run_tool(*self.on(MUC_SET), "--lock-timeout", "0.5", "--break-lock")
        finally:
            done.set()
            thread.join()
        self.assertEqual((result.code, lost), (75, []), result.err)

    def test_moodles_lock_is_waited_for(self):
        self.lock.parent.mkdir(parents=True)
        self.lock.touch()
        process = subprocess.Popen([tool(MUC_SET[0]), *self.on(MUC_SET)[1:]], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.3)
        self.assertEqual(self.muc.read_bytes(), self.fixture(BEFORE))
        self.lock.unlink()
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.muc.read_bytes(), self.fixture(MAPPED))

    def test_many_on_one_config(self):
        before = self.config.read_bytes()
        self.succeed(SESSION_SET)
        contents = (before, self.config.read_bytes())
        running = [subprocess.Popen([tool(command[0]), *map(str, self.on(command)[1:]), "--lock-timeout", "120"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                   for command in (SESSION_SET, SESSION_UNSET) * 15]
        while any(process.poll() is None for process in running):
            self.assertIn(self.config.read_bytes(), contents)
        for process in running:
            _, err = process.communicate()
            self.assertEqual(process.returncode, 0, err)
        self.assertIn(self.config.read_bytes(), contents)
        self.assertEqual(self.strays(self.site), [])

    def test_a_locked_config(self):
        with open(self.config, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.expect_untouched(*self.on(SESSION_SET), "--lock-timeout", "0.1", code=75,
                                  err=refused("moodle-session", "DIR/site/config.php is locked by another process"))

    def test_cache_folders_are_made_as_moodle_makes_them(self):
        os.chown(self.data, 33, 33) if os.geteuid() == 0 else None
        self.config.write_text(self.config.read_text().replace("require_once", "$CFG->directorypermissions = 02750;\nrequire_once"))
        self.succeed(MUC_SET)
        for folder in (self.data / "cache", self.data / "cache" / "filelocks"):
            status = folder.stat()
            self.assertEqual((oct(status.st_mode), status.st_uid, status.st_gid),
                             (oct(stat.S_IFDIR | 0o2750), self.data.stat().st_uid, self.data.stat().st_gid))


class Kept(EditTest):
    EDITS = ((MUC_SET, "muc"), (MUC_REMOVE, "muc"), (SESSION_SET, "config"), (SESSION_UNSET, "config"))

    def test_mode_owner_group_and_attributes(self):
        root = os.geteuid() == 0
        for command, name in self.EDITS:
            path = getattr(self, name)
            path.chmod(0o2640)
            if root:
                os.chown(path, 33, 12)
                path.chmod(0o2640)
            attributes = {}
            with contextlib.suppress(OSError):  # not on every file system
                os.setxattr(path, "user.note", b"kept\0too")
                subprocess.run(["setfacl", "-m", "u:12345:r", path], check=True, stderr=subprocess.DEVNULL)
            attributes = {key: os.getxattr(path, key) for key in os.listxattr(path)}
            wanted = path.stat()
            self.succeed(command)
            seen = path.stat()
            self.assertNotEqual(seen.st_ino, wanted.st_ino, "the file was not replaced")
            self.assertEqual((seen.st_mode, seen.st_uid, seen.st_gid), (wanted.st_mode, wanted.st_uid, wanted.st_gid))
            self.assertEqual({key: os.getxattr(path, key) for key in os.listxattr(path)}, attributes)

    def test_symbolic_links_are_followed_and_kept(self):
        for name in ("muc", "config"):
            path = getattr(self, name)
            away = self.dir / "away" / name
            away.mkdir(parents=True)
            path.rename(away / "real.php")
            (away / "link.php").symlink_to("real.php")
            path.symlink_to(away / "link.php")
        # The code is found through what config.php requires.
        self.write_config((CONFIG % {"port": 1, "dataroot": self.data}).replace("__DIR__", f"'{self.site}'"))
        for command, name in self.EDITS:
            before = (self.dir / "away" / name / "real.php").read_bytes()
            self.succeed(command)
            self.assertTrue(getattr(self, name).is_symlink())
            self.assertTrue((self.dir / "away" / name / "link.php").is_symlink())
            self.assertNotEqual((self.dir / "away" / name / "real.php").read_bytes(), before)
            self.assertEqual(self.strays(self.dir / "away" / name), [])

    def test_names_that_need_care(self):
        for folder in ("with blank", "it's", "-n", "tab\there", "\u00e9t\u00e9"):
            with self.subTest(folder=folder):
                site = self.dir / folder
                shutil.copytree(self.site, site)
                command = ("moodle-session", "set", *SESSION_SET[2:], "--config", f"./{folder}/config.php")
                if "\t" in folder:
                    self.expect_untouched(*command, code=64, err=refused("moodle-session"))
                    continue
                diff = self.run_tool(*command, "--diff").out
                old = (site / "config.php").read_bytes()
                subprocess.run(["patch", "-s", "-p1", "-d", "/"], input=diff.encode(), check=True, timeout=60)
                patched = (site / "config.php").read_bytes()
                (site / "config.php").write_bytes(old)
                self.expect(*command, out=facts("session-result=changed"), err=re.compile("[^\n]+\n"))
                self.assertEqual((site / "config.php").read_bytes(), patched)

    def test_diff_of_any_config(self):
        text = CONFIG % {"port": 1, "dataroot": self.data}
        for content in (text.replace("\n", "\r\n"), text.rstrip(), text + "// \0\n", text.replace("prefix", "pr\xe9fix").encode("latin-1")):
            self.write_config(content)
            diff = subprocess.run([tool(SESSION_SET[0]), *self.on(SESSION_SET)[1:], "--diff"], capture_output=True,
                                  stdin=subprocess.DEVNULL, check=True).stdout
            before = self.config.read_bytes()
            subprocess.run(["patch", "-s", "--binary", "-p1", "-d", "/"], input=diff, check=True, timeout=60)
            patched = self.config.read_bytes()
            self.write_config(before)
            self.succeed(SESSION_SET)
            self.assertEqual(self.config.read_bytes(), patched)


class Obstacles(EditTest):
    """What the host has in store. Nothing is changed, and the message says what is wrong."""

    @contextlib.contextmanager
    def mounted(self, folder, *options):
        done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            self.skipTest(f"cannot mount: {done.stderr.strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    def move_to(self, folder, source):
        for path in source.iterdir():
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            else:
                shutil.copy2(path, folder / path.name)

    def test_a_full_disk(self):
        disk = self.dir / "disk"
        disk.mkdir()
        with self.mounted(disk, "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs"):
            self.move_to(disk, self.data)
            shutil.copytree(self.site, disk / "site")
            (disk / "cache" / "filelocks").mkdir(parents=True)
            self.config = disk / "site" / "config.php"
            self.write_config(CONFIG % {"port": 1, "dataroot": disk})
            with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(b"x" * 4096)
            for command in (MUC_SET, SESSION_SET):
                self.expect_untouched(*self.on(command), code=74,
                                      err=refused(command[0], "cannot write DIR/disk/[^\n]+: No space left on device"))
            os.unlink(disk / "filler")
            self.succeed(MUC_SET)
            self.succeed(SESSION_SET)

    def test_the_disk_is_free_at_once(self):
        # A process of PHP's that was left behind in the site's folder would keep it busy.
        disk = self.dir / "disk"
        disk.mkdir()
        for _ in range(20):
            with self.mounted(disk, "-t", "tmpfs", "tmpfs"):
                config = disk / "config.php"
                config.write_text(CONFIG % {"port": 1, "dataroot": self.data})
                subprocess.run([tool("moodle-session"), "show", "--config", config], capture_output=True, check=True)

    def test_a_file_size_limit(self):
        for command in (MUC_SET, SESSION_SET):
            before = tree(self.dir)
            done = subprocess.run([tool(command[0]), *self.on(command)[1:]], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, check=False, timeout=60,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256)))
            self.assertEqual(done.returncode, 74, done.stderr)
            self.assertRegex(done.stderr, rf"{command[0]}: error: cannot write \S+: File too large\n")
            self.lock.exists() and self.fail("the lock stayed")
            shutil.rmtree(self.data / "cache", ignore_errors=True)
            self.assertEqual(tree(self.dir), before)

    def test_a_read_only_file_system(self):
        for folder, command, what in ((self.data, MUC_SET, "create"), (self.muc.parent, MUC_SET, "write in"),
                                      (self.site, SESSION_SET, "write in")):
            (self.data / "cache" / "filelocks").mkdir(parents=True, exist_ok=True)
            with self.mounted(folder, "--bind", str(folder)):
                subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
                self.expect_untouched(*self.on(command), code=77,
                                      err=refused(command[0], f"cannot {what} [^\n]+: Read-only file system"))

    def test_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("takes root to become another user")
        self.dir.chmod(0o755)
        for command, folder in ((SESSION_SET, self.site), (MUC_SET, self.data)):
            before = tree(self.dir)
            done = subprocess.run([tool(command[0]), *map(str, self.on(command)[1:])], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False, timeout=60, user=65534, group=65534,
                                  extra_groups=[])
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertRegex(done.stderr, rf"{command[0]}: error: cannot [^\n]+{folder}[^\n]*: Permission denied\n")
            self.assertEqual(tree(self.dir), before)
        # One who may write the folder but does not own the file could not keep its owner.
        self.site.chmod(0o777)
        done = subprocess.run([tool("moodle-session"), *map(str, self.on(SESSION_SET)[1:])], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=60, user=65534, group=65534,
                              extra_groups=[])
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertIn("cannot keep the owner and group of", done.stderr)
        self.assertEqual(self.strays(self.site), [])

    def test_a_missing_dataroot(self):
        self.data.rename(self.dir / "elsewhere")
        self.expect_untouched(*self.on(MUC_SET), code=66,
                              err=refused("moodle-muc", r"DIR/site/config.php: \$CFG->dataroot 'DIR/data' is not a folder"))
        self.write_config(CONFIG.replace("$CFG->dataroot", "$CFG->other") % {"port": 1, "dataroot": self.data})
        self.expect_untouched(*self.on(MUC_SET), code=78,
                              err=refused("moodle-muc", r"DIR/site/config.php: \$CFG->dataroot is not set"))
        self.write_config(CONFIG % {"port": 1, "dataroot": "data"})
        self.expect_untouched(*self.on(MUC_SET), code=78,
                              err=refused("moodle-muc", r"DIR/site/config.php: \$CFG->dataroot 'data' is not an absolute path"))

    def test_no_cache_configuration_yet(self):
        self.muc.unlink()
        for command in (MUC_SET, MUC_REMOVE, ("moodle-muc", "show")):
            self.expect_untouched(*self.on(command), code=66,
                                  err="moodle-muc: error: there is no cache configuration at DIR/data/muc/config.php yet\n"
                                      "moodle-muc: hint: Moodle makes it when the first page of the site is opened\n")
        self.succeed(SESSION_SET)

    def test_cache_configurations_that_are_none(self):
        whole = self.fixture(BEFORE)
        for content in (b"", b"<?php\n", b"<?php $configuration = 1;", b"<?php $configuration = [];", b"<?php exit;",
                        b"<?php throw new Exception('x');", b"<?php $configuration = [", b"text", whole[:2000],
                        whole.replace(b"array (", b"new stdClass; (", 1),
                        whole.replace(b"'locks'", b"'lost'"), b"\0" * 100, whole.replace(b"'stores' => \n", b"'stores' => 1, 'x' =>\n")):
            self.muc.write_bytes(content)
            for command in (MUC_SET, MUC_REMOVE, ("moodle-muc", "show")):
                self.expect_untouched(*self.on(command), code=65, err=refused("moodle-muc", "DIR/data/muc/config.php [^\n]+"))
        self.muc.write_bytes(whole.replace(b"<?php", b"<?php global $CFG;", 1).replace(b"'9f3f", b"$CFG->x . '9f3f"))
        self.expect_untouched(*self.on(MUC_SET), code=78, err=refused("moodle-muc"))
        self.muc.write_bytes(b"<?php $configuration = ['password' => 'it's5ecret'];")
        self.expect_untouched(*self.on(MUC_SET), code=65, err=refused(
            "moodle-muc", "DIR/data/muc/config.php is no cache configuration: line 1: syntax error, unexpected identifier"))
        self.muc.write_bytes(b"<?php while (true);")
        self.expect_untouched(*self.on(MUC_SET), "--php-timeout", "0.5", code=69, err=refused("moodle-muc", "PHP did not finish [^\n]+"))


class HostileConfig(EditTest):
    def refuse(self, content, code, text, *options):
        self.write_config(content)
        for command in (MUC_SET, SESSION_SET, SESSION_UNSET, ("moodle-muc", "show"), ("moodle-session", "show")):
            self.expect_untouched(*self.on(command), *options, code=code, err=refused(command[0], text))

    def test_scripts(self):
        self.refuse("<?php $CFG = ;", 78, "DIR/site/config.php: line 1: syntax error, unexpected token")
        self.refuse("<?php\n$CFG->dbpass = 'it's5ecret';", 78, "DIR/site/config.php: line 2: syntax error, unexpected identifier")
        self.refuse("<?php exit('x');", 78, "DIR/site/config.php calls exit before it requires lib/setup.php")
        self.refuse("<?php while (true);", 69, "PHP did not finish DIR/site/config.php within 0.3 s", "--php-timeout", "0.3")
        self.refuse("<?php set_time_limit(0); while (true) { sleep(10); }", 69, "PHP did not finish [^\n]+", "--php-timeout", "0.3")
        self.refuse("<?php $a = []; while (true) { $a[] = str_repeat('x', 1 << 24); }", 78,
                    "DIR/site/config.php: line 1: Allowed memory size of [^\n]+")
        self.refuse("<?php ini_set('memory_limit', -1); $a = str_repeat('x', 3 << 30);", 78,
                    "PHP gave up in DIR/site/config.php")
        self.refuse("<?php function f() { return array_map('f', [1]); } f();", 78, "[^\n]*DIR/site/config.php[^\n]*")
        self.refuse("<?php posix_kill(posix_getpid(), 11); sleep(10);", 78, "PHP crashed in DIR/site/config.php \\(signal 11\\)")
        self.refuse("<?php header('x: y'); trigger_error('bad', E_USER_ERROR);", 78, "DIR/site/config.php: line 1: bad")
        self.refuse("<?php set_error_handler(function () { exit; }); echo $x; ", 78, "[^\n]+")
        self.refuse("<?php\n$p = 'secret'; (function ($p) { throw new Exception('a' . \"\\n\" . $p); })($p);", 78,
                    "DIR/site/config.php: line 2: uncaught Exception")

    def test_prints(self):
        self.write_config((CONFIG % {"port": 1, "dataroot": self.data}).replace(
            "require_once", "echo '#facts 1'; fwrite(fopen('php://stdout', 'w'), 'x'); error_log('y'); system('echo z; echo z >&2');\n"
                            "trigger_error('warning'); register_shutdown_function(function () { while (true); });\nrequire_once"))
        self.expect(*self.on(MUC_SET), out=facts("muc-result=changed"), err="moodle-muc: DIR/data/muc/config.php changed\n")
        self.expect(*self.on(SESSION_SET), out=facts("session-result=changed"),
                    err="moodle-session: DIR/site/config.php changed\n")

    def test_no_core_file_is_left_beside_config(self):
        self.write_config("<?php posix_kill(posix_getpid(), 11); sleep(10);")
        before = tree(self.dir)
        done = subprocess.run([tool("moodle-session"), "show", "--config", self.config], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False, timeout=60,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
        self.assertEqual(done.returncode, 78)
        self.assertEqual(tree(self.dir), before)

    def test_what_is_no_file(self):
        for name in ("config", "muc"):
            path = getattr(self, name)
            path.unlink()
            cases = [(66, "", lambda: None), (66, "", lambda: path.symlink_to("nowhere")), (74, "", lambda: path.symlink_to(path.name)),
                     (65, "", path.mkdir), (65, "", lambda: os.mkfifo(path)),
                     (65, "", lambda: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 4 << 30))]
            for code, _, make in cases:
                make()
                for command in (MUC_SET,) if name == "muc" else (MUC_SET, SESSION_SET, SESSION_UNSET):
                    self.expect_untouched(*self.on(command), code=code, err=refused(command[0]))
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)
            if name == "config":
                self.write_config()


class Silent:
    """A server that accepts and never answers."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.listener.close()


class Servers(EditTest):
    def test_a_cache_that_never_answers(self):
        with Silent() as server:
            for command, name in (("moodle-muc", "app"), ("moodle-session", "session")):
                force = ("--force",) if name == "session" else ()
                self.expect_untouched(command, "set", f"--{name}-cache-endpoint", f"127.0.0.1:{server.port}", "--timeout", "0.2",
                                      *force, "--config", self.config, code=69,
                                      err=refused(command, rf"[^\n]*127\.0\.0\.1:{server.port}[^\n]*"))
        for command, name in (("moodle-muc", "app"), ("moodle-session", "session")):
            self.expect_untouched(command, "set", f"--{name}-cache-endpoint", f"127.0.0.1:{server.port}", "--config", self.config,
                                  code=69, err=refused(command, rf"[^\n]*127\.0\.0\.1:{server.port}[^\n]*"))

    def test_a_database_that_never_answers(self):
        command = [word for word in SESSION_SET if word != "--force"]
        with Silent() as server:
            self.write_config(port=server.port)
            self.expect_untouched(*self.on(tuple(command)), "--db-timeout", "0.3", code=69,
                                  err=refused("moodle-session", rf"[^\n]*127\.0\.0\.1:{server.port}[^\n]*"))
        self.expect_untouched(*self.on(tuple(command)), code=69,
                              err=refused("moodle-session", "cannot tell whether the installation has finished: [^\n]*"))


class HostileValues(EditTest):
    VALUES = ("'", "\\", "a\nb", "<?php", "?>", "$(touch x)", "`touch x`", "a'; phpinfo(); //", "\\'", "", " ", "\x7f", "\u202e", "é",
              "%s%n", "../../x", "-", "--", "a" * 100_000)
    MUC = ("--config", "--moodle-version", "--php-timeout", "--app-cache-endpoint", "--app-cache-node", "--app-cache-engine",
           "--app-cache-tls", "--servers", "--timeout", "--store", "--map", "--prefix", "--compression", "--serialiser", "--weight",
           "--lock-timeout")
    SESSION = ("--config", "--moodle-version", "--php-timeout", "--session-cache-endpoint", "--session-cache-node",
               "--session-cache-engine", "--session-cache-tls", "--servers", "--timeout", "--handler", "--acquire-lock-timeout",
               "--lock-expire", "--lock-retry-sleep", "--db-timeout", "--lock-timeout")
    # Wrong values that are right ones for these options.
    FITS = {("--store", "-"), ("--store", "--"), ("--prefix", ""), ("--prefix", "-"), ("--prefix", "--")}

    def refuse_all(self, command, options, needed):
        before = tree(self.dir)
        for option in options:
            for value in self.VALUES:
                if (option, value) in self.FITS:
                    continue
                rest = [word for name, text in needed.items() if name != option for word in (name, text)]
                result = self.run_tool(command, "set", *rest, f"{option}={value}")
                with self.subTest(option=option, value=value[:50]):
                    self.assertIn(result.code, (64, 66, 74, 78), result.err)
                    self.assertRegex(result.err, rf"\A{command}: error: [^\n]+\n({command}: hint: [^\n]+\n)?\Z")
                    self.assertLess(len(result.err), 2000)
                    self.assertEqual(result.out, "")
            self.assertEqual(tree(self.dir), before, f"{option} changed the files")

    def test_muc(self):
        self.refuse_all("moodle-muc", self.MUC, {"--config": self.config, "--app-cache-node": "h:1"})

    def test_session(self):
        self.refuse_all("moodle-session", self.SESSION, {"--config": self.config, "--session-cache-node": "h:1"})

    def test_prefixes_reach_php_as_they_are(self):
        for prefix in ("'", "\\", "\\'", "\\\\", "'\\", "<?php", "?>", "$(x)", "$CFG->x", "{$x}", "//", "/*", "#", "a\\nb", "x" * 200,
                       "//moodle-session:end."):
            with self.subTest(prefix=prefix):
                before = self.config.read_bytes()
                self.succeed(SESSION_SET, f"--prefix={prefix}")
                self.assertEqual(self.php_cfg()["session_memcached_prefix"], prefix)
                self.succeed(SESSION_UNSET)
                self.assertEqual(self.config.read_bytes(), before)

    def test_a_megabyte_in_a_fact(self):
        for name in ("app-cache-endpoint", "app-cache-node", "config", "moodle-version", "app-cache-engine", "any-other"):
            self.expect_untouched(*MUC_SET[:2], "-f", "-", stdin=f"#facts 1\n{name}={'x' * (1 << 20)}\n#end\n", code=65,
                                  err=re.compile(r"moodle-muc: error: [^\n]{,500}\n"))


if __name__ == "__main__":
    main()
