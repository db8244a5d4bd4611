"""Throw-away Debian 12 systems: folders made by debootstrap, entered by chroot.

    with debian.root() as root:                       # a fresh Debian, nothing else
        root.run(["apt-get", "install", "-y", "./x.deb"])
        text = (root.path / "etc/issue").read_text()

    TOOLS = debian.Layer("tools", lambda root: root.install("curl", "man-db"))
    with debian.root(TOOLS) as root: ...              # curl and man-db are there; installed once per build folder

Layers are kept in the build folder (debian/ beside bin/), each made when it is first asked for; what a
root changes is gone when it is closed. Where the kernel lets us, both are overlay mounts, otherwise
copies. A root has process, mount and IPC namespaces of its own and shares the network with the host.
The first process of its namespace ends when this process closes a pipe, or dies in whatever way, and
with it the kernel ends everything that was started inside and removes the mounts: nothing is searched
for, nothing is left.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from harness import SOURCE_DIR, TOOLS_DIR, Result

STATE = TOOLS_DIR.parent / "debian"
CODENAME = "bookworm"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
NAMESPACES = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child"]

# Bash, because it reaps what its namespace's other processes leave to it. The root's folder is $1, the
# host's folder for downloaded packages $2, then pairs: a folder of the host, and where it is seen inside.
FIRST_PROCESS = r"""
set -euo pipefail
umask 022
root=$1 archives=$2
shift 2
if [[ ${OVERLAY:-} ]]; then
  mount -t overlay overlay -o "$OVERLAY" "$root"
else
  mount --bind "$root" "$root"
fi
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in stdin:0 stdout:1 stderr:2; do
  ln -s "/proc/self/fd/${stream#*:}" "$root/dev/${stream%:*}"
