"""moodle-discover over TLS and with Redis, and the proof that a server keeps what it is given, against
real redis-server and memcached processes and against servers that misbehave."""

import re
import ssl
import threading
from datetime import datetime, timedelta, timezone

import tls
from harness import CommandTest, facts, main
from memcached import Memcached
from postgres import free_port
from redis_server import RedisCluster, RedisServer
from tcp_server import Server, answering, dripping, hold

SHORT = "--timeout=0.5"
COMMON = r"version=\d\S+ time-ms=\d+\.\d used-bytes=\d+ limit-bytes=\d+ hit-percent=\S+ evictions=\d+"
NO_TLS_HINT = "a server that does not speak TLS may wait for ever"


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%SZ")


class CacheTest(CommandTest):
    """Knows one authority, and refused() for both commands."""

    def setUp(self):
        super().setUp()
        self._authority = None

    @property
    def authority(self) -> tls.Authority:
        self._authority = self._authority or tls.Authority(self.dir)
        return self._authority

    @property
    def trusting(self):
        return "--tls", "--ca-file", self.authority.ca_file

    def password_file(self, password="secret"):
        return "--password-file", self.write(f"password-{password}", password + "\n")

    def refused(self, command, *arguments, code, message, hint="", out=""):
        lines = f"{command}: error: {message}\n" + (f"{command}: hint: {hint}\n" if hint else "")
        self.expect(command, *arguments, code=code, err=lines, out=out)


