"""moodle-efs-seed: what it prints and refuses; and plan, status, grow and shrink on small folders."""

import os
import re
import zlib

from harness import CommandTest, facts, main

OK, NEGATIVE, USAGE, DATA, NO_INPUT, IO = 0, 1, 64, 65, 66, 74
MIB = 1 << 20
GIB = 1 << 30
NAME = "moodle-efs-seed"
ANY = re.compile(r"(.|\n)*")
SIZE_RULE = ("is not a size: a number with one of the units B, KiB, MiB, GiB, TiB, PiB, EiB (powers of 1024), kB, "
             "MB, GB, TB, PB, EB (powers of 1000), or none for bytes; at most 8 EiB less a byte")
RATE_RULE = ("is not a rate: a number with one of the units B, KiB, MiB, GiB, TiB, PiB, EiB (powers of 1024), kB, "
             "MB, GB, TB, PB, EB (powers of 1000), or none for bytes; then '/s', such as 10MiB/s; above 0")


def error(message: str, hint: str = "") -> str:
    return f"{NAME}: error: {message}\n" + (f"{NAME}: hint: {hint}\n" if hint else "")


def usage(message: str) -> str:
    return error(message, f"'{NAME} --help' shows what it takes")


class SeedTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.folder = self.dir / "seed"
        self.folder.mkdir()

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def grow(self, size, *options, **expected):
        expected = {"out": ANY, "err": ANY, **expected}
        return self.expect(NAME, "grow", self.folder, "--size", size, *options, **expected)

    def shrink(self, size, *options, **expected):
        expected = {"out": ANY, "err": ANY, **expected}
        return self.expect(NAME, "shrink", self.folder, "--size", size, *options, **expected)

    def verify(self, **expected):
        expected = {"out": ANY, "err": ANY, **expected}
        return self.expect(NAME, "status", self.folder, "--verify", **expected)


class Sizes(SeedTest):
    def test_accepted(self):
        for text, shown in (("1GiB", "1 GiB"), ("1GB", "954 MiB"), ("1.5TiB", "1.5 TiB"), ("4096", "4 KiB"),
                            ("10 MiB", "10 MiB"), ("0.5kB", "4 KiB")):
            self.grow(text, "--check", code=NEGATIVE, err=f"{NAME}: DIR/seed would get {shown} of seed data\n")
        self.grow("0", "--check", err=f"{NAME}: DIR/seed holds 0 bytes of seed data already\n")

    def test_refused_with_the_rule(self):
        for size in ("-1", "1e400", "18446744073709551616", "10 MiB/s", "10MiB/s", "", " 1GiB", "1GiB ", "1G", "1gib",
                     "1.GiB", ".5GiB", "1,5GiB", "+1GiB", "0x10", "8EiB", "9223372036854775808", "1  GiB", "1KiBB"):
            self.expect(NAME, "grow", self.folder, f"--size={size}", code=USAGE,
                        err=usage(f"--size: '{size}' {SIZE_RULE}"))

    def test_size_after_a_space(self):
        for size in ("-1", "1e400"):
            self.expect(NAME, "grow", self.folder, "--size", size, code=USAGE, err=ANY)

    def test_rates(self):
        self.expect(NAME, "plan", "--throughput", "10 MiB/s", "--efs-size-bytes", "0", out=ANY, err=ANY)
        for rate in ("10MiB", "0", "0/s", "0MiB/s", "/s", "-1MiB/s", "1e400/s", "10MiB/sec", "18446744073709551616/s"):
            self.expect(NAME, "plan", f"--throughput={rate}", code=USAGE,
                        err=usage(f"--throughput: '{rate}' {RATE_RULE}"))

    def test_too_many_files(self):
        self.grow("4EiB", "-n", code=USAGE, out="", err=error(
            "4 EiB in files of 1 GiB are more than 1000000 files", "choose a larger --file-size"))