done
mkdir -p "$root/var/cache/apt/archives"
mount --bind "$archives" "$root/var/cache/apt/archives"
while (($#)); do
  if [[ -d $1 ]]; then
    mkdir -p "$root$2"
  else
    mkdir -p "$(dirname "$root$2")"
    : >>"$root$2"
  fi
  mount --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
  shift 2
done
echo ready
while read -r _; do :; done
"""


@dataclass(frozen=True)
class Layer:
    """What `prepare` does to a root of the layer `parent` (by default a bare Debian), done once per build
    folder, and again when the layer below, or `key`, is another one."""
    name: str
    prepare: Callable[["Root"], None]
    parent: Optional["Layer"] = None
    key: str = ""

    @property
    def below(self) -> Optional["Layer"]:
        return None if self is BASE else self.parent or BASE

    def identity(self) -> str:
        below = self.below.identity() if self.below else f"{CODENAME} {overlay_works()}"
        return hashlib.sha256(f"{below}\n{self.name}\n{self.key}".encode()).hexdigest()

    @property
    def folder(self) -> Path:
        return STATE / "layers" / self.name

    def complete(self) -> bool:
        marker = STATE / "layers" / f"{self.name}.complete"
        return marker.exists() and marker.read_text() == self.identity()


def unavailable() -> Optional[str]:
    """Why no root can be made on this host, or None."""
    if os.geteuid() != 0:
        return "only root can make a Debian root"
    if not _program("debootstrap"):
        return "debootstrap is missing"
    done = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"no namespaces here: {done.stderr.strip()}"
    return None


def skip_unless_available() -> None:
    reason = unavailable()
    if reason:
        raise unittest.SkipTest(reason)


class Root:
    """A running throw-away system; made by root()."""

    def __init__(self, layer: Layer, binds: dict, folder: Path):
        self._layer = layer
        self._folder = folder
        self._lock = open(folder / "lock", "w", encoding="ascii")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for part in ("upper", "work", "root", "archives"):
            (folder / part).mkdir()
        self._link_archives(STATE / "archives", folder / "archives")
        environment = {**os.environ, "OVERLAY": self._overlay_options()}
        if not environment["OVERLAY"]:
            (folder / "root").rmdir()
            _copy(layer.folder, folder / "root")
        pairs = [str(part) for inside, host in binds.items() for part in (host, inside)]
        self._first = subprocess.Popen(
            [*NAMESPACES, "bash", "-c", FIRST_PROCESS, "first", str(folder / "root"), str(folder / "archives"),
             *pairs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True)
        if self._first.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError("the root's mounts failed, see above")

    @property
    def path(self) -> Path:
        """The root's folder as this process sees it. An absolute symbolic link inside leads to the host."""
        return Path(f"/proc/{self._first.pid}/root{self._folder}/root")

    def popen(self, argv, *, env=None, cwd="/", **options) -> subprocess.Popen:
        """Starts a command inside, in a process group of its own: end it by kill()."""
        pid = self._first.pid
        enter = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--pid=/proc/{pid}/ns/pid_for_children",
                 f"--ipc=/proc/{pid}/ns/ipc", "chroot", f"{self._folder}/root",
                 "/usr/bin/env", f"--chdir={cwd}", *map(str, argv)]
        # The environment is the command's, so the programs on the way are found by it as well.
        return subprocess.Popen(enter, env={**ENVIRONMENT, **(env or {})}, start_new_session=True, **options)

    def run(self, argv, *, env=None, cwd="/", check=True, stdin=None, timeout=300) -> Result:
        """Runs a command inside to its end. `check`: raise AssertionError, with all it said, when it
        does not exit 0."""
        process = self.popen(argv, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        try:
            out, err = process.communicate(stdin.encode() if isinstance(stdin, str) else stdin, timeout)
        except BaseException:
            self.kill(process)
            raise
        result = Result(process.returncode, out.decode("utf-8", "backslashreplace"),
                        err.decode("utf-8", "backslashreplace"))
        if check and result.code != 0:
            raise AssertionError(f"{' '.join(map(str, argv))}: exit code {result.code}\n{result.out}{result.err}")
        return result

    def kill(self, process: subprocess.Popen, number=signal.SIGKILL) -> None:
        """Sends a signal to what popen() started and what that started, daemons apart, and waits for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(60)

    def install(self, *packages: str) -> None:
        """Installs Debian packages (or ./files) with what they depend on and without what they recommend."""
        command = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages]
        if self.run(command, check=False, timeout=600).code != 0:
            # The layer below may be older than what the mirror holds.
            self.run(["apt-get", "-q", "update"])
            self.run(command, timeout=600)

    def close(self) -> None:
        if self._first.poll() is None:
            self._first.stdin.close()
            self._first.wait(60)
        self._first.stdout.close()
        self._link_archives(self._folder / "archives", STATE / "archives")

    def keep_as(self, folder: Path) -> None:
        """After close(): what the root has become is moved to the folder, to be a layer."""
        shutil.rmtree(folder, ignore_errors=True)
        (self._folder / ("upper" if self._overlay_options() else "root")).rename(folder)

    def remove(self) -> None:
        """After close()."""
        shutil.rmtree(self._folder)
        self._lock.close()

    def _overlay_options(self) -> str:
        if not overlay_works():
            return ""
        lower, layer = [], self._layer
        while layer:
            lower.append(str(layer.folder))
            layer = layer.below
        return f"lowerdir={':'.join(lower)},upperdir={self._folder}/upper,workdir={self._folder}/work"

    @staticmethod
    def _link_archives(source: Path, target: Path) -> None:
        """Packages are downloaded once, but apt locks the folder: each root has one of its own, of links."""
        for package in source.glob("*.deb"):
            with contextlib.suppress(FileExistsError):
                os.link(package, target / package.name)


@contextlib.contextmanager
def root(layer: Optional[Layer] = None, binds: Optional[dict] = None):
    """A throw-away system on top of the layer. `binds`: a path inside, and the file or folder of the host
    that is seen there, read-only."""
    layer = layer or BASE
    _make(layer)
    opened = _open(layer, binds or {})
    try:
        yield opened
    finally:
        opened.close()
        opened.remove()


def _open(layer: Layer, binds: dict) -> Root:
    roots = STATE / "roots"
    roots.mkdir(parents=True, exist_ok=True)
    return Root(layer, binds, Path(tempfile.mkdtemp(dir=roots)))


def _make(layer: Layer) -> None:
    """Makes the layer, and those below it, unless they are there."""
    (STATE / "layers").mkdir(parents=True, exist_ok=True)
    (STATE / "archives").mkdir(exist_ok=True)
    with open(STATE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_left_over_roots()
        _make_locked(layer)


def _make_locked(layer: Layer) -> None:
    if layer.complete():
        return
    if layer is BASE:
        layer.prepare(None)
    else:
        _make_locked(layer.below)
        opened = _open(layer.below, {})
        try:
            layer.prepare(opened)
            opened.close()
            opened.keep_as(layer.folder)
        finally:
            opened.close()
            opened.remove()
    (STATE / "layers" / f"{layer.name}.complete").write_text(layer.identity())


def _remove_left_over_roots() -> None:
    """Of processes that were killed: nobody holds their locks."""
    for folder in (STATE / "roots").glob("*"):
        with contextlib.suppress(OSError), open(folder / "lock", "r+", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _debootstrap(_: None) -> None:
    """The layer below all others. The mirrors are those of the host's apt."""
    sources = _sources()
    partial = STATE / "layers" / "base.partial"
    shutil.rmtree(partial, ignore_errors=True)
    mirror = next(uri for uri, suite in sources if suite == CODENAME)
    for package in Path("/var/cache/apt/archives").glob("*.deb"):
        shutil.copy2(package, STATE / "archives")
    settings = _apt_settings()
    proxies = {f"{scheme}_proxy": settings[name] for scheme in ("http", "https")
               if (name := f"Acquire::{scheme}::Proxy") in settings}
    done = subprocess.run([_program("debootstrap"), "--variant=minbase", f"--cache-dir={STATE / 'archives'}",
                           CODENAME, str(partial), mirror], env={**os.environ, **proxies}, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"debootstrap failed:\n{done.stdout[-3000:]}")
    shutil.rmtree(BASE.folder, ignore_errors=True)
    _configure(partial, sources, settings)
    partial.rename(BASE.folder)


def _configure(folder: Path, sources, settings) -> None:
    (folder / "etc/apt/sources.list").write_text(
        "".join(f"deb {uri} {suite} main\n" for uri, suite in sources))
    (folder / "etc/apt/apt.conf.d/90host").write_text(
        "".join(f'{name} "{value}";\n' for name, value in settings.items()) +
        'APT::Keep-Downloaded-Packages "true";\nAcquire::Languages "none";\n')
    # What is thrown away need not survive a power failure.
    (folder / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    # No package starts its service: there is no service manager.
    policy = folder / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for name in ("resolv.conf", "hosts"):
        if Path("/etc", name).exists():
            shutil.copyfile(Path("/etc", name), folder / "etc" / name)
    for package_list in Path("/var/lib/apt/lists").glob("*_*"):
        shutil.copy2(package_list, folder / "var/lib/apt/lists")
    for package in (folder / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


def _sources() -> list:
    """The host's Debian mirrors, as (address, suite)."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(ORIGIN)|$(COMPONENT)",
                             "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    found = []
    for line in listed.splitlines():
        uri, suite, origin, component = line.split("|")
        wanted = suite in (CODENAME, f"{CODENAME}-updates", f"{CODENAME}-security")
        if wanted and origin in ("Debian", "") and component == "main" and (uri, suite) not in found:
            found.append((uri, suite))
    if not any(suite == CODENAME for _, suite in found):
        raise unittest.SkipTest(f"apt knows no mirror of Debian's {CODENAME}")
    return found


def _apt_settings() -> dict:
    """How the host's apt reaches its mirrors."""
    dumped = subprocess.run(["apt-config", "dump", "--format", "%f %v%n"], capture_output=True, text=True,
                            check=True).stdout
    pairs = (line.partition(" ") for line in dumped.splitlines())
    wanted = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Date", "Acquire::Check-Valid-Until")
    return {name: value for name, _, value in pairs if name in wanted and value}


def _program(name: str) -> Optional[str]:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


_overlay = []


def overlay_works() -> bool:
    """Whether the build folder's file system can be below and above an overlay mount."""
    if not _overlay:
        STATE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=STATE) as folder:
            for part in ("lower", "upper", "work", "root"):
                Path(folder, part).mkdir()
            done = subprocess.run(["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o",
                                   f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work",
                                   f"{folder}/root"], capture_output=True, check=False)
            _overlay.append(done.returncode == 0)
    return _overlay[0]


BASE = Layer("base", _debootstrap)


def package(folder: Path) -> Path:
    """The Debian package of what the build folder holds, in a folder of the caller's. Built without
    compiling anything; lintian has nothing to say about it."""
    STATE.mkdir(parents=True, exist_ok=True)
    with open(STATE / "package.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([SOURCE_DIR / "scripts/package.sh", "--no-build"], capture_output=True, text=True,
                              env={**os.environ, "BUILD_DIR": str(TOOLS_DIR.parent)}, timeout=300, check=False)
        if done.returncode != 0:
            raise AssertionError(f"scripts/package.sh exited with {done.returncode}\n{done.stderr}")
        return Path(shutil.copy2(done.stdout.removesuffix("\n"), folder))


def with_package(deb: Path, parent: Optional[Layer] = None) -> Layer:
    """The layer that has the package installed, by apt and with what it depends on."""
    def install(opened: Root) -> None:
        shutil.copy2(deb, opened.path / "tmp")
        opened.install(f"/tmp/{deb.name}")
        (opened.path / "tmp" / deb.name).unlink()

    return Layer("package", install, parent, hashlib.sha256(deb.read_bytes()).hexdigest())
