"""A throw-away memcached on a loopback port of its own."""

import socket
import ssl
import subprocess
import urllib.parse

from postgres import free_port, wait_until


def announce_cluster(*servers, version=1):
    """Lets each of them say that they all are the nodes of one cluster, as older ElastiCache engines do."""
    nodes = " ".join(f"127.0.0.1|127.0.0.1|{server.port}" for server in servers)
    for server in servers:
        server.announce(f"{version}\n{nodes}\n".encode())


class Memcached:
    """Ends with the test."""

    def __init__(self, test, *arguments, certificate=None):
        """`certificate` (a tls.Certificate) makes it speak TLS only."""
        self._certificate = certificate
        if certificate:
            arguments += ("-Z", "-o", f"ssl_chain_cert={certificate.certificate},ssl_key={certificate.key}")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", "nobody",
             *arguments], stderr=subprocess.DEVNULL)
        test.addCleanup(self._end)
        wait_until(self._answers, "memcached answers")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError("memcached ended")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def _end(self):
        self._process.kill()  # it takes a second to end by itself
        self._process.wait()

    def _connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        if not self._certificate:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(plain)

    def ask(self, request: bytes, end: bytes) -> bytes:
        with self._connect() as connection:
            connection.sendall(request)
            answer = b""
            while not answer.endswith(end):
                received = connection.recv(4096)
                if not received:
                    raise AssertionError(f"memcached answered {answer!r} and closed")
                answer += received
            return answer

    def announce(self, payload: bytes):
        """Does what older ElastiCache engines do: keeps the cluster under a key."""
        self.ask(b"set AmazonElastiCache:cluster 0 0 %d\r\n%s\r\n" % (len(payload), payload),
                 b"STORED\r\n")

    def keys(self) -> set[str]:
        lines = self.ask(b"lru_crawler metadump all\r\n", b"END\r\n").decode().splitlines()
        return {urllib.parse.unquote(line.split()[0].removeprefix("key=")) for line in lines[:-1]}

    def value(self, key: str) -> bytes | None:
        answer = self.ask(b"get %s\r\n" % key.encode(), b"END\r\n")
        return answer.split(b"\r\n", 1)[1][:-len(b"\r\nEND\r\n")] if answer != b"END\r\n" else None

    def flush(self):
        self.ask(b"flush_all\r\n", b"OK\r\n")
