"""A throw-away PostgreSQL server on a port and in a folder of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

DEADLINE = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what: str, deadline: float = DEADLINE):
    """Polls until `condition()` is true, and returns what it gave."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {deadline} s")


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    path = str(found[-1]) if found else shutil.which(name)
    if not path:
        raise unittest.SkipTest(f"{name} of PostgreSQL is not installed")
    return path


class Postgres:
    """Local connections are trusted, TCP ones need the password. There is a role `moodle`, who owns
    a database `moodle`."""

    PASSWORD = "Se cret'\\pw"

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has a limit
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self._as = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.dir, owner.pw_uid, owner.pw_gid)
            self._as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        os.chmod(self.dir, 0o755)
        subprocess.run([_program("initdb"), "-D", self.dir / "data", "-U", "postgres", "-E", "UTF8",
                        "--locale=C.UTF-8", "--no-sync", "--auth-local=trust",
                        "--auth-host=scram-sha-256"], check=True, stdout=subprocess.DEVNULL,
                       cwd=self.dir, **self._as)
        self.process = None
        self.start()
        quoted = self.PASSWORD.replace("'", "''")
        self.sql(f"CREATE ROLE moodle LOGIN PASSWORD '{quoted}'", database="postgres")
        self.sql("CREATE DATABASE moodle OWNER moodle", database="postgres")

    def start(self):
        log = open(self.dir / "log", "ab")
        with log:
            self.process = subprocess.Popen(
                [_program("postgres"), "-D", self.dir / "data", "-p", str(self.port),
                 "-k", self.dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
                 "-c", "stats_fetch_consistency=none"],
                stdout=log, stderr=log, cwd=self.dir, **self._as)
        wait_until(self._answers, "PostgreSQL answers")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError((self.dir / "log").read_text())
        return subprocess.run(self._psql("postgres", "SELECT 1"), capture_output=True,
                              check=False).returncode == 0

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(DEADLINE)

    def remove(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _psql(self, database: str, statement: str) -> list:
        return [_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.dir),
                "-p", str(self.port), "-U", "postgres", "-d", database, "-c", statement]

    def sql(self, statement: str, database: str = "moodle") -> str:
        """Runs it as the superuser; rows come a line each, fields separated by '|'."""
        done = subprocess.run(self._psql(database, statement), capture_output=True, text=True,
                              check=False, timeout=DEADLINE)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout.rstrip("\n")

    def session(self, database: str = "moodle") -> subprocess.Popen:
        """A psql that stays connected: write statements to its stdin, read answers from stdout."""
        return subprocess.Popen(self._psql(database, "")[:-2], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def dsn(self, database: str = "moodle", host=None) -> str:
        return f"host={host or self.dir} port={self.port} user=moodle dbname={database}"
