"""moodle-discover against real memcached processes and against servers that misbehave."""

import os
import re
import shutil
import socket
import subprocess
import threading

import tls
from harness import CommandTest, facts, main, tool
from memcached import Memcached
from postgres import free_port
from tcp_server import Server, answering, dripping, hold

TWO_NODES = (b"CONFIG cluster 0 136\r\n12\nh1|10.82.235.120|11211 h2|10.80.249.27|11211\n\r\n"
             b"END\r\n")
SHORT = "--timeout=0.3"


class Reaching(CommandTest):
    """Names, addresses, and hosts that are not there."""

    def refused(self, server, code, message, hint=""):
        lines = [f"moodle-discover: error: {message}\n"] + ([f"moodle-discover: hint: {hint}\n"] if hint else [])
        self.expect("moodle-discover", SHORT, server, code=code, err="".join(lines))

    def expect_apart(self, script, *namespaces, **expected):
        """expect() for a shell script with a file system view of its own, where it may put other
        files into /etc; skipped where that is not allowed."""
        unshare = [shutil.which("unshare") or "unshare", "--map-root-user", "--mount", *namespaces]
        try:
            subprocess.run([*unshare, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"no namespaces here: {error}")
        self.expect(*unshare, "sh", "-c", script, **expected)

    def test_an_address_that_refuses_is_followed_by_the_next(self):
        server = Server(self, answering(TWO_NODES))
        self.write("hosts", "::1 both.test\n127.0.0.1 both.test\n")
        self.expect_apart("mount --bind hosts /etc/hosts && exec " + tool("moodle-discover")
                          + f" --timeout 10 both.test:{server.port}",
                          out="h1:11211\nh2:11211\n")

    def test_a_name_server_that_never_answers(self):
        silent = ("import socket, subprocess, sys; "
                  "server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                  "server.bind(('127.0.0.1', 53)); sys.exit(subprocess.call(sys.argv[1:]))")
        self.write("resolv.conf", "nameserver 127.0.0.1\n")
        self.expect_apart("ip link set lo up && mount --bind resolv.conf /etc/resolv.conf && "
                          f"exec python3 -c \"{silent}\" " + tool("moodle-discover")
                          + f" {SHORT} nodes.test:1", "--net", code=69,
                          err="moodle-discover: error: cannot resolve nodes.test: no answer within "
                              "0.3 s\n")

    def test_ipv6(self):
        try:
            server = Server(self, answering(TWO_NODES), socket.AF_INET6)
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        self.expect("moodle-discover", f"[::1]:{server.port}", out="h1:11211\nh2:11211\n")

    def test_nobody_listens(self):
        address = f"127.0.0.1:{free_port()}"
        self.refused(address, 69, f"cannot connect to {address}: Connection refused")

    def test_a_name_that_does_not_exist(self):
        self.expect_apart(f"exec {tool('moodle-discover')} --timeout 10 nodes.invalid:1", "--net",
                          code=69, err=re.compile(
                              r"moodle-discover: error: cannot resolve nodes\.invalid: .+\n"))

    def test_a_host_that_swallows_packets(self):
        full = socket.socket()
        self.addCleanup(full.close)
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = f"127.0.0.1:{full.getsockname()[1]}"
        for _ in range(2):  # nobody accepts, so the queue is full and the next one gets no answer
            waiting = socket.socket()
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        self.refused(address, 69, f"cannot connect to {address}: no answer within 0.3 s",
                     "a security group that does not let this host in looks exactly like this")


class Conversation(CommandTest):
    """What the endpoint says, and how it is understood."""

    closing_hint = "a server that takes only TLS does this to a plain connection"

    def server(self, serve):
        return Server(self, serve).address

    def memcached(self):
        return Memcached(self)

    def serve(self, *answers):
        return self.server(answering(*answers))

    def refused(self, server, code, message, hint=""):
        lines = [f"moodle-discover: error: {message}\n"] + ([f"moodle-discover: hint: {hint}\n"] if hint else [])
        self.expect("moodle-discover", SHORT, server, code=code, err="".join(lines))

    def test_the_config_command_is_understood(self):
        self.expect("moodle-discover", self.serve(TWO_NODES), out="h1:11211\nh2:11211\n")

    def test_verbose_names_the_configuration(self):
        server = self.serve(TWO_NODES)
        self.expect("moodle-discover", "-v", server, out="h1:11211\nh2:11211\n",
                    err=f"moodle-discover: {server} announces 2 node(s), configuration version 12\n")

    def test_servers_that_differ_in_form_are_understood(self):
        nodes = b"h1|10.82.235.120|11211 h2||11211"
        for name, answer in {
            "CRLF after the version": b"CONFIG cluster 0 51\r\n12\r\n" + nodes + b"\r\n\r\nEND\r\n",
            "length too short": b"CONFIG cluster 0 3\r\n12\n" + nodes + b"\n\r\nEND\r\n",
            "length too long": b"CONFIG cluster 0 99999\r\n12\n" + nodes + b"\n\r\nEND\r\n",
            "no empty line": b"CONFIG cluster 0 49\r\n12\n" + nodes + b"\r\nEND\r\n",
            "LF only": b"CONFIG cluster 0 49\n12\n" + nodes + b"\n\nEND\n",
        }.items():
            with self.subTest(name):
                self.expect("moodle-discover", self.serve(answer), out="h1:11211\nh2:11211\n")

    def test_an_answer_in_pieces_is_put_together(self):
        server = self.server(dripping(TWO_NODES, 0.001))
        self.expect("moodle-discover", "--timeout=30", server, out="h1:11211\nh2:11211\n")

    def test_300_nodes(self):
        names = [f"moodle-app.abc123.{i:04}.use1.cache.amazonaws.com" for i in range(300)]
        payload = "7\n" + " ".join(f"{name}|10.0.{i // 256}.{i % 256}|11211"
                                   for i, name in enumerate(names)) + "\n"
        answer = f"CONFIG cluster 0 {len(payload)}\r\n{payload}\r\nEND\r\n".encode()
        self.expect("moodle-discover", self.serve(answer),
                    out="".join(f"{name}:11211\n" for name in names))

    def test_older_engines_keep_the_nodes_under_a_key(self):
        memcached = self.memcached()
        memcached.announce(b"12\nh1|10.82.235.120|11211 h2|10.80.249.27|11211\n")
        self.expect("moodle-discover", memcached.address, out="h1:11211\nh2:11211\n")

    def test_a_plain_memcached_is_one_node(self):
        memcached = self.memcached()
        self.expect("moodle-discover", memcached.address, out=f"{memcached.address}\n",
                    err=f"moodle-discover: {memcached.address} announces no nodes: it is taken as "
                        "the only one\n")

    def test_several_endpoints_give_each_node_once(self):
        more = self.serve(b"CONFIG cluster 0 19\r\n1\nh2||11211 h3||1\n\r\nEND\r\n")
        self.expect("moodle-discover", self.serve(TWO_NODES), more,
                    out="h1:11211\nh2:11211\nh3:1\n")

    def test_accepts_and_never_answers(self):
        server = self.server(hold)
        self.refused(server, 69, f"cannot discover the nodes of {server}: no answer from {server} "
                                 "within 0.3 s")

    def test_a_byte_now_and_then(self):
        server = self.server(dripping(b"C" * 1000, 0.05))
        self.refused(server, 69, f"cannot discover the nodes of {server}: no answer from {server} "
                                 "within 0.3 s")

    def test_never_says_end(self):
        server = self.serve(TWO_NODES.removesuffix(b"END\r\n"))
        self.refused(server, 69, f"cannot discover the nodes of {server}: no answer from {server} "
                                 "within 0.3 s")

    def test_closes_at_once(self):
        server = self.server(lambda connection: None)
        self.refused(server, 69, f"cannot discover the nodes of {server}: {server} closed the "
                                 "connection before it had answered",
                     self.closing_hint)

    def test_closes_in_the_middle(self):
        server = self.server(lambda connection: (connection.recv(100),
                                                 connection.sendall(TWO_NODES[:50])))
        self.refused(server, 69, f"cannot discover the nodes of {server}: {server} closed the "
                                 "connection before it had answered",
                     self.closing_hint)

    def test_ten_megabytes_of_garbage(self):
        for name, garbage, message in (
            ("one line", b"\xff\x00" * 5_000_000, "the answer of SERVER has a line of more than 1048576 bytes"),
            ("in lines", b"CONFIG cluster 0 1\r\n" + b"x|y|1\n" * 1_700_000, None),
        ):
            with self.subTest(name):
                server = self.server(lambda connection, data=garbage: connection.sendall(data))
                err = re.compile(re.escape(f"moodle-discover: error: cannot discover the nodes of {server}: ")
                                 + (re.escape(message.replace("SERVER", server)) if message
                                    else r"the (list of nodes has|answer of \S+ has a line of) more than \d+ bytes")
                                 + "\n")
                self.expect("moodle-discover", server, code=65, err=err)

    def test_answers_that_cannot_be_understood(self):
        for answers, code, message, hint in (
            ((b"HTTP/1.1 400 Bad Request\r\n",), 65,
             "it did not answer as a memcached does, but 'HTTP/1.1 400 Bad Request'", ""),
            ((b"SERVER_ERROR out of memory\r\n",), 69, "it answered 'SERVER_ERROR out of memory'", ""),
            ((b"\x1b[2Jx\r\n",), 65, "it did not answer as a memcached does, but '\\x1b[2Jx'", ""),
            ((b"ERROR\r\n", b"ERROR\r\n"), 65, "it did not answer as a memcached does, but 'ERROR'", ""),
            ((b"CONFIG cluster 0 0\r\n\r\nEND\r\n",), 65, "the configuration is empty", ""),
            ((b"CONFIG cluster 0 2\r\n1\n\r\nEND\r\n",), 65, "the configuration lists no nodes", ""),
            ((b"CONFIG cluster 0 9\r\n1\n$(id)|'|11211\n\r\nEND\r\n",), 65,
             "the node '$(id)|'|11211': '$(id):11211' is not HOST:PORT: a host holds only letters, "
             "digits, '.', '-' and '_'", ""),
        ):
            server = self.serve(*answers)
            self.refused(server, code, f"cannot discover the nodes of {server}: {message}", hint)


class ConversationOverTls(Conversation):
    """The same with a server that speaks TLS."""

    closing_hint = ""

    def setUp(self):
        super().setUp()
        self.authority = tls.Authority(self.dir)
        self.certificate = self.authority.issue()
        self.context = tls.server_context(self.certificate)

    def server(self, serve):
        return super().server(tls.over_tls(self.context, serve))

    def memcached(self):
        return Memcached(self, certificate=self.certificate)

    def run_tool(self, *argv, **options):
        return super().run_tool(*argv, "--tls", "--ca-file", self.authority.ca_file, **options)


class AnotherClient(CommandTest):
    """The client that PyPI has as elasticache-auto-discovery (DISCOVERY_CLIENT is the Python that has
    it) finds the same nodes."""

    PROGRAM = ("import sys; from elasticache_auto_discovery import discover\n"
               "for name, address, port in discover(sys.argv[1], 10): print(f'{name.decode()}:{int(port)}')")

    def setUp(self):
        super().setUp()
        self.python = os.environ.get("DISCOVERY_CLIENT")
        if not self.python:
            if os.environ.get("CI"):
                self.fail("DISCOVERY_CLIENT is not set: CI has to have it")
            self.skipTest("DISCOVERY_CLIENT names no Python with elasticache-auto-discovery")

    def test_the_same_nodes(self):
        many = " ".join(f"n{i}.abc123.use1.cache.amazonaws.com|10.0.{i // 256}.{i % 256}|11211" for i in range(300))
        for answer in (TWO_NODES,
                       b"CONFIG cluster 0 51\r\n12\r\nh1|10.82.235.120|11211 h2||11211\r\n\r\nEND\r\n",
                       b"CONFIG cluster 0 3\r\n12\nh1||1 h2||2\n\r\nEND\r\n",
                       f"CONFIG cluster 0 {len(many) + 3}\r\n7\n{many}\n\r\nEND\r\n".encode()):
            server = Server(self, answering(answer)).address
            theirs = subprocess.run([self.python, "-c", self.PROGRAM, server], check=True, text=True,
                                    capture_output=True).stdout
            self.assertIn("\n", theirs)
            self.expect("moodle-discover", server, out=theirs)


class DiscoveryAsFacts(CommandTest):
    def serve(self, *answers):
        return Server(self, answering(*answers)).address

    def test_an_endpoint_option_gives_facts(self):
        self.expect("moodle-discover", "--app-cache-endpoint", self.serve(TWO_NODES),
                    out=facts("app-cache-node=h1:11211", "app-cache-node=h2:11211"))

    def test_the_stream_is_passed_on_with_new_nodes(self):
        one = self.serve(b"CONFIG cluster 0 9\r\n1\ns1||11211\n\r\nEND\r\n")
        stream = ("region=eu-west-1", f"app-cache-endpoint={self.serve(TWO_NODES)}",
                  "app-cache-engine=memcached", "app-cache-tls=false",
                  f"session-cache-endpoint={one}")
        self.expect("moodle-discover", "-f", "-", stdin=facts(*stream, "app-cache-node=gone:1"),
                    out=facts(*stream, "app-cache-node=h1:11211", "app-cache-node=h2:11211",
                              "session-cache-node=s1:11211"))

    def test_the_command_line_wins(self):
        stream = ("app-cache-endpoint=gone.invalid:1",)
        self.expect("moodle-discover", "-f", "-", "--app-cache-endpoint", self.serve(TWO_NODES),
                    stdin=facts(*stream),
                    out=facts(*stream, "app-cache-node=h1:11211", "app-cache-node=h2:11211"))

    def test_memcached_that_is_redis_after_all(self):
        server = self.serve(b"-ERR unknown command\r\n")
        self.expect("moodle-discover", "--app-cache-endpoint", server, "--app-cache-engine=memcached", code=65,
                    err=f"moodle-discover: error: cannot discover the nodes of {server}: it did not answer as a "
                        "memcached does, but '-ERR unknown command'\n"
                        "moodle-discover: hint: this looks like Redis or Valkey\n")

    def test_a_failure_breaks_the_chain(self):
        address = f"127.0.0.1:{free_port()}"
        self.expect("moodle-discover", "-f", "-", stdin=facts(f"app-cache-endpoint={address}"),
                    code=69,
                    err=f"moodle-discover: error: cannot connect to {address}: Connection refused\n")


class Probing(CommandTest):
    STATUS = r"version=\d\S+ time-ms=\d+\.\d used-bytes=\d+ limit-bytes=67108864 "

    def cluster(self, *addresses):
        nodes = " ".join(f"{host}||{port}" for host, port in (a.split(":") for a in addresses))
        payload = f"1\n{nodes}\n"
        return Server(self, answering(
            f"CONFIG cluster 0 {len(payload)}\r\n{payload}\r\nEND\r\n".encode())).address

    def test_every_node_says_how_it_is(self):
        used, fresh = Memcached(self), Memcached(self)
        used.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
        used.ask(b"get a\r\nget a\r\nget a\r\nget b\r\n", b"x\r\nEND\r\nEND\r\n")
        self.expect("moodle-discover", "--probe", self.cluster(used.address, fresh.address),
                    out=re.compile(f"{used.address} +{self.STATUS}hit-percent=75\\.0 evictions=0\n"
                                   f"{fresh.address} +{self.STATUS}hit-percent=- evictions=0\n"))

    def test_nodes_that_do_not_answer_are_named_and_the_others_listed(self):
        good = Memcached(self).address
        bad = {
            f"127.0.0.1:{free_port()}": "Connection refused",
            Server(self, hold).address: None,
            Server(self, dripping(b"S" * 100, 0.1)).address: None,
            Server(self, answering(b"\x15\x03\x01 what\r\n")).address:
                "it does not answer as a memcached does",
            Server(self, answering(b"END\r\n")).address: "it does not answer as a memcached does",
        }
        result = self.run_tool("moodle-discover", "--probe", "--timeout=1",
                               self.cluster(*bad, good))
        self.assertEqual(result.code, 69)
        self.assertEqual(result.err, "".join(
            f"moodle-discover: error: {address}: {reason}\n" if reason
            else f"moodle-discover: error: no answer from {address} within 1 s\n"
            for address, reason in bad.items()))
        lines = result.out.splitlines()
        self.assertEqual([line.split()[0] for line in lines], [*bad, good])
        self.assertEqual([line.split()[1:] for line in lines[:-1]], [["unavailable"]] * len(bad))
        self.assertRegex(lines[-1], self.STATUS)

    def test_with_facts_the_state_goes_to_stderr(self):
        node = Memcached(self).address
        server = self.cluster(node)
        self.expect("moodle-discover", "--probe", "--app-cache-endpoint", server,
                    out=facts(f"app-cache-node={node}"),
                    err=re.compile(f"moodle-discover: {node} {self.STATUS}.*\n"))

    def test_with_facts_a_node_that_is_down_breaks_the_chain(self):
        node = f"127.0.0.1:{free_port()}"
        stream = f"app-cache-endpoint={self.cluster(node)}"
        self.expect("moodle-discover", "--probe", "-q", "-f", "-", code=69, stdin=facts(stream),
                    out=f"#facts 1\n{stream}\napp-cache-node={node}\n",
                    err=f"moodle-discover: error: {node}: Connection refused\n")

    def test_all_nodes_are_asked_at_once(self):
        """Each node answers only when all of them have been asked: one after the other would fail."""
        count = 60
        everybody = threading.Barrier(count)

        def serve(connection):
            connection.recv(100)
            everybody.wait(timeout=30)
            connection.sendall(b"STAT version 1.6.18\r\nSTAT limit_maxbytes 67108864\r\nEND\r\n")
            hold(connection)

        nodes = [Server(self, serve).address for _ in range(count)]
        self.expect("moodle-discover", "--probe", "--timeout=30", self.cluster(*nodes),
                    out=re.compile("".join(f"{node} +{self.STATUS}.*\n" for node in nodes)))


if __name__ == "__main__":
    main()
