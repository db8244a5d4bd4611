"""Runs shell commands in turn, round after round, so that whatever else the machine does meets all of them
alike: rounds.py ROUNDS PREPARE COMMAND... Prints for each command a line "MEDIAN_MS BEST_MS CPU_MS PEAK_KIB",
the last two being the median of the processor time and the largest resident set of any process in it.
PREPARE runs before each and is not measured."""

import os
import statistics
import subprocess
import sys
import time


def run(command):
    start = time.monotonic()
    process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"failed with {process.returncode}: {command}")
    return seconds * 1000, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss


def main(rounds, prepare, *commands):
    seen = {command: [] for command in commands}
    for _ in range(int(rounds)):
        for command in commands:
            subprocess.run(["sh", "-c", prepare], check=True)
            seen[command].append(run(command))
    for command in commands:
        times, cpu, peaks = zip(*seen[command])
        print(statistics.median(times), min(times), statistics.median(cpu), max(peaks))


main(*sys.argv[1:])