class Handshake(CacheTest):
    """What is wrong with the TLS of a server; a real Redis where it can be made to be so."""

    def untrusted(self, server, *arguments, reason, hint=""):
        self.refused("moodle-discover", *arguments, server, code=78, message=f"{server} is not trusted: {reason}",
                     hint=hint)

    def test_a_wrong_authority(self):
        server = RedisServer(self, tls=self.authority).address
        other = tls.Authority(self.dir, "Another Authority").ca_file
        self.untrusted(server, "--tls", "--ca-file", other,
                       reason="its certificate comes from 'Test Authority', which the CA file "
                              "DIR/Another-Authority/ca.pem does not hold")
        self.untrusted(server, "--tls", hint="name the authority's certificate with a CA file",
                       reason="its certificate comes from 'Test Authority', which this host does not trust")

    def test_the_same_name_with_another_key_is_another_authority(self):
        impostor = tls.Authority(self.dir / "elsewhere")
        server = RedisServer(self, tls=self.authority, certificate=impostor.issue()).address
        self.untrusted(server, *self.trusting,
                       reason="its certificate comes from 'Test Authority', which the CA file "
                              "DIR/Test-Authority/ca.pem does not hold")

    def test_self_signed(self):
        alone = tls.Authority(self.dir, "Alone")
        server = RedisServer(self, tls=self.authority,
                             certificate=tls.Certificate(alone.ca_file, alone.key)).address
        self.untrusted(server, *self.trusting, reason="its certificate is self-signed ('Alone'), and the CA file "
                                                      "DIR/Test-Authority/ca.pem does not hold it")

    def test_dates(self):
        now = datetime.now(timezone.utc)
        for dates, reason in (
            ({"end": "20240229120000Z"}, "its certificate expired on 2024-02-29 12:00 UTC"),
            ({"start": "20480229120000Z"}, "its certificate is not valid before 2048-02-29 12:00 UTC"),
            ({"end": stamp(now - timedelta(minutes=1))}, None),
        ):
            with self.subTest(dates=dates):
                server = RedisServer(self, tls=self.authority, certificate=self.authority.issue(**dates)).address
                if reason:
                    self.untrusted(server, *self.trusting, reason=reason, hint="is this host's clock right?")
                else:
                    self.assertEqual(self.run_tool("moodle-discover", *self.trusting, server).code, 78)

    def test_names(self):
        for names, host, reason in (
            (("DNS:cache.example.org", "DNS:*.example.org", "IP:10.0.0.1"), "127.0.0.1",
             "its certificate is for cache.example.org, *.example.org, 10.0.0.1, not for 127.0.0.1"),
            (("IP:127.0.0.1",), "localhost", "its certificate is for 127.0.0.1, not for localhost"),
            (tuple(f"DNS:n{i}.example.org" for i in range(8)), "localhost",
             "its certificate is for n0.example.org, n1.example.org, n2.example.org, n3.example.org, "
             "n4.example.org and 3 more, not for localhost"),
            (("DNS:127.0.0.1",), "127.0.0.1", "its certificate is for 127.0.0.1, not for 127.0.0.1"),
        ):
            with self.subTest(names=names, host=host):
                server = RedisServer(self, tls=self.authority, certificate=self.authority.issue(*names))
                self.untrusted(f"{host}:{server.port}", *self.trusting, reason=reason,
                               hint="name the server as its certificate does")

    def test_a_name_is_sent_and_an_address_is_not(self):
        seen = []
        context = tls.server_context(self.authority.issue())
        context.sni_callback = lambda connection, name, _: seen.append(name)
        for host in ("localhost", "127.0.0.1"):
            server = Server(self, tls.over_tls(context, answering(b"ERROR\r\n", b"END\r\n")))
            self.expect("moodle-discover", "-q", *self.trusting, f"{host}:{server.port}",
                        out=f"{host}:{server.port}\n")
        self.assertEqual(seen, ["localhost", None])

    def test_old_versions(self):
        context = tls.server_context(self.authority.issue(), maximum_version=ssl.TLSVersion.TLSv1_1)
        context.set_ciphers("ALL:@SECLEVEL=0")
        server = Server(self, tls.over_tls(context, hold)).address
        self.refused("moodle-discover", *self.trusting, server, code=78,
                     message=f"{server} speaks no TLS 1.2 or later")

    def test_a_client_certificate_is_wanted(self):
        context = tls.server_context(self.authority.issue(), verify_mode=ssl.CERT_REQUIRED)
        context.load_verify_locations(self.authority.ca_file)
        server = Server(self, tls.over_tls(context, hold)).address
        self.refused("moodle-discover", *self.trusting, server, code=78,
                     message=f"cannot discover the nodes of {server}: {server} wants a certificate from its clients",
                     hint="ElastiCache never does, and Moodle has no setting for it")

    def test_no_tls_at_all(self):
        def says(text):
            return Server(self, lambda connection: (connection.sendall(text), hold(connection))).address

        for text in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown\r\n", b"ERROR\r\n", b"\0" * 100,
                     b"220 mail.example.org ESMTP\r\n", b"SSH-2.0-OpenSSH_9\r\n"):
            server = says(text)
            self.refused("moodle-discover", *self.trusting, server, code=78, hint="its in-transit encryption may be off",
                         message=f"{server} does not speak TLS")

    def test_plain_servers_wait_for_more(self):
        for server in (RedisServer(self).address, Memcached(self).address, Server(self, hold).address):
            result = self.run_tool("moodle-discover", *self.trusting, SHORT, server)
            # The random bytes of a handshake may hold a line end: then the server answers in its own way.
            if result.code != 78:
                self.assertEqual(result.err, f"moodle-discover: error: no answer from {server} to the beginning of "
                                             f"TLS within 0.5 s\nmoodle-discover: hint: {NO_TLS_HINT}\n")
                self.assertEqual(result.code, 69)

    def test_slow_and_gone(self):
        whole = b"\x16\x03\x03\x40\x00" + b"\x02" * 1000
        server = Server(self, dripping(whole, 0.05)).address
        self.refused("moodle-discover", *self.trusting, SHORT, server, code=69, hint=NO_TLS_HINT,
                     message=f"no answer from {server} to the beginning of TLS within 0.5 s")
        server = Server(self, lambda connection: None).address
        self.refused("moodle-discover", *self.trusting, server, code=69,
                     hint="a server that does not speak TLS may do this",
                     message=f"{server} closed the connection instead of beginning TLS")

    def test_a_plain_question_to_a_tls_server(self):
        server = RedisServer(self, tls=self.authority).address
        self.refused("moodle-discover", server, code=69,
                     message=f"cannot discover the nodes of {server}: {server} closed the connection before it had "
                             "answered",
                     hint="a server that takes only TLS does this to a plain connection")

    def test_the_system_s_authorities_are_trusted_by_default(self):
        server = RedisServer(self, tls=self.authority).address
        self.expect("moodle-discover", "--tls", server, env={"SSL_CERT_FILE": str(self.authority.ca_file)},
                    out=f"{server}\n")


