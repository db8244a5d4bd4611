"""Real redis-server processes on loopback ports, ended by their pid: plain, TLS, replica, cluster.

    server = RedisServer(test)                                  # plain
    server = RedisServer(test, tls=tls.Authority(test.dir))     # TLS only
    server = RedisServer(test, password="secret", replica_of=primary)
    cluster = RedisCluster(test, tls=authority)                 # three primaries
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from postgres import free_port, wait_until


def free_cluster_port() -> int:
    """A port for a cluster's node, whose bus uses the port 10000 above it."""
    for port in iter(free_port, None):
        if port <= 55535:
            return port


class RedisServer:
    """`test` is a CommandTest. `port` speaks TLS only when `tls` (a tls.Authority) is given;
    `certificate` (a tls.Certificate) replaces the one that it would issue for 127.0.0.1 and localhost.
    `options` are further configuration directives, with _ for -."""

    def __init__(self, test, tls=None, certificate=None, password=None, replica_of=None, cluster=False,
                 **options):
        self.port = free_cluster_port() if cluster else free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.ca_file = tls.ca_file if tls else None
        self.password = password
        self.folder = Path(tempfile.mkdtemp(prefix="redis-", dir=test.dir))
        settings = {"bind": "127.0.0.1", "port": self.port, "dir": self.folder, "save": '""',
                    "appendonly": "no", "logfile": self.folder / "log", **options}
        if tls:
            certificate = certificate or tls.issue()
            settings |= {"port": 0, "tls-port": self.port, "tls-cert-file": certificate.certificate,
                         "tls-key-file": certificate.key, "tls-ca-cert-file": tls.ca_file,
                         "tls-auth-clients": "no", "tls-replication": "yes", "tls-cluster": "yes"}
        if password:
            settings |= {"requirepass": password, "masterauth": password}
        if replica_of:
            settings["replicaof"] = f"127.0.0.1 {replica_of.port}"
        if cluster:
            settings |= {"cluster-enabled": "yes", "cluster-config-file": self.folder / "nodes.conf",
                         "cluster-node-timeout": 5000}
        self._configuration = self.folder / "redis.conf"
        self._configuration.write_text("".join(f"{name.replace('_', '-')} {value}\n"
                                               for name, value in settings.items()))
        self._process = subprocess.Popen(["redis-server", self._configuration],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        test.addCleanup(self.stop)
        wait_until(self._answers, f"redis on port {self.port} answers")
        if replica_of:
            wait_until(lambda: "master_link_status:up" in self.command("INFO"), "the replica is connected")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"redis-server ended: {(self.folder / 'log').read_text()}")
        return self.command("PING", check=False) == "PONG"

    def command(self, *words, check=True) -> str:
        """What redis-cli prints for a command, without the final newline."""
        tls = ["--tls", "--insecure"] if self.ca_file else []
        password = ["-a", self.password, "--no-auth-warning"] if self.password else []
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *tls, *password,
                               *map(str, words)], check=False, text=True, capture_output=True, timeout=30)
        if check and done.returncode != 0:
            raise AssertionError(f"redis-cli {words}: {done.stdout}{done.stderr}")
        return done.stdout.removesuffix("\n")

    def stop(self):
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisCluster:
    """Three primaries that know each other and share all slots; `nodes` are RedisServers."""

    def __init__(self, test, size=3, **arguments):
        self.nodes = [RedisServer(test, cluster=True, **arguments) for _ in range(size)]
        first = self.nodes[0]
        bounds = [16384 * i // size for i in range(size + 1)]
        for index, node in enumerate(self.nodes):
            node.command("CLUSTER", "ADDSLOTSRANGE", bounds[index], bounds[index + 1] - 1)
            node.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for node in self.nodes[1:]:
            first.command("CLUSTER", "MEET", "127.0.0.1", node.port)
        wait_until(lambda: all(self._complete(node, size) for node in self.nodes), "the cluster is complete")

    @staticmethod
    def _complete(node, size) -> bool:
        info = node.command("CLUSTER", "INFO")
        return "cluster_state:ok" in info and f"cluster_known_nodes:{size}" in info

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.nodes]

    def add_node(self, test, **arguments) -> RedisServer:
        """One more primary, without slots."""
        node = RedisServer(test, cluster=True, **arguments)
        self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port)
        self.nodes.append(node)
        wait_until(lambda: all(self._complete(each, len(self.nodes)) for each in self.nodes),
                   "the cluster knows the new node")
        return node