class Plan(SeedTest):
    def test_toward_a_throughput(self):
        self.expect(NAME, "plan", "--throughput", "10MiB/s", "--efs-size-bytes", "5GiB", "--price", "0.30", err=(
            "moodle-efs-seed:                                now    with seed data\n"
            "moodle-efs-seed: in Standard storage          5 GiB           205 GiB\n"
            "moodle-efs-seed: baseline                   1 MiB/s          10 MiB/s\n"
            "moodle-efs-seed: burst rate               100 MiB/s         100 MiB/s\n"
            "moodle-efs-seed: burst minutes a day            3.5             144.0\n"
            "moodle-efs-seed: cost a month                  1.50             61.44\n"
            "moodle-efs-seed: to add: 200 GiB; that takes 34 min 6 s at the burst rate, 34 min 6 s with 2.1 TiB of "
            "burst credits\n"), out=facts(
                "efs-seed-seconds-at-burst=2046", "efs-seed-seconds-with-credits=2046", "efs-seed-useful=true",
                "efs-seed-add-bytes=214533616436", "efs-seed-size=214533616436", "efs-baseline=1048576",
                "efs-baseline-seeded=10485760", "efs-burst=104857600", "efs-burst-minutes-a-day=144.0",
                "efs-seed-monthly-cost=59.94"))

    def test_from_facts_toward_a_size(self):
        site = self.write("site.facts", facts("efs-size-bytes=1073741824", "efs-throughput-mode=bursting",
                                              "efs-seed-bytes=536870912", "efs-burst-credits=104857600"))
        result = self.expect(NAME, "plan", "-f", site, "--size", "101GiB", err=ANY, out=ANY)
        self.assertIn("\nefs-size-bytes=1073741824\n", result.out)
        self.assertIn(f"\nefs-seed-add-bytes={100 * GIB}\n", result.out)
        self.assertIn(f"\nefs-seed-size={100 * GIB + GIB // 2}\n", result.out)
        # 100 MiB of credits last for 100 / (100 - 1) s at 100 MiB/s; what is left goes at 1 MiB/s.
        self.assertIn("\nefs-seed-seconds-at-burst=1024\n", result.out)
        self.assertIn("\nefs-seed-seconds-with-credits=102300\n", result.out)

    def buys_nothing(self, why, *options, table=True):
        result = self.expect(NAME, "plan", *options, out=ANY, err=re.compile(
            (r"(moodle-efs-seed: [^\n]*\n){5}" if table else "")
            + rf"moodle-efs-seed: seeding buys nothing: {re.escape(why)}\n"))
        self.assertIn("\nefs-seed-useful=false\nefs-seed-add-bytes=0\nefs-seed-size=0\n", result.out)

    def test_where_seeding_buys_nothing(self):
        for mode in ("elastic", "provisioned"):
            self.buys_nothing(f"in {mode} mode the throughput does not depend on how much data there is",
                              "--size", "205GiB", "--efs-size-bytes", "1GiB", "--efs-throughput-mode", mode,
                              table=False)
        self.buys_nothing("19.9 GiB have the baseline of 1 MiB/s that every file system has; data counts from 20 GiB on",
                          "--size", "19.9GiB", "--efs-size-bytes", "1GiB")
        self.buys_nothing("the lifecycle policy AFTER_30_DAYS moves data that nobody reads out of Standard storage, "
                          "and only what is there counts", "--size", "205GiB", "--efs-size-bytes", "1GiB",
                          "--efs-lifecycle-policy", "AFTER_30_DAYS")
        self.buys_nothing("there are 300 GiB already", "--size", "205GiB", "--efs-size-bytes", "300GiB")
        self.buys_nothing("there are 1 GiB already", "--throughput", "1MiB/s", "--efs-size-bytes", "1GiB")

    def test_counting_a_folder(self):
        self.grow("2MiB", "--file-size", "1MiB")
        self.write("seed/deep/a", "x" * 5000)
        os.link(self.folder / "deep/a", self.folder / "deep/b")
        os.symlink("/", self.folder / "root")
        before = {path: path.lstat() for path in self.folder.rglob("*")}
        result = self.expect(NAME, "plan", "--from", self.folder, out=ANY, err=ANY)
        self.assertIn("efs-seed-useful=false\nefs-seed-add-bytes=0\nefs-seed-size=2097152\n", result.out)
        # Two seed files, one file of two steps with two names, a link, two folders.
        metered = 2 * (MIB + 2048) + (8192 + 2048) + 3 * (4096 + 2048)
        target = 30 * GIB
        result = self.expect(NAME, "plan", "--from", self.folder, "--size", str(target), out=ANY, err=ANY)
        self.assertIn(f"\nefs-seed-add-bytes={target - metered}\n", result.out)
        self.assertIn(f"\nefs-seed-size={target - metered + 2 * MIB}\n", result.out)
        self.assertEqual({path: path.lstat() for path in self.folder.rglob("*")}, before)

    def test_no_size_known(self):
        result = self.expect(NAME, "plan", "--size", "205GiB", out=ANY, err=ANY)
        self.assertTrue(result.err.startswith(
            "moodle-efs-seed: warning: no --efs-size-bytes: the file system is taken to be empty\n"))

    def test_count_that_lags(self):
        result = self.expect(NAME, "plan", "--size", "205GiB", "--efs-size-bytes", "5GiB", "--efs-seed-bytes", "200GiB",
                             out=ANY, err=re.compile(
            rf"{NAME}: warning: EFS has not counted all of the seed data yet: it says 5 GiB for 200 GiB\n(.|\n)*"))
        self.assertIn(f"\nefs-seed-add-bytes={5 * GIB}\nefs-seed-size={205 * GIB}\n", result.out)

    def test_refused(self):
        self.expect(NAME, "plan", code=USAGE, err=error(
            "there is no target", "give one of --throughput, --size, --from"))
        self.expect(NAME, "plan", "--size", "1GiB", "--throughput", "1MiB/s", code=USAGE,
                    err=usage("--throughput and --size exclude each other"))
        self.expect(NAME, "plan", "--from", self.folder, "--efs-size-bytes", "1", code=USAGE,
                    err=usage("--from and --efs-size-bytes exclude each other"))
        self.expect(NAME, "plan", "--from", self.dir / "absent", code=NO_INPUT,
                    err=error("cannot read DIR/absent: No such file or directory"))
        for price in ("-1", "1e3", "nan", "x", "", "1€"):
            self.expect(NAME, "plan", "--size", "1GiB", f"--price={price}", code=USAGE, err=usage(
                f"--price: '{price}' is not a price: a number such as 0.30, in any currency"))
        bad = self.write("bad.facts", facts("efs-size-bytes=much"))
        self.expect(NAME, "plan", "-f", bad, "--size", "1GiB", code=DATA,
                    err=error(f"in the facts: --efs-size-bytes: 'much' {SIZE_RULE}"))
        self.expect(NAME, "plan", "--throughput", "7EiB/s", code=USAGE,
                    err=usage("no file system is large enough for a baseline of 7 EiB/s"))

    def test_lifecycle_policies(self):
        self.expect(NAME, "plan", "--size", "1GiB", "--efs-lifecycle-policy", "AFTER_2_DAYS", code=USAGE, err=usage(
            "--efs-lifecycle-policy: 'AFTER_2_DAYS' is not a lifecycle policy: it is one of none, AFTER_1_DAY, "
            "AFTER_7_DAYS, AFTER_14_DAYS, AFTER_30_DAYS, AFTER_60_DAYS, AFTER_90_DAYS, AFTER_180_DAYS, AFTER_270_DAYS, "
            "AFTER_365_DAYS"))

    def test_chain(self):
        """status tells plan what is there; plan tells grow, which does nothing where seeding buys nothing."""
        self.grow("1MiB")
        status = self.expect(NAME, "status", self.folder, out=ANY, err=ANY).out
        plan = self.expect(NAME, "plan", "-f", "-", "--size", "30GiB", "--efs-throughput-mode", "elastic",
                           "--efs-size-bytes", "1MiB", stdin=status, out=ANY, err=ANY).out
        self.assertIn("\nefs-seed-size=1048576\n", plan)
        done = self.expect(NAME, "grow", self.folder, "-f", "-", stdin=plan, out=ANY, err=(
            f"{NAME}: DIR/seed holds 1 MiB of seed data already\n"))
        self.assertIn("\nefs-seed-result=unchanged\n", done.out)