class Redis(CacheTest):
    """Discovery and probing."""

    def test_one_server(self):
        server = RedisServer(self).address
        self.expect("moodle-discover", server, out=f"{server}\n")
        self.expect("moodle-discover", "--probe", server, out=re.compile(
            rf"{server} {COMMON} engine=redis mode=standalone role=primary policy=noeviction\n"))

    def test_valkey_says_so(self):
        info = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nredis_mode:standalone\r\n"
        server = Server(self, answering_redis({"INFO": bulk(info)})).address
        self.expect("moodle-discover", "--probe", server, out=re.compile(
            rf"{server} version=8\.0\.1 .* engine=valkey mode=standalone role=primary policy=-\n"))

    def test_a_cluster_has_its_nodes(self):
        for arguments, options in (((), {}), (self.trusting, {"tls": self.authority})):
            cluster = RedisCluster(self, password="secret", **options)
            nodes = sorted(cluster.addresses)
            for node in cluster.nodes[:2]:
                self.expect("moodle-discover", *arguments, *self.password_file(), node.address,
                            out="".join(f"{address}\n" for address in nodes))
            self.expect("moodle-discover", "--probe", *arguments, *self.password_file(), node.address,
                        out=re.compile("".join(
                            rf"{address} {COMMON} engine=redis mode=cluster role=primary policy=noeviction\n"
                            for address in nodes)))

    def test_facts_say_what_to_speak(self):
        redis, memcached = RedisServer(self, tls=self.authority), Memcached(self)
        stream = (f"app-cache-endpoint={memcached.address}", "app-cache-engine=memcached", "app-cache-tls=false",
                  f"session-cache-endpoint={redis.address}", "session-cache-engine=redis", "session-cache-tls=true")
        self.expect("moodle-discover", "-q", "--ca-file", self.authority.ca_file, "-f", "-", stdin=facts(*stream),
                    out=facts(*stream, f"app-cache-node={memcached.address}", f"session-cache-node={redis.address}"))

    def test_the_port_is_the_engine_s(self):
        self.expect("moodle-discover", "--app-cache-endpoint=127.0.0.1", "--app-cache-engine=valkey",
                    "--timeout=0.01", code=69, err=re.compile(r".*127\.0\.0\.1:6379.*\n"))

    def test_passwords(self):
        server = RedisServer(self, password="secret")
        server.command("ACL", "SETUSER", "moodle", "on", ">userpass", "allkeys", "+@all")
        address = server.address
        self.refused("moodle-discover", address, code=77, hint="put it into a password file",
                     message=f"{address} wants a password (NOAUTH Authentication required.)")
        wrong = "does not accept the user or the password (WRONGPASS invalid username-password pair or user is disabled.)"
        self.refused("moodle-discover", *self.password_file("wrong"), address, code=77, message=f"{address} {wrong}")
        self.refused("moodle-discover", "--user=nobody", *self.password_file(), address, code=77,
                     message=f"{address} {wrong}")
        self.expect("moodle-discover", *self.password_file(), address, out=f"{address}\n")
        self.expect("moodle-discover", "--user=moodle", *self.password_file("userpass"), address, out=f"{address}\n")
        plain = RedisServer(self).address
        self.refused("moodle-discover", *self.password_file(), plain, code=78, hint="do without the password",
                     message=f"{plain} has no password set, and was given one (ERR AUTH <password> called without any "
                             "password configured for the default user. Are you sure your configuration is correct?)")

    def test_a_password_is_never_shown(self):
        def echo(connection):
            for line in connection.makefile("rb"):
                connection.sendall(b"-ERR unknown command: " + line)

        for serve in (echo, lambda connection: (connection.recv(100), connection.sendall(b"secret\r\n")),
                      lambda connection: (connection.recv(100), connection.sendall(b"+secret\r\n"))):
            server = Server(self, serve).address
            result = self.run_tool("moodle-discover", "-v", *self.password_file(),
                                   f"--app-cache-endpoint={server}", "--app-cache-engine=redis")
            self.assertIn(result.code, (65, 78))
            self.assertNotIn("secret", result.err)
            self.assertIn(server, result.err)

    def test_what_cannot_hold_sessions_is_said(self):
        primary = RedisServer(self)
        replica = RedisServer(self, replica_of=primary).address
        self.expect("moodle-discover", "--probe", "--session-cache-endpoint", replica, code=78,
                    out=f"#facts 1\nsession-cache-node={replica}\n",
                    err=re.compile(rf"moodle-discover: {replica} {COMMON} .*role=replica.*\n"
                                   rf"moodle-discover: error: {replica} is a read-only replica: name its primary\n"))
        evicting = RedisServer(self, maxmemory="100mb", maxmemory_policy="allkeys-lru").address
        self.expect("moodle-discover", "--probe", "-q", "--session-cache-endpoint", evicting,
                    out=facts(f"session-cache-node={evicting}"))
        self.expect("moodle-discover", "--probe", "--session-cache-endpoint", evicting,
                    out=facts(f"session-cache-node={evicting}"),
                    err=re.compile(rf"moodle-discover: {evicting} .*policy=allkeys-lru\n"
                                   rf"moodle-discover: warning: {evicting} evicts any key when its memory is full "
                                   r"\(maxmemory-policy allkeys-lru\): that ends sessions; noeviction does not\n"))
        self.expect("moodle-discover", "--probe", "-q", "--app-cache-endpoint", replica,
                    out=facts(f"app-cache-node={replica}"))

    def test_a_sentinel_holds_nothing(self):
        server = Server(self, answering_redis({"INFO": bulk("redis_version:7.0.15\r\nredis_mode:sentinel\r\n")})).address
        self.refused("moodle-discover", server, code=78, hint="name the server that it watches",
                     message=f"{server} is a Sentinel, which holds no data")

    def test_answers_that_are_none(self):
        for answer, reason in (
            (b"HTTP/1.1 400 Bad Request\r\n", "it does not answer as Redis or Valkey does, but 'HTTP/1.1 400 Bad Request'"),
            (b"$5\r\nhello world\r\n", "its answer is longer or shorter than it says"),
            (b"*1\r\n" * 20, "its answer is nested more than 8 deep"),
            (b"$10000000\r\n", "its answer has more than 1048576 bytes"),
            (b"$5\r\nhello\r\n", "its answer to INFO names no version"),
            (b"*1000000\r\n" + b":1\r\n" * 2_500_000, "its answer has more than 1048576 bytes"),
            (b"+" + b"x" * 10_000_000, "its answer has more than 1048576 bytes"),
        ):
            server = Server(self, lambda connection, data=answer: (connection.recv(100), connection.sendall(data),
                                                                    hold(connection))).address
            self.refused("moodle-discover", f"--app-cache-endpoint={server}", "--app-cache-engine=redis", code=65,
                         message=f"{server}: {reason}")

    def test_all_nodes_are_asked_at_once(self):
        """Each node answers only when all of them have been asked, handshakes included."""
        count = 60
        everybody = threading.Barrier(count)
        names = []

        def serve(connection):
            connection.recv(100)
            everybody.wait(timeout=60)
            connection.sendall(b"STAT version 1.6.18\r\nSTAT limit_maxbytes 67108864\r\nEND\r\n")
            hold(connection)

        context = tls.server_context(self.authority.issue())
        names += [Server(self, tls.over_tls(context, serve)).address for _ in range(count)]
        payload = "1\n" + " ".join(name.replace(":", "||") for name in names) + "\n"
        endpoint = Server(self, tls.over_tls(context, answering(
            f"CONFIG cluster 0 {len(payload)}\r\n{payload}\r\nEND\r\n".encode()))).address
        self.expect("moodle-discover", "--probe", "--timeout=60", *self.trusting, endpoint,
                    out=re.compile("".join(rf"{name} +{COMMON}\n" for name in names)))


