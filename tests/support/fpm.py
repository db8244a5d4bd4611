"""A real PHP-FPM of its own on a Unix socket, and as much of a FastCGI client as a test needs."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import unittest
from pathlib import Path

PHP_FPM = shutil.which("php-fpm8.2", path=os.environ.get("PATH", "") + ":/usr/sbin")

CONFIG = """[global]
error_log = {dir}/fpm.log
daemonize = no
[www]
listen = {dir}/fpm.sock
{user}
pm = static
pm.max_children = 1
request_terminate_timeout = 0
{pool}
"""

# Compiles what it is sent, a path a line, and says what OPcache has then.
SCRIPT = r"""<?php
set_time_limit(0);
ini_set('memory_limit', '-1');
set_error_handler(fn() => true);
$failed = [];
foreach (array_filter(explode("\n", file_get_contents('php://input'))) as $file) {
    try {
        if (!opcache_compile_file($file)) {
            $failed[] = $file;
        }
    } catch (Throwable $problem) {
        $failed[] = $file;
    }
}
echo json_encode(['failed' => $failed, 'status' => opcache_get_status(false)]);
"""


class Fpm:
    """`settings` win over the ini files, those of this host's PHP-FPM or in the folder `ini`; `pool` are
    further lines of its one pool."""

    def __init__(self, folder: Path, settings: dict, pool: str = "", ini: Path | None = None):
        if not PHP_FPM:
            raise unittest.SkipTest("php-fpm8.2 is not installed")
        self.dir = Path(folder)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.socket = self.dir / "fpm.sock"
        self.script = self.dir / "compile.php"
        self.script.write_text(SCRIPT)
        user = "user = root\ngroup = root" if os.geteuid() == 0 else ""
        config = self.dir / "fpm.conf"
        config.write_text(CONFIG.format(dir=self.dir, user=user, pool=pool))
        options = [word for name, value in settings.items() for word in ("-d", f"{name}={value}")]
        self.process = subprocess.Popen([PHP_FPM, "-R", "-F", "-y", config, *options],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL,
                                        env={**os.environ, **({"PHP_INI_SCAN_DIR": str(ini)} if ini else {})})
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("PHP-FPM does not start: " + (self.dir / "fpm.log").read_text())
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)

    def get(self, script: Path, body: bytes = b"", timeout: float = 600) -> bytes:
        """What the script answers to a POST, without its headers."""
        parameters = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/x.php",
                      "SCRIPT_FILENAME": str(script), "REQUEST_URI": "/x.php", "QUERY_STRING": "",
                      "CONTENT_TYPE": "application/octet-stream", "CONTENT_LENGTH": str(len(body)),
                      "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "localhost"}
        encoded = b"".join(struct.pack("!II", len(name) | 1 << 31, len(value) | 1 << 31) + name + value
                           for name, value in ((key.encode(), text.encode())
                                               for key, text in parameters.items()))
        begin, params, stdin = 1, 4, 5
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(timeout)
            peer.connect(str(self.socket))
            peer.sendall(_record(begin, struct.pack("!HB5x", 1, 0)) + _stream(params, encoded)
                         + _stream(stdin, body))
            with peer.makefile("rb") as answer:
                return _output(answer).partition(b"\r\n\r\n")[2]

    def compile(self, files: list) -> dict:
        """Compiles all files, a few hundred a request; those that failed beside others again, alone.
        OPcache's status, and the files that never compiled under "failed"."""
        again, failed, answer = [], [], {}
        for at in range(0, len(files), 500):
            answer = self._compile(files[at:at + 500])
            again += answer["failed"]
        for file in again:
            answer = self._compile([file])
            failed += answer["failed"]
        return {**answer["status"], "failed": failed}

    def _compile(self, files: list) -> dict:
        answer = self.get(self.script, "\n".join(map(str, files)).encode())
        return json.loads(answer[answer.rindex(b'{"failed"'):])


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("!BBHHBx", 1, kind, 1, len(content), 0) + content


def _stream(kind: int, content: bytes) -> bytes:
    most = 65535
    parts = [content[at:at + most] for at in range(0, len(content), most)]
    return b"".join(_record(kind, part) for part in [*parts, b""])


def _output(answer) -> bytes:
    end, stdout = 3, 6
    text = b""
    while len(header := answer.read(8)) == 8:
        _, kind, _, length, padding = struct.unpack("!BBHHBx", header)
        content = answer.read(length + padding)[:length]
        if kind == stdout:
            text += content
        if kind == end:
            break
    return text
