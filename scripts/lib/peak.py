"""Runs a command and prints the largest resident set, in KiB, of any of its processes."""

import resource
import shlex
import subprocess
import sys

subprocess.run(shlex.split(sys.argv[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
