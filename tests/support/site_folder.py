"""A site's folder as the commands find it: config.php, the code's tell-tale files, and a data folder
with a cache configuration."""

import contextlib
import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import time
from pathlib import Path

from harness import FIXTURES, CommandTest, tool

CONFIG = """<?php  // Moodle configuration file

unset($CFG);
global $CFG;
$CFG = new stdClass();

$CFG->dbtype    = 'pgsql';
$CFG->dbhost    = '127.0.0.1';
$CFG->dbname    = 'moodle';
$CFG->dbuser    = 'moodle';
$CFG->dbpass    = 'Se cret\\'\\\\pw';
$CFG->prefix    = 'mdl_';
$CFG->dboptions = ['dbport' => %(port)d];
$CFG->wwwroot   = 'https://moodle.example.org';
$CFG->dataroot  = '%(dataroot)s';

require_once(__DIR__ . '/lib/setup.php');

// There is no php closing tag in this file,
// it is intentional because it prevents trailing whitespace problems!
"""

# What Moodle's setup would find: all of $CFG, printed by the real php.
SETUP = "<?php\nglobal $CFG;\necho \"\\n<CFG>\", json_encode($CFG), \"</CFG>\\n\";\n"

SESSION_HANDLERS = ("memcached", "database", "file", "redis", "handler", "manager")
MUC = FIXTURES / "muc"


def tree(folder: Path) -> dict:
    """Every file below the folder: its kind, mode, owner, and what it holds."""
    seen = {}
    for path in sorted(Path(folder).rglob("*")):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode) and status.st_size < 1 << 26:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = status.st_size if stat.S_ISREG(status.st_mode) else ""
        seen[str(path.relative_to(folder))] = (oct(status.st_mode), status.st_uid, status.st_gid,
                                               content)
    return seen


class SiteTest(CommandTest):
    """A Moodle 4.1 site with memcached support in self.site, and its files by name."""

    release = "4.1.10"
    # Whether the servers that the tests name are really there, to be written to and read from.
    servers_exist = False

    def setUp(self):
        super().setUp()
        self.site = self.dir / "site"
        self.data = self.dir / "data"
        self.config = self.site / "config.php"
        self.muc = self.data / "muc" / "config.php"
        self.lock = self.data / "cache" / "filelocks" / "configwrite.lock"
        self.write("site/version.php", f"<?php\n$release = '{self.release} (Build: 20240422)';\n")
        self.write("site/lib/setup.php", SETUP)
        self.write("site/cache/stores/memcached/lib.php", "<?php\n")
        for handler in SESSION_HANDLERS:
            self.write(f"site/lib/classes/session/{handler}.php", "<?php\n")
        self.write_config()
        self.write_muc("moodle-4.1-before.php")

    def run_tool(self, *argv, **options):
        proves = len(argv) > 1 and argv[1] == "set" and not self.servers_exist
        return super().run_tool(*argv, *(["--no-probe"] if proves and "--no-probe" not in argv else []), **options)

    def write_config(self, content=None, port=1):
        """The content may hold DATAROOT."""
        if content is None:
            content = CONFIG % {"port": port, "dataroot": self.data}
        if isinstance(content, str):
            content = content.encode()
        self.config.write_bytes(content.replace(b"DATAROOT", str(self.data).encode()))

    def write_muc(self, fixture: str):
        self.write("data/muc/config.php", (MUC / fixture).read_bytes())

    def fixture(self, name: str) -> bytes:
        return (MUC / name).read_bytes()

    def expect_untouched(self, *argv, **options):
        """As expect(), and nothing below the test's folder is changed, made or removed."""
        before = tree(self.dir)
        result = self.expect(*argv, **options)
        with self.subTest(command=" ".join(map(str, argv))[:300]):
            after = tree(self.dir)
            self.assertEqual({path for path in before.keys() | after.keys()
                              if before.get(path) != after.get(path)}, set(), "the files changed")
        return result

    def php_cfg(self, env=None) -> dict:
        """$CFG as the real php hands it to lib/setup.php."""
        done = subprocess.run(["php", "-d", "display_errors=stderr", str(self.config)],
                              capture_output=True, env={**os.environ, **(env or {})}, timeout=60,
                              cwd=self.site, check=False)
        text = done.stdout.decode("utf-8", "replace")
        if "<CFG>" not in text:
            raise AssertionError(f"lib/setup.php was not reached: {text}{done.stderr!r}")
        return json.loads(text.split("<CFG>")[1].split("</CFG>")[0])

    def strays(self, folder: Path) -> list:
        return sorted(path.name for path in folder.iterdir() if "moodle-aws-toolkit-" in path.name)


def seconds_of(argv: list) -> float:
    """How long the command takes here and now."""
    start = time.monotonic()
    subprocess.run([tool(argv[0]), *map(str, argv[1:])], stdin=subprocess.DEVNULL, capture_output=True,
                   check=True)
    return time.monotonic() - start


def kill_at_random(argv: list, spread: float, pick: random.Random, by=signal.SIGKILL) -> bool:
    """Starts the command and kills it within `spread` seconds; with SIGINT, all its processes get it,
    as they do from a terminal. Whether it was still running."""
    process = subprocess.Popen([tool(argv[0]), *map(str, argv[1:])], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(pick.uniform(0, spread))
    if process.poll() is None:
        if by == signal.SIGINT:
            os.killpg(process.pid, by)
        else:
            process.send_signal(by)
    process.wait(60)
    return process.returncode == -by


def moodle_write(path: Path, lock: Path, change) -> bool:
    """Writes the cache configuration as Moodle does: takes its lock, writes config.php.tmp, gives the
    lock up, and only then renames. False when somebody else had the lock."""
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        time.sleep(random.uniform(0.001, 0.05))  # as Moodle does
        return False
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(change(path.read_bytes()))
    lock.unlink()
    time.sleep(random.uniform(0, 0.005))  # a slow host, so that the gap is there
    temporary.rename(path)
    return True
