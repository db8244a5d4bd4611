"""Runs commands in turn, round after round, so that whatever else the machine does meets all of them alike, and
prints a table of what they took:

    rounds.py ROUNDS PREPARE NAME=COMMAND...

Times are in milliseconds, CPU being processor time of what the command waited for. The peak is the largest resident
set, in MiB, of any process of the command, from a run of its own under time(1): the kernel counts the size of the
process that starts it, too, and that one is small. The last three columns compare medians, bests and CPU medians with
those of the first command. PREPARE, a shell command, runs before each and is not measured. COMMAND is started directly,
without a shell."""

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time


def run(command):
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"failed with {process.returncode}: {shlex.join(command)}\n{errors.decode(errors='replace')}")
    return seconds * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def peak(command):
    with tempfile.NamedTemporaryFile("r") as said:
        run(["/usr/bin/time", "--format=%M", f"--output={said.name}", *command])
        return int(said.read()) / 1024


def main(rounds, prepare, *named):
    commands = {name: shlex.split(command) for name, command in (pair.split("=", 1) for pair in named)}
    seen = {name: [] for name in commands}
    peaks = {}
    for turn in range(int(rounds) + 1):
        for name, command in commands.items():
            subprocess.run(["sh", "-c", prepare], check=True, stdout=subprocess.DEVNULL)
            if turn == 0:
                peaks[name] = peak(command)
            else:
                seen[name].append(run(command))
    yardstick = next(iter(commands))
    print(f"\n{'':44} {'median':>9} {'best':>9} {'CPU':>9} {'peak':>6}   median, best and CPU against {yardstick}")
    base = None
    for name in commands:
        times, cpu = zip(*seen[name])
        took = statistics.median(times), min(times), statistics.median(cpu)
        base = base or took
        ratios = " ".join(f"{mine / first:7.3f} x" for mine, first in zip(took, base))
        print(f"{name:44} {took[0]:9.1f} {took[1]:9.1f} {took[2]:9.1f} {peaks[name]:6.1f}   {ratios}", flush=True)


main(*sys.argv[1:])