def bulk(text: str) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text.encode())


def answering_redis(answers: dict[str, bytes]):
    """A Redis that answers each command by its first word, and all others with an error."""
    def serve(connection):
        lines = connection.makefile("rb")
        for line in lines:
            if not line.startswith(b"*"):
                connection.sendall(b"-ERR unknown command\r\n")
                continue
            words = []
            for _ in range(int(line[1:])):
                words.append(lines.read(int(lines.readline()[1:]) + 2)[:-2].decode())
            connection.sendall(answers.get(words[0], b"-ERR unknown command\r\n"))
    return serve


class Proof(CacheTest):
    """tests/integration/prove.cpp."""

    def proven(self, *arguments):
        self.expect("test-prove", *arguments, out=facts())

    def no_proof(self, *arguments, code, message, hint=""):
        self.refused("test-prove", *arguments, code=code, message=message, hint=hint)

    def test_redis(self):
        for arguments, options in (((), {}), (self.trusting, {"tls": self.authority}),
                                   (self.password_file(), {"password": "secret"})):
            server = RedisServer(self, **options)
            self.proven("redis", server.address, *arguments)
            self.assertEqual(server.command("DBSIZE"), "0")
            self.assertIn("calls=1", next(line for line in server.command("INFO", "commandstats").splitlines()
                                          if line.startswith("cmdstat_set:")))

    def test_another_database(self):
        server = RedisServer(self)
        self.proven("redis", server.address, "--database=15")
        self.no_proof("redis", server.address, "--database=16", code=78,
                      message=f"{server.address} has no database of that number (ERR DB index is out of range)")

    def test_a_cluster(self):
        for arguments, options in (((), {}), (self.trusting, {"tls": self.authority})):
            cluster = RedisCluster(self, password="secret", **options)
            for _ in range(4):  # random keys: sooner or later each node has to redirect
                for node in cluster.nodes:
                    self.proven("cluster", node.address, *arguments, *self.password_file())
            self.assertEqual({node.command("DBSIZE") for node in cluster.nodes}, {"0"})
            address = cluster.nodes[0].address
            self.no_proof("redis", address, *arguments, *self.password_file(), code=78,
                          message=f"{address} is a node of a cluster",
                          hint="use it in cluster mode, where the client follows it to the other nodes")

    def test_a_single_server_in_cluster_mode(self):
        address = RedisServer(self).address
        self.no_proof("cluster", address, code=78, message=f"{address} is not in cluster mode, as its client would be",
                      hint="use it as a single server")

    def test_a_replica(self):
        address = RedisServer(self, replica_of=RedisServer(self)).address
        self.no_proof("redis", address, code=78, hint="name its primary",
                      message=f"{address} is a read-only replica (READONLY You can't write against a read only replica.)")

    def test_no_memory_left(self):
        address = RedisServer(self, maxmemory="1", maxmemory_policy="noeviction").address
        self.no_proof("redis", address, code=78, hint="give it more memory, or an eviction policy",
                      message=f"{address} has no memory left and evicts nothing (maxmemory-policy noeviction) "
                              "(OOM command not allowed when used memory > 'maxmemory'.)")

    def test_rights(self):
        server = RedisServer(self, password="secret")
        address = server.address
        self.no_proof("redis", address, code=77, hint="put it into a password file",
                      message=f"{address} wants a password (NOAUTH Authentication required.)")
        self.no_proof("redis", address, *self.password_file("wrong"), code=77,
                      message=f"{address} does not accept the user or the password (WRONGPASS invalid "
                              "username-password pair or user is disabled.)")
        server.command("ACL", "SETUSER", "reader", "on", ">userpass", "allkeys", "+@read")
        self.expect("test-prove", "redis", address, "--user=reader", *self.password_file("userpass"), code=77,
                    err=re.compile(rf"test-prove: error: {address} does not let this user do that \(NOPERM .*\)\n"))
        server.command("ACL", "SETUSER", "narrow", "on", ">userpass", "allkeys", "-@all", "+set", "+get", "+del")
        self.proven("redis", address, "--user=narrow", *self.password_file("userpass"))

    def test_servers_that_pretend(self):
        info = {"INFO": bulk("redis_version:7.0.15\r\nredis_mode:standalone\r\n")}
        cluster = {"INFO": bulk("redis_version:7.0.15\r\nredis_mode:cluster\r\n")}

        def redis(answers):
            return Server(self, answering_redis(answers)).address

        forgets = redis(info | {"SET": b"+OK\r\n", "GET": b"$-1\r\n", "DEL": b":0\r\n"})
        self.no_proof("redis", forgets, code=78, message=f"{forgets} does not keep what it is given: a key that was "
                                                         "just set reads back differently")
        loading = redis(info | {"SET": b"-LOADING Redis is loading the dataset in memory\r\n"})
        self.no_proof("redis", loading, code=69, message=f"{loading} is still loading its data (LOADING Redis is loading "
                                                         "the dataset in memory)")
        down = redis(cluster | {"SET": b"-CLUSTERDOWN The cluster is down\r\n"})
        self.no_proof("cluster", down, code=69, message=f"{down} belongs to a cluster that is down (CLUSTERDOWN The "
                                                        "cluster is down)")
        nowhere = redis(cluster | {"SET": b"-MOVED 1 nowhere\r\n"})
        self.no_proof("cluster", nowhere, code=65, message=f"{nowhere} redirects to no node (MOVED 1 nowhere)")
        port = free_port()
        gone = redis(cluster | {"SET": b"-MOVED 1 127.0.0.1:%d\r\n" % port})
        self.no_proof("cluster", gone, code=69, message=f"cannot connect to 127.0.0.1:{port}: Connection refused")

    def test_a_circle_of_redirections(self):
        answers = {"INFO": bulk("redis_version:7.0.15\r\nredis_mode:cluster\r\n")}
        server = Server(self, answering_redis(answers))
        answers["SET"] = b"-MOVED 1 :%d\r\n" % server.port  # no host: the same
        self.no_proof("cluster", server.address, code=69,
                      message=f"the nodes of the cluster of {server.address} redirect to each other 4 times")

    def test_servers_that_are_slow_or_something_else(self):
        for kind in ("redis", "cluster", "memcached"):
            for serve in (hold, dripping(b"$" + b"1" * 1000, 0.05)):
                server = Server(self, serve).address
                self.no_proof(kind, server, SHORT, code=69, message=f"no answer from {server} within 0.5 s")
            closing = Server(self, lambda connection: None).address
            self.no_proof(kind, closing, code=69, message=f"{closing} closed the connection before it had answered",
                          hint="a server that takes only TLS does this to a plain connection")
            gone = f"127.0.0.1:{free_port()}"
            self.no_proof(kind, gone, code=69, message=f"cannot connect to {gone}: Connection refused")
        web = Server(self, lambda connection: (connection.recv(100), connection.sendall(b"HTTP/1.1 400 Bad\r\n"),
                                               hold(connection))).address
        self.no_proof("redis", web, code=65,
                      message=f"{web}: it does not answer as Redis or Valkey does, but 'HTTP/1.1 400 Bad'")
        self.no_proof("memcached", web, code=65,
                      message=f"{web} does not answer as a memcached does, but 'HTTP/1.1 400 Bad'")
        memcached, redis = Memcached(self).address, RedisServer(self).address
        self.no_proof("redis", memcached, code=65, hint="this looks like memcached",
                      message=f"{memcached}: it does not answer as Redis or Valkey does, but 'ERROR'")
        self.expect("test-prove", "memcached", redis, code=65, err=re.compile(
            rf"test-prove: error: {redis} does not answer as a memcached does, but '-ERR .*'\n"
            "test-prove: hint: this looks like Redis or Valkey\n"))

    def test_memcached(self):
        for arguments, options in (((), {}), (self.trusting, {"certificate": self.authority.issue()})):
            server = Memcached(self, **options)
            self.proven("memcached", server.address, *arguments)
            stats = server.ask(b"stats\r\n", b"END\r\n")
            self.assertIn(b"STAT cmd_set 1\r\n", stats)
            self.assertIn(b"STAT curr_items 0\r\n", stats)

    def test_memcached_without_memory(self):
        server = Memcached(self, "-m", "2", "-M")
        # Items as large as the proof's own: memory is kept apart by size.
        items = b"".join(b"set %057d 0 0 32 noreply\r\n%032d\r\n" % (i, i) for i in range(30_000))
        server.ask(items + b"mn\r\n", b"MN\r\n")
        self.expect("test-prove", "memcached", server.address, code=78, err=re.compile(
            rf"test-prove: error: {server.address} has no memory left \(SERVER_ERROR out of memory .*\)\n"))

    def test_memcached_that_pretends(self):
        for answers, code, message in (
            ((b"STORED\r\n", b"", b"END\r\n", b"NOT_FOUND\r\n"), 78,
             "does not keep what it is given: a key that was just set reads back differently"),
            ((b"STORED\r\n", b"", b"VALUE k 0 1\r\nx\r\nEND\r\n", b"DELETED\r\n"), 78,
             "does not keep what it is given: a key that was just set reads back differently"),
            ((b"SERVER_ERROR busy\r\n",), 69, "answers 'SERVER_ERROR busy'"),
            ((b"CLIENT_ERROR unauthenticated\r\n",), 77,
             "wants a password (CLIENT_ERROR unauthenticated), which Moodle has no setting for"),
        ):
            server = Server(self, answering(*answers)).address
            self.no_proof("memcached", server, code=code, message=f"{server} {message}")


if __name__ == "__main__":
    main()