class GrowAndShrink(SeedTest):
    def test_from_nothing_and_back(self):
        self.write("seed/notes.txt", "mine")
        before = self.folder.stat().st_mode, self.names()
        self.grow("10MiB", "--file-size", "4MiB",
                  err=f"{NAME}: 10 MiB written to DIR/seed: it holds 10 MiB of seed data now\n",
                  out=facts("efs-seed-result=changed", f"efs-seed-bytes={10 * MIB}", "efs-seed-files=3",
                            f"efs-seed-written-bytes={10 * MIB}"))
        sizes = {path.name: path.stat().st_size for path in self.folder.glob("moodle-efs-seed-*")}
        self.assertEqual(sizes, {"moodle-efs-seed-000001": 4 * MIB, "moodle-efs-seed-000002": 4 * MIB,
                                 "moodle-efs-seed-000003": 2 * MIB})
        self.grow("10MiB", "--file-size", "4MiB", err=f"{NAME}: DIR/seed holds 10 MiB of seed data already\n",
                  out=facts("efs-seed-result=unchanged", f"efs-seed-bytes={10 * MIB}", "efs-seed-files=3",
                            "efs-seed-written-bytes=0"))
        self.shrink("5MiB", err=f"{NAME}: 5 MiB removed from DIR/seed: it holds 5 MiB of seed data now\n",
                    out=facts("efs-seed-result=changed", f"efs-seed-bytes={5 * MIB}", "efs-seed-files=2"))
        self.assertEqual(self.names(), ["moodle-efs-seed-000001", "moodle-efs-seed-000002", "notes.txt"])
        self.grow("9MiB", "--file-size", "4MiB")
        self.verify()
        self.shrink("0")
        self.assertEqual((self.folder.stat().st_mode, self.names()), before)
        self.assertEqual((self.folder / "notes.txt").read_text(), "mine")
        self.shrink("0", err=f"{NAME}: DIR/seed holds 0 bytes of seed data, no more\n",
                    out=facts("efs-seed-result=unchanged", "efs-seed-bytes=0", "efs-seed-files=0"))

    def test_same_content_every_time(self):
        content = []
        for options in (("--jobs", "1"), ("--jobs", "24"), ("--jobs", "3", "--seed", "1")):
            self.grow("3MiB", "--file-size", "1MiB", *options)
            content.append([path.read_bytes() for path in sorted(self.folder.iterdir())])
            self.shrink("0")
        self.assertEqual(content[0], content[1])
        self.assertEqual(content[0], content[2])
        self.grow("3MiB", "--file-size", "1MiB", "--seed", "2")
        self.assertNotEqual(content[0], [path.read_bytes() for path in sorted(self.folder.iterdir())])
        self.verify()

    def test_blocks_are_real_and_hold_noise(self):
        self.grow("2MiB", "--file-size", "1MiB")
        for path in self.folder.iterdir():
            self.assertGreaterEqual(path.stat().st_blocks * 512, MIB)
            self.assertGreater(len(zlib.compress(path.read_bytes(), 9)), 0.999 * MIB)
        one, two = (path.read_bytes() for path in sorted(self.folder.iterdir()))
        self.assertGreater(len(zlib.compress(bytes(a ^ b for a, b in zip(one, two)), 9)), 0.999 * (MIB - 400))

    def test_file_says_what_it_is(self):
        self.grow("4KiB")
        text = (self.folder / "moodle-efs-seed-000001").read_bytes().split(b".", 1)[0].decode()
        self.assertEqual(text, "moodle-efs-seed 1\nseed=0000000000000001 number=1 size=4096\nThis file holds no data")

    def test_steps_of_4_kib(self):
        for size, bytes_ in (("1", 4096), ("5000", 8192)):
            self.grow(size, out=re.compile(rf"(.|\n)*efs-seed-bytes={bytes_}\n(.|\n)*"))
            self.verify()
        self.shrink("1", out=re.compile(r"(.|\n)*efs-seed-bytes=4096\n(.|\n)*"))
        self.shrink("0")
        self.assertEqual(self.names(), [])

    def test_nothing_is_written_without_being_told(self):
        before = self.folder.stat().st_mtime_ns
        plan = facts("efs-seed-result=planned", "efs-seed-bytes=0", "efs-seed-files=0", "efs-seed-written-bytes=0")
        message = f"{NAME}: DIR/seed would get 2 MiB of seed data\n"
        self.grow("2MiB", "--dry-run", out=plan, err=message)
        self.grow("2MiB", "--check", code=NEGATIVE, out=plan.replace("#end\n", ""), err=message)
        self.assertEqual((self.folder.stat().st_mtime_ns, self.names()), (before, []))
        self.grow("2MiB", "--quiet", err="")
        self.grow("2MiB", "--check")
        self.shrink("1MiB", "--check", code=NEGATIVE, err=f"{NAME}: DIR/seed would lose 1 MiB of seed data\n")
        self.shrink("1MiB", "-n", err=f"{NAME}: DIR/seed would lose 1 MiB of seed data\n")
        self.shrink("2MiB", "--check")
        self.assertEqual((self.folder / "moodle-efs-seed-000001").stat().st_size, 2 * MIB)

    def test_refused(self):
        self.expect(NAME, "grow", self.folder, code=USAGE,
                    err=error("--size is missing", "'moodle-efs-seed plan' works it out"))
        self.expect(NAME, "grow", "--size", "1", code=USAGE, err=usage("DIR is missing"))
        self.expect(NAME, "grow", self.dir / "absent", "--size", "1", code=NO_INPUT, err=error(
            "cannot open the folder DIR/absent: No such file or directory",
            "is the file system mounted on this host?"))
        file = self.write("file", "")
        self.expect(NAME, "grow", file, "--size", "1", code=NO_INPUT,
                    err=error("cannot open the folder DIR/file: Not a directory"))
        for size in ("4KiB", "1048577"):
            self.grow("1MiB", "--file-size", size, code=USAGE, out="",
                      err=usage("--file-size takes at least 1MiB, in steps of 4KiB"))
        self.grow("1MiB", "--progress", "--no-progress", code=USAGE, out="",
                  err=usage("--progress and --no-progress exclude each other"))
        self.grow("1MiB", "--jobs", "25", code=USAGE, out="",
                  err=usage("'25' is not a value for --jobs: it takes a whole number from 1 to 24"))


