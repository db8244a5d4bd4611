"""moodle-efs-seed under what happens to it at night: kills, signals, full and broken file systems, vanished
mounts, a second run, a site's own folders. With SEED_TEST_FULL=1 the kills are a hundred in 2 GiB."""

import errno
import fcntl
import os
import pty
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest
from pathlib import Path

from harness import CommandTest, main, tool

OK, NEGATIVE, IO, TRY_AGAIN, NO_PERMISSION, CONFIG = 0, 1, 74, 75, 77, 78
MIB = 1 << 20
NAME = "moodle-efs-seed"
ANY = re.compile(r"(.|\n)*")
FULL = os.environ.get("SEED_TEST_FULL") == "1"
ROOT = os.geteuid() == 0
DEADLINE_S = 60
ON_FROM_THERE = "the same command goes on from there"


def fact(result, name) -> int:
    return int(re.search(rf"^{name}=(\d+)$", result.out, re.MULTILINE).group(1))


class SeedTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.folder = self.dir / "seed"
        self.folder.mkdir()

    def seed(self, verb, *options, **expected):
        return self.expect(NAME, verb, self.folder, *options, **{"out": ANY, "err": ANY, **expected})

    def start(self, verb, *options, **popen) -> subprocess.Popen:
        process = subprocess.Popen([tool(NAME), verb, self.folder, *map(str, options)], cwd=self.dir,
                                   stdin=subprocess.DEVNULL, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                                                                "text": True, **popen})
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def finish(self, process):
        out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out, err.replace(str(self.dir), "DIR")

    def wait_until(self, condition, what):
        end = time.monotonic() + DEADLINE_S
        while not condition():
            self.assertLess(time.monotonic(), end, f"never: {what}")
            time.sleep(0.002)

    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("moodle-efs-seed-*"))

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def content(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def require_whole(self, size):
        """Nothing but seed files of that size in all, as they should be; and gone without a trace afterwards."""
        self.assertEqual(self.bytes(), size)
        self.seed("status", "--verify", out=re.compile(
            rf"(.|\n)*efs-seed-bytes={size}\n(.|\n)*unfinished-files=0\n(.|\n)*damaged-files=0\n(.|\n)*"))
        self.seed("shrink", "--size", "0")
        self.assertEqual(self.names(), [])


class Kills(SeedTest):
    def test_killed_at_random_and_resumed(self):
        kills, size, file_size, rate = (100, 2048, "64MiB", 256) if FULL else (15, 48, "5MiB", 64)
        self.kill_and_resume(kills, size, file_size, rate)

    @unittest.skipUnless(FULL, "SEED_TEST_FULL=1 writes 4 GiB")
    def test_killed_at_random_at_full_speed(self):
        self.kill_and_resume(100, 2048, "64MiB", None)

    def kill_and_resume(self, kills, size, file_size, rate):
        jobs = 8
        options = ("--size", f"{size}MiB", "--file-size", file_size, "--jobs", jobs)
        dice = random.Random(5)
        written = killed = 0
        while killed < kills:
            # At a rate, so that it is not done before it was killed often enough.
            process = self.start("grow", *options, *(("--rate", f"{rate}MiB/s") if rate else ()))
            # Until a random moment; at full speed, most of it passes before the first block.
            time.sleep(dice.uniform(0, 1.6 * size / rate / kills) if rate else dice.uniform(0.005, 0.04))
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            written += int(re.search(r"wchar: (\d+)", Path(f"/proc/{process.pid}/io").read_text()).group(1))
            if self.finish(process)[0] != -signal.SIGKILL:
                break
            killed += 1
        before_last = self.bytes()
        result = self.seed("grow", *options)
        written += fact(result, "efs-seed-written-bytes")
        print(f"{killed} kills, {before_last / MIB:.1f} MiB by then, {written / MIB:.1f} MiB written in all for "
              f"{size} MiB")
        self.assertGreaterEqual(killed, kills // 2)
        # Beside the blocks, the lock's text and the messages are written: less than a KiB a run.
        self.assertLessEqual(written, size * MIB + killed * jobs * MIB + (killed + 1) * 1024)
        disturbed = self.dir / "disturbed"
        self.folder.rename(disturbed)
        self.folder.mkdir()
        self.seed("grow", *options)
        self.assertEqual(sorted(path.name for path in disturbed.iterdir()), self.names())
        for path in disturbed.iterdir():
            self.assertEqual(subprocess.run(["cmp", path, self.folder / path.name], check=False).returncode, 0)
        self.require_whole(size * MIB)

    def test_what_a_kill_leaves_can_be_removed(self):
        for pause in (0.0, 0.01, 0.02, 0.03, 0.04):
            process = self.start("grow", "--size", "64MiB", "--file-size", "1MiB")
            time.sleep(pause)
            process.kill()
            process.wait()
            self.seed("shrink", "--size", "0")
            self.assertEqual(self.names(), [])

    def test_a_name_is_given_last(self):
        """A file that a run was killed over has no seed file's name yet: cleared away, empty or with its start."""
        self.seed("grow", "--size", "1MiB")
        start = (self.folder / "moodle-efs-seed-000001").read_bytes()
        for begun in (b"", start, start[:4096]):
            for verb, size in (("grow", "1MiB"), ("shrink", "0")):
                (self.folder / "moodle-efs-seed-000001").write_bytes(start)
                (self.folder / ".moodle-efs-seed-000001.new").write_bytes(begun)
                self.seed(verb, "--size", size)
                self.assertEqual(self.names(), ["moodle-efs-seed-000001"] if verb == "grow" else [])
                # Nor does it use up a number.
                (self.folder / ".moodle-efs-seed-000002.new").write_bytes(b"")
                self.seed("grow", "--size", "2MiB", "--file-size", "1MiB")
                self.assertEqual(self.names(), ["moodle-efs-seed-000001", "moodle-efs-seed-000002"])
                self.seed("shrink", "--size", "0")

    def test_power_failure_before_the_data_was_on_the_disk(self):
        """Sizes that are there, blocks that are not, a block that is half there: all of it is written again."""
        self.seed("grow", "--size", "16MiB", "--file-size", "8MiB")
        good = self.content()
        first, second = (self.folder / name for name in self.names())
        with open(first, "r+b") as file:
            file.truncate(3 * MIB - 4096)
            file.truncate(8 * MIB)
        with open(second, "r+b") as file:
            file.truncate(5 * MIB + 12345)
        result = self.seed("grow", "--size", "16MiB")
        self.assertEqual(fact(result, "efs-seed-written-bytes"), (6 + 3) * MIB)
        self.assertEqual(self.content(), good)


class Signals(SeedTest):
    def test_first_signal_ends_cleanly(self):
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            process = self.start("grow", "--size", "64MiB", "--file-size", "4MiB", "--rate", "8MiB/s", "--jobs", 4)
            self.wait_until(lambda: self.bytes() > 2 * MIB, "something is written")
            process.send_signal(getattr(signal, name))
            code, out, err = self.finish(process)
            there = self.bytes()
            self.assertEqual((code, out), (TRY_AGAIN, ""))
            self.assertRegex(err, rf"\A{NAME}: error: stopped by {name}: [\d.]+ MiB of 64 MiB are there, [\d.]+ MiB "
                                  rf"are left to do\n{NAME}: hint: {ON_FROM_THERE}\n\Z")
            self.assertNotIn(".moodle-efs-seed.lock", self.names())
            self.assertLess(there, 64 * MIB)
            result = self.seed("grow", "--size", "64MiB", "--file-size", "4MiB")
            self.assertEqual(fact(result, "efs-seed-written-bytes"), 64 * MIB - there)
            self.require_whole(64 * MIB)

    def test_ignored_signal_stays_ignored(self):
        process = self.start("grow", "--size", "6MiB", "--file-size", "1MiB", "--rate", "4MiB/s", "--jobs", 1,
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.wait_until(lambda: self.bytes() > 0, "something is written")
        process.send_signal(signal.SIGHUP)
        self.assertEqual(self.finish(process)[0], OK)
        self.require_whole(6 * MIB)

    def test_status_can_be_stopped(self):
        self.seed("grow", "--size", "16MiB")
        process = self.start("status", "--verify", "--rate", "1MiB/s")
        # It waits for its signals as soon as there is a thread beside the first.
        self.wait_until(lambda: len(os.listdir(f"/proc/{process.pid}/task")) > 1, "it reads")
        process.send_signal(signal.SIGINT)
        code, _, err = self.finish(process)
        self.assertEqual(code, TRY_AGAIN)
        self.assertRegex(err, r"error: stopped by SIGINT: .* of 16 MiB were read\n\Z")


class Faults(SeedTest):
    """A file system that refuses, by a library that is put before the C library's calls."""

    @classmethod
    def setUpClass(cls):
        cls.build = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
        cls.addClassCleanup(shutil.rmtree, cls.build)
        cls.library = cls.build / "fault.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", cls.library,
                        Path(__file__).parent / "efs_fault.c", "-ldl"], check=True)

    def fault(self, call, after, error):
        preload = " ".join(filter(None, (os.environ.get("LD_PRELOAD"), str(self.library))))
        return {"LD_PRELOAD": preload, "FAULT_CALL": call, "FAULT_AFTER": str(after),
                "FAULT_ERRNO": str(error), "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def test_writing_fails_in_the_middle(self):
        for error in (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.ESTALE):
            for call, after in (("pwrite", 0), ("pwrite", 9), ("fsync", 0)):
                self.seed("grow", "--size", "16MiB", "--file-size", "4MiB", "--jobs", 4,
                          env=self.fault(call, after, error), code=IO, out="", err=re.compile(
                    rf"{NAME}: error: cannot write DIR/seed/moodle-efs-seed-00000\d: {os.strerror(error)}\n"
                    rf"{NAME}: hint: [\d.]+ (MiB|bytes) of 16 MiB are there, [\d.]+ (MiB|bytes) are left to do; "
                    rf"{ON_FROM_THERE}\n"))
                there = self.bytes()
                if call == "pwrite":
                    self.assertEqual(there, after * MIB)
                result = self.seed("grow", "--size", "16MiB", "--file-size", "4MiB")
                self.assertEqual(fact(result, "efs-seed-written-bytes"), 16 * MIB - there)
                self.require_whole(16 * MIB)

    def test_reading_fails(self):
        self.seed("grow", "--size", "4MiB")
        self.seed("status", "--verify", env=self.fault("pread", 2, errno.EIO), code=IO, out="", err=re.compile(
            rf"(.|\n)*{NAME}: error: cannot read DIR/seed/moodle-efs-seed-000001: Input/output error\n"))

    def test_a_folder_that_goes_while_it_is_counted(self):
        """As on a live site: listed, and gone when it is to be opened."""
        (self.folder / "moodle-efs-seed-0").mkdir()
        self.expect(NAME, "plan", "--from", self.folder, env=self.fault("realpath", 0, errno.ENOENT), out=ANY, err=ANY)
        self.expect(NAME, "plan", "--from", self.folder, env=self.fault("realpath", 0, errno.EACCES), code=NO_PERMISSION,
                    err=f"{NAME}: error: cannot open the folder DIR/seed/moodle-efs-seed-0: Permission denied\n")

    def test_file_system_without_direct_io(self):
        """Refused late, by the first transfer, as some do."""
        for call, verb, options in (("pwrite", "grow", ("--size", "80MiB", "--file-size", "70MiB")),
                                    ("pread", "status", ("--verify",))):
            self.seed(verb, *options, env={**self.fault(call, 0, errno.EINVAL), "FAULT_DIRECT": "1"})
        self.require_whole(80 * MIB)


class Limits(SeedTest):
    def test_file_size_limit(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB + 5, 3 * MIB + 5))
        code, _, err = self.finish(self.start("grow", "--size", "7MiB", preexec_fn=limited))
        self.assertEqual((code, err), (OK, (
            f"{NAME}: warning: new files get 3 MiB, because this process may not write larger ones (ulimit -f)\n"
            f"{NAME}: 7 MiB written to DIR/seed: it holds 7 MiB of seed data now\n")))
        self.require_whole(7 * MIB)

    def test_file_that_was_begun_under_a_higher_limit(self):
        self.seed("grow", "--size", "8MiB")
        self.seed("shrink", "--size", "2MiB")

        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, 4 * MIB))
        code, _, err = self.finish(self.start("grow", "--size", "8MiB", preexec_fn=limited))
        self.assertEqual(code, IO)
        self.assertIn(f"{NAME}: error: cannot write DIR/seed/moodle-efs-seed-000001: File too large\n"
                      f"{NAME}: hint: 4 MiB of 8 MiB are there, 4 MiB are left to do; {ON_FROM_THERE}\n", err)
        self.seed("grow", "--size", "8MiB")
        self.require_whole(8 * MIB)

    def test_limit_below_the_least_file(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (MIB - 1, MIB - 1))
        code, _, err = self.finish(self.start("grow", "--size", "7MiB", preexec_fn=limited))
        self.assertEqual(code, IO)
        self.assertIn("(ulimit -f)\n", err)
        self.assertEqual(self.names(), [])

    def test_memory_whatever_the_jobs(self):
        for argv in (("grow", "--size", "48MiB", "--file-size", "2MiB"), ("status", "--verify")):
            process = self.start(*argv, "--jobs", 24, "--rate", "32MiB/s")
            folder = Path(f"/proc/{process.pid}")
            self.wait_until(lambda: len(os.listdir(folder / "task")) == 25, "all threads are there")
            peak = 0
            while read := re.search(r"VmHWM:\s+(\d+) kB", (folder / "status").read_text()):
                peak = int(read.group(1))
                time.sleep(0.01)
            self.assertEqual(self.finish(process)[0], OK)
            print(f"{argv[0]}: {peak / 1024:.0f} MiB")
            self.assertLess(peak, 64 * 1024)