class WhatIsNotOurs(SeedTest):
    def test_files_that_only_look_like_ours(self):
        outside = self.write("outside", b"x" * 8192)
        strangers = {
            "moodle-efs-seed-000001": b"",
            "moodle-efs-seed-000003": b"moodle-efs-seed 1\nseed=0000000000000001 number=3 size=4096\n".ljust(4096, b"\0"),
            ".moodle-efs-seed-000004.new": b"begun by nobody",
        }
        for name, content in strangers.items():
            self.write(f"seed/{name}", content)
        os.symlink(outside, self.folder / "moodle-efs-seed-000002")
        (self.folder / "moodle-efs-seed-000005").mkdir()
        others = {"moodle-efs-seed-1": b"a", "moodle-efs-seed-0000006": b"b", "moodle-efs-seed-000007.bak": b"c",
                  "data": b"d", "moodle-efs-seed-18446744073709551615": b"e"}
        for name, content in others.items():
            self.write(f"seed/{name}", content)
        before = self.names()
        warnings = re.compile("".join(
            rf"(?=(.|\n)*warning: DIR/seed/{re.escape(name)} has the name of a seed file but is none: it is left alone\n)"
            for name in (*strangers, "moodle-efs-seed-000002", "moodle-efs-seed-000005")) + r"(.|\n)*")
        self.grow("2MiB", "--file-size", "1MiB", err=warnings)
        self.assertEqual(sorted(set(self.names()) - set(before)),
                         ["moodle-efs-seed-000006", "moodle-efs-seed-000007"])
        self.verify(err=warnings)
        self.shrink("0", err=warnings)
        self.assertEqual(self.names(), before)
        for name, content in (strangers | others).items():
            self.assertEqual((self.folder / name).read_bytes(), content)
        self.assertEqual(outside.read_bytes(), b"x" * 8192)

    def test_a_copy_under_another_number(self):
        self.grow("1MiB")
        copy = self.write("seed/moodle-efs-seed-000009", (self.folder / "moodle-efs-seed-000001").read_bytes())
        self.shrink("0", err=re.compile(r".*moodle-efs-seed-000009 has the name(.|\n)*"))
        self.assertEqual(self.names(), [copy.name])

    def test_folder_behind_a_link(self):
        os.symlink(self.folder, self.dir / "link")
        self.expect(NAME, "grow", self.dir / "link", "--size", "1MiB", out=ANY,
                    err=f"{NAME}: 1 MiB written to DIR/seed: it holds 1 MiB of seed data now\n")

    def test_lock_of_somebody_else(self):
        lock = self.write("seed/.moodle-efs-seed.lock", "precious")
        self.grow("1MiB", code=DATA, out="", err=error(
            "DIR/seed/.moodle-efs-seed.lock is in the way: it is not a lock of moodle-efs-seed", "move it away"))
        self.assertEqual(lock.read_text(), "precious")
        lock.unlink()
        outside = self.write("outside", "")
        os.symlink(outside, lock)
        self.grow("1MiB", code=73, out="", err=error(
            "cannot create the lock DIR/seed/.moodle-efs-seed.lock: Too many levels of symbolic links"))
        self.assertEqual((self.names(), outside.read_text()), ([lock.name], ""))


class Status(SeedTest):
    def test_nothing(self):
        self.expect(NAME, "status", self.folder, err=(
            f"{NAME}: DIR/seed: 0 bytes in 0 seed files, 0 of them unfinished\n"
            f"{NAME}: the baseline of 0 bytes is 1 MiB/s\n"), out=facts(
                "efs-seed-bytes=0", "efs-seed-files=0", "efs-seed-unfinished-files=0", "efs-seed-metered-bytes=0",
                "efs-baseline=1048576"))
        self.assertEqual(self.names(), [])

    def test_baseline_of_the_file_system(self):
        self.grow("1MiB")
        self.expect(NAME, "status", self.folder, "--efs-size-bytes", "100GiB", "--verify", err=(
            f"{NAME}: DIR/seed: 1 MiB in 1 seed files, 0 of them unfinished\n"
            f"{NAME}: the baseline of 100 GiB is 4.88 MiB/s\n"), out=facts(
                f"efs-seed-bytes={MIB}", "efs-seed-files=1", "efs-seed-unfinished-files=0",
                f"efs-seed-metered-bytes={MIB + 2048}", "efs-baseline=5120000", "efs-seed-damaged-files=0"))

    def test_every_flipped_bit_is_found(self):
        self.grow("6MiB", "--file-size", "3MiB")
        for number, offset in ((1, 4096), (1, 3 * MIB - 1), (2, MIB), (2, 2 * MIB - 1)):
            path = self.folder / f"moodle-efs-seed-{number:06}"
            good = path.read_bytes()
            path.write_bytes(good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1:])
            block = offset // MIB * MIB
            result = self.verify(code=NEGATIVE, err=re.compile(
                rf"(.|\n)*error: DIR/seed/{path.name} is damaged: 1 of its blocks of 1 MiB differ from what was "
                rf"written, the first at byte {block}\n"))
            self.assertTrue(result.out.endswith("\nefs-seed-damaged-files=1\n"), result.out)
            path.write_bytes(good)
        self.verify()

    def test_holes_do_not_count(self):
        self.grow("4MiB", "--file-size", "4MiB")
        path = self.folder / "moodle-efs-seed-000001"
        good = path.read_bytes()
        with open(path, "r+b") as file:  # the second block becomes a hole
            file.truncate(MIB)
            file.truncate(2 * MIB)
            file.seek(2 * MIB)
            file.write(good[2 * MIB:])
        self.expect(NAME, "status", self.folder, out=re.compile(r"(.|\n)*efs-seed-unfinished-files=1\n(.|\n)*"), err=ANY)
        self.grow("4MiB", out=re.compile(rf"(.|\n)*efs-seed-written-bytes={3 * MIB}\n(.|\n)*"))
        self.assertEqual(path.read_bytes(), good)
        self.assertGreaterEqual(path.stat().st_blocks * 512, 4 * MIB)


if __name__ == "__main__":
    main()