@unittest.skipUnless(ROOT, "mounting needs root")
class Mounts(SeedTest):
    def mount(self, *options):
        subprocess.run(["mount", *options, self.folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder], check=False, stderr=subprocess.DEVNULL)

    def mount_loop(self, size):
        image = self.dir / "image"
        with open(image, "wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-E", "root_owner=0:0", image], check=True)
        self.mount("-o", "loop", image)
        shutil.rmtree(self.folder / "lost+found")

    def test_other_file_systems_are_not_counted(self):
        self.mount("-t", "tmpfs", "-o", "size=8M", "tmpfs")
        self.seed("grow", "--size", "4MiB")
        result = self.expect(NAME, "plan", "--from", self.dir, out=ANY, err=ANY)
        self.assertEqual(fact(result, "efs-seed-size"), 0)

    def test_no_room_from_the_start(self):
        self.mount("-t", "tmpfs", "-o", "size=8M", "tmpfs")
        self.seed("grow", "--size", "16MiB", code=IO, out="", err=re.compile(
            rf"{NAME}: error: cannot write 16 MiB in DIR/seed: No space left on device: 8 MiB are free\n"
            rf"{NAME}: hint: 0 bytes of 16 MiB are there, 16 MiB are left to do; nothing was written\n"))
        self.assertEqual(self.names(), [])

    def fills_up(self, grow_file_system, foreign_bytes):
        options = ("--size", "24MiB", "--file-size", "4MiB", "--jobs", 4)
        process = self.start("grow", *options, "--rate", "16MiB/s")
        self.wait_until(lambda: self.bytes() > MIB, "something is written")
        foreign = self.folder / "foreign"
        foreign.write_bytes(b"x" * foreign_bytes)
        code, out, err = self.finish(process)
        self.assertEqual((code, out), (IO, ""))
        self.assertRegex(err, rf"\A{NAME}: error: cannot (write|create) DIR/seed/moodle-efs-seed-00000\d: No space left "
                              rf"on device\n{NAME}: hint: [\d.]+ MiB of 24 MiB are there, [\d.]+ MiB are left to do; "
                              rf"{ON_FROM_THERE}\n\Z")
        there = self.bytes()
        self.assertGreater(there, MIB)
        grow_file_system(foreign)
        result = self.seed("grow", *options)
        # What was half written of a block does not count.
        self.assertLessEqual(fact(result, "efs-seed-written-bytes"), 24 * MIB - there + 4 * MIB)
        foreign.unlink(missing_ok=True)
        self.require_whole(24 * MIB)

    def test_fills_up_in_the_middle_tmpfs(self):
        self.mount("-t", "tmpfs", "-o", "size=32M", "tmpfs")
        self.fills_up(lambda foreign: subprocess.run(
            ["mount", "-o", "remount,size=64M", self.folder], check=True), 20 * MIB)

    def test_fills_up_in_the_middle_ext4(self):
        self.mount_loop(48 * MIB)
        self.fills_up(Path.unlink, 20 * MIB)

    def test_turned_read_only(self):
        self.mount("-t", "tmpfs", "-o", "size=32M", "tmpfs")
        self.seed("grow", "--size", "4MiB")
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)
        for verb, size in (("grow", "8MiB"), ("shrink", "0")):
            self.seed(verb, "--size", size, code=IO, out="",
                      err=f"{NAME}: error: cannot write in DIR/seed: Read-only file system\n")
        self.seed("status", "--verify")
        subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)
        self.seed("grow", "--size", "8MiB")
        self.require_whole(8 * MIB)

    def test_turned_read_only_in_the_middle(self):
        """As after an error of the disk: ext4 goes read-only although files are open for writing."""
        self.mount_loop(64 * MIB)
        process = self.start("grow", "--size", "32MiB", "--file-size", "4MiB", "--jobs", 2, "--rate", "8MiB/s")
        self.wait_until(lambda: self.bytes() > 2 * MIB, "something is written")
        device = os.stat(self.folder).st_dev
        name = Path(os.readlink(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")).name
        trigger = Path(f"/sys/fs/ext4/{name}/trigger_fs_error")
        subprocess.run(["mount", "-o", "remount,errors=remount-ro", self.folder], check=True)
        trigger.write_text("test")
        code, out, err = self.finish(process)
        self.assertEqual((code, out), (IO, ""), err)
        self.assertRegex(err, rf"error: cannot (write|create|open) DIR/seed/\S+: "
                              rf"({os.strerror(errno.EROFS)}|{os.strerror(errno.EIO)}|Structure needs cleaning)\n")
        subprocess.run(["umount", self.folder], check=True)
        subprocess.run(["e2fsck", "-fy", self.dir / "image"], check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.mount("-o", "loop", self.dir / "image")
        shutil.rmtree(self.folder / "lost+found", ignore_errors=True)
        self.seed("grow", "--size", "32MiB", "--file-size", "4MiB")
        self.require_whole(32 * MIB)

    def test_mount_that_vanished_in_between(self):
        self.mount("-t", "tmpfs", "-o", "size=64M", "tmpfs")
        process = self.start("grow", "--size", "32MiB", "--file-size", "1MiB", "--jobs", 2, "--rate", "8MiB/s")
        self.wait_until(lambda: self.bytes() > 2 * MIB, "something is written")
        subprocess.run(["umount", "-l", self.folder], check=True)
        code, out, err = self.finish(process)
        self.assertEqual((code, out), (IO, ""))
        self.assertRegex(err, rf"\A{NAME}: error: DIR/seed is no longer the folder that it was\n{NAME}: hint: was its "
                              rf"file system unmounted\? [\d.]+ MiB of 32 MiB are there, [\d.]+ MiB are left to do; "
                              rf"{ON_FROM_THERE}\n\Z")
        self.assertEqual(self.names(), [])


class TwoAtOnce(SeedTest):
    def test_the_second_waits_and_then_says_who(self):
        first = self.start("grow", "--size", "64MiB", "--file-size", "4MiB", "--rate", "4MiB/s")
        self.wait_until(lambda: self.bytes() > 0, "something is written")
        host = os.uname().nodename
        held = re.compile(
            rf"{NAME}: error: the lock DIR/seed/.moodle-efs-seed.lock is held since .* by {NAME}, process {first.pid} on "
            rf"{re.escape(host)}, which is still running\n{NAME}: hint: run the command again when it is done\n")
        self.seed("grow", "--size", "64MiB", "--lock-timeout", "0.05", code=TRY_AGAIN, out="", err=held)
        self.seed("shrink", "--size", "0", "--lock-timeout", "0.05", code=TRY_AGAIN, out="", err=held)
        self.seed("status")
        first.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(first)[0], TRY_AGAIN)

    def test_ten_at_once(self):
        running = [self.start("grow", "--size", "20MiB", "--file-size", "1MiB", "--lock-timeout", DEADLINE_S)
                   for _ in range(10)]
        written = []
        for process in running:
            code, out, err = self.finish(process)
            self.assertEqual(code, OK, err)
            written.append(int(re.search(r"written-bytes=(\d+)", out).group(1)))
        self.assertEqual(sorted(written), [0] * 9 + [20 * MIB])
        self.require_whole(20 * MIB)

    def test_lock_taken_away(self):
        """By somebody who thought that it was left over: the run ends, and harms nothing."""
        process = self.start("grow", "--size", "32MiB", "--file-size", "1MiB", "--rate", "8MiB/s", "--jobs", 2)
        self.wait_until(lambda: self.bytes() > MIB, "something is written")
        (self.folder / ".moodle-efs-seed.lock").unlink()
        code, _, err = self.finish(process)
        self.assertEqual(code, TRY_AGAIN)
        self.assertIn(f"{NAME}: error: the lock on DIR/seed was taken away\n", err)
        self.seed("grow", "--size", "32MiB", "--file-size", "1MiB")
        self.require_whole(32 * MIB)

    def test_lock_of_a_dead_run(self):
        (self.folder / ".moodle-efs-seed.lock").write_text(f"{NAME} 1 elsewhere\n")
        self.seed("grow", "--size", "1MiB")
        self.require_whole(MIB)


class FoldersOfTheSite(SeedTest):
    def setUp(self):
        super().setUp()
        for name in ("data/temp", "cache", "local", "mount/seed"):
            (self.dir / name).mkdir(parents=True)
        self.config = self.write("html/config.php", (
            "<?php\n$CFG = new stdClass();\n"
            f"$CFG->dataroot = '{self.dir}/data';\n$CFG->cachedir = '{self.dir}/cache';\n"
            f"$CFG->localcachedir = '{self.dir}/local';\nrequire_once(__DIR__ . '/lib/setup.php');\n"))

    def test_refused(self):
        (self.dir / "data/deep/er").mkdir(parents=True)
        os.symlink(self.dir / "data/deep", self.dir / "link")
        for path, real, name in (("data", "data", "dataroot"), ("data/deep/er", "data/deep/er", "dataroot"),
                                 ("link/er", "data/deep/er", "dataroot"), ("cache", "cache", "cachedir"),
                                 ("data/temp", "data/temp", "dataroot"), ("local", "local", "localcachedir")):
            root = {"dataroot": "data", "cachedir": "cache", "localcachedir": "local"}[name]
            self.expect(NAME, "grow", self.dir / path, "--size", "1MiB", "--config", self.config, code=CONFIG, err=(
                f"{NAME}: error: DIR/{real} lies in the site's {name}, DIR/{root}\n"
                f"{NAME}: hint: choose a folder beside it on the same file system\n"))
        self.assertEqual(list(self.dir.rglob("moodle-efs-seed-*")), [])

    def test_beside_them(self):
        self.expect(NAME, "grow", self.dir / "mount/seed", "--size", "1MiB", "--config", self.config, out=ANY, err=ANY)

    @unittest.skipUnless(ROOT, "mounting needs root")
    def test_by_another_mount(self):
        subprocess.run(["mount", "--bind", self.dir / "data", self.dir / "mount"], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.dir / "mount"], check=True)
        (self.dir / "data/seed").mkdir()
        self.expect(NAME, "grow", self.dir / "mount/seed", "--size", "1MiB", "--config", self.config, code=CONFIG,
                    err=re.compile(rf"{NAME}: error: DIR/mount/seed lies in the site's dataroot, DIR/data\n(.|\n)*"))


class Progress(SeedTest):
    def on_a_terminal(self, *options, columns=80, size=12, stdout=subprocess.DEVNULL):
        """What grow writes to a terminal of its own, at 4 MiB/s."""
        self.seed("shrink", "--size", "0")
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def own_the_terminal():
            os.setsid()
            fcntl.ioctl(2, termios.TIOCSCTTY, 0)
        process = self.start("grow", "--size", f"{size}MiB", "--file-size", "1MiB", "--rate", "4MiB/s", *options,
                             stdout=stdout, stderr=theirs, text=False, preexec_fn=own_the_terminal)
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk
        except OSError:
            pass  # the end of a terminal
        os.close(ours)
        self.assertEqual(process.wait(DEADLINE_S), OK)
        return seen.decode()

    def test_bar(self):
        for columns in (80, 20):
            seen = self.on_a_terminal(columns=columns, size=16)
            drawings, _, message = seen.partition(NAME)
            lines = [line for line in drawings.split("\r") if line.strip()]
            self.assertGreaterEqual(len(lines), 2, seen)
            for line in lines:
                self.assertRegex(line, r"\A *\d+ % ")
                self.assertLess(len(line), columns)
            self.assertNotIn("\n", drawings)
            self.assertRegex(drawings, r"\r +\r\Z")
            if columns == 80:
                self.assertRegex(lines[0], r"\A *\d+ % \[#+\.+\] [\d.]+ MiB of 16 MiB, [\d.]+ MiB/s, \d s left *\Z")
            self.assertNotIn("\x1b", seen)
            self.assertIn(" 16 MiB written to", message)

    def test_no_bar(self):
        for options in (("--no-progress",), ("--quiet",)):
            seen = self.on_a_terminal(*options)
            self.assertNotIn("%", seen)
            self.assertNotIn("\r\r", seen.replace("\r\n", ""))

    def test_within_a_pipeline_only_if_asked(self):
        self.assertNotIn("%", self.on_a_terminal(stdout=subprocess.PIPE))
        self.assertIn("%", self.on_a_terminal("--progress", stdout=subprocess.PIPE))

    def test_never_into_a_file(self):
        self.seed("grow", "--size", "10MiB", "--rate", "4MiB/s", "--file-size", "1MiB", "--progress",
                  err=f"{NAME}: 10 MiB written to DIR/seed: it holds 10 MiB of seed data now\n")


if __name__ == "__main__":
    main()
