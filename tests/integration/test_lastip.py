"""moodle-lastip against a real PostgreSQL."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import threading

from harness import CommandTest, facts, main, tool
from postgres import Postgres, free_port, wait_until

CHANGED = facts("lastip-result=changed")
UNCHANGED = facts("lastip-result=unchanged")
PLANNED = facts("lastip-result=planned")
FINISHED = "moodle-lastip: the installation has finished: lastip does not matter any more\n"
ONE_LINE = re.compile(r"moodle-lastip: [^\n]*\n")
ERROR_AND_HINT = re.compile(r"moodle-lastip: error: [^\n]*\n(moodle-lastip: hint: [^\n]*\n)?")

TABLES = """
CREATE TABLE {p}config (id bigserial PRIMARY KEY, name varchar(255) NOT NULL DEFAULT '',
                        value text NOT NULL);
CREATE UNIQUE INDEX {p}conf_nam_uix ON {p}config (name);
CREATE TABLE {p}user (id bigserial PRIMARY KEY, username varchar(100) NOT NULL DEFAULT '',
                      password varchar(255) NOT NULL DEFAULT '', lastip varchar(45) NOT NULL DEFAULT '');
ALTER TABLE {p}config OWNER TO moodle;
ALTER TABLE {p}user OWNER TO moodle;
"""
PENDING = """
INSERT INTO {p}config (name, value) VALUES ('siteadmins', '2'), ('rolesactive', '1'),
                                           ('version', '2024100706.00');
INSERT INTO {p}user (username, password, lastip)
VALUES ('guest', 'x', '10.9.9.9'), ('admin', 'adminsetuppending', '10.9.9.9'),
       ('other', 'adminsetuppending', '10.9.9.9');
"""
LINE = ('{ip} - - [22/Nov/2026:07:50:59 +0000] "GET /admin/index.php HTTP/1.1" 200 512 "-" '
        '"Mozilla/5.0 (X11; Linux x86_64)"\n')


class Proxy:
    """Passes bytes on to the server, until the client sends `stop_at`; from then on it is silent, and
    keeps all connections open, like a server that hangs."""

    def __init__(self, port: int, stop_at: bytes):
        self.target = port
        self.stop_at = stop_at
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        self.stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self.open += [client, server]
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source, target, watched):
        try:
            while data := source.recv(65536):
                if watched and self.stop_at in data:
                    self.stopped.set()
                if not self.stopped.is_set():
                    target.sendall(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for each in self.open:
            with contextlib.suppress(OSError):  # closing alone leaves a thread in recv() and its peer
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class LastIpTest(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.pg = Postgres()
        cls.addClassCleanup(cls.pg.remove)

    def setUp(self):
        super().setUp()
        self.pg.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public")

    def make_site(self, prefix="mdl_", schema="public", pending=True):
        self.pg.sql(f"SET search_path = {schema};" + TABLES.format(p=prefix)
                    + (PENDING.format(p=prefix) if pending else ""))

    def lastip(self, user=2) -> str:
        return self.pg.sql(f"SELECT lastip FROM mdl_user WHERE id = {user}")

    def rows(self, table="mdl_user") -> str:
        return self.pg.sql(f"SELECT xmin, * FROM {table} ORDER BY id")

    def expect_tool(self, *options, dsn=None, **wanted):
        return self.expect("moodle-lastip", "--dsn", dsn or self.pg.dsn(), *options, **wanted)

    def expect_nothing_changed(self, *options, **wanted):
        before = self.rows()
        self.expect_tool(*options, **wanted)
        self.assertEqual(self.rows(), before)

    def start(self, *options, dsn=None) -> subprocess.Popen:
        process = subprocess.Popen([tool("moodle-lastip"), "--dsn", dsn or self.pg.dsn(), *map(str, options)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.wait()))
        return process

    def gone(self):
        wait_until(lambda: self.pg.sql("SELECT count(*) FROM pg_stat_activity "
                                       "WHERE application_name = 'moodle-lastip'") == "0", "gone")

    def proxy(self, stop_at: bytes) -> Proxy:
        proxy = Proxy(self.pg.port, stop_at)
        self.addCleanup(proxy.close)
        return proxy

    def password_file(self, port, password=Postgres.PASSWORD) -> dict:
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        path = self.write("pgpass", f"127.0.0.1:{port}:*:moodle:{escaped}\n")
        path.chmod(0o600)
        return {"PGPASSFILE": str(path)}


class Changes(LastIpTest):
    def test_the_pending_administrator_only_and_once(self):
        self.make_site()
        others = self.pg.sql("SELECT xmin, * FROM mdl_user WHERE id <> 2")
        self.expect_tool("--ip", "10.0.1.15", out=CHANGED,
                         err="moodle-lastip: lastip of user 2 ('admin') in mdl_user set to 10.0.1.15 "
                             "(was '10.9.9.9')\n")
        self.assertEqual(self.lastip(), "10.0.1.15")
        self.assertEqual(self.pg.sql("SELECT xmin, * FROM mdl_user WHERE id <> 2"), others)
        self.expect_nothing_changed("--ip", "10.0.1.15", out=UNCHANGED,
                                    err="moodle-lastip: lastip of user 2 ('admin') in mdl_user is "
                                        "10.0.1.15 already\n")

    def test_ipv6_is_written_as_moodle_compares_it(self):
        self.make_site()
        self.expect_tool("--ip", "2001:DB8::f", "-q", out=CHANGED)
        self.assertEqual(self.lastip(), "2001:db8:0:0:0:0:0:f")

    def test_the_first_of_several_administrators(self):
        self.make_site()
        self.pg.sql("UPDATE mdl_config SET value = '3,2' WHERE name = 'siteadmins'")
        self.expect_tool("--ip", "10.0.1.15", "-q", out=CHANGED)
        self.assertEqual((self.lastip(3), self.lastip(2)), ("10.0.1.15", "10.9.9.9"))

    def test_a_finished_site_is_never_touched(self):
        self.make_site()
        self.pg.sql("UPDATE mdl_user SET password = '$6$hash' WHERE id = 2")
        self.expect_nothing_changed("--ip", "10.0.1.15", out=UNCHANGED, err=FINISHED)
        # What only matters for a pending one is no error here.
        several = facts("alb-ip=10.0.1.15", "alb-ip=10.0.2.77")
        self.expect_nothing_changed("-f", "-", stdin=several, err=FINISHED,
                                    out=facts("alb-ip=10.0.1.15", "alb-ip=10.0.2.77",
                                              "lastip-result=unchanged"))

    def test_an_administrator_with_a_password_before_the_roles_are_active(self):
        self.make_site()
        self.pg.sql("UPDATE mdl_user SET password = 'x' WHERE id = 2;"
                    "UPDATE mdl_config SET value = '0' WHERE name = 'rolesactive'")
        self.expect_nothing_changed("--ip", "10.0.1.15", out=UNCHANGED,
                                    err="moodle-lastip: the administrator has a password already: "
                                        "lastip does not matter any more\n")

    def test_dry_run_and_check_change_nothing(self):
        self.make_site()
        would = ("moodle-lastip: lastip of user 2 ('admin') in mdl_user would be set to 10.0.1.15 "
                 "(was '10.9.9.9')\n")
        self.expect_nothing_changed("--ip", "10.0.1.15", "--dry-run", out=PLANNED, err=would)
        self.expect_nothing_changed("--ip", "10.0.1.15", "--check", code=1, err=would,
                                    out="#facts 1\nlastip-result=planned\n")
        self.expect_nothing_changed("--ip", "10.9.9.9", "--check", "-q", out=UNCHANGED)

    def test_another_prefix_and_schema(self):
        self.make_site()
        self.pg.sql("CREATE SCHEMA \"odd-one\" AUTHORIZATION moodle")
        self.make_site("m2_", '"odd-one"')
        before = self.rows()
        self.expect_tool("--prefix", "m2_", "--schema", '"odd-one"', "--ip", "10.0.1.15", "-q",
                         out=CHANGED)
        # Moodle does not quote the prefix, so its case does not matter.
        self.expect_tool("--prefix", "M2_", "--schema", '"odd-one"', "--ip", "10.0.1.15", "-q",
                         out=UNCHANGED)
        self.assertEqual(self.rows(), before)
        self.assertEqual(self.pg.sql('SELECT lastip FROM "odd-one".m2_user WHERE id = 2'), "10.0.1.15")
        self.pg.sql('DROP SCHEMA "odd-one" CASCADE')

    def test_tcp_port_and_password_file(self):
        self.make_site()
        self.expect_tool("--ip", "10.0.1.15", "-q", dsn=self.pg.dsn(host="127.0.0.1"), out=CHANGED,
                         env=self.password_file(self.pg.port))

    def test_the_environment_of_libpq(self):
        self.make_site()
        self.expect("moodle-lastip", "--dsn", "", "--ip", "10.0.1.15", "-q", out=CHANGED,
                    env={"PGHOST": str(self.pg.dir), "PGPORT": str(self.pg.port), "PGUSER": "moodle",
                         "PGDATABASE": "moodle"})

    def config(self, extra="", **fields) -> str:
        values = {"dbtype": "pgsql", "dbhost": "localhost", "dbname": "moodle", "dbuser": "moodle",
                  "dbpass": Postgres.PASSWORD, "prefix": "mdl_", "wwwroot": "https://x/lms",
                  "dataroot": str(self.dir), **fields}
        php = "".join(f"$CFG->{name} = '{value}';\n" for name, value in
                      ((n, v.replace("\\", "\\\\").replace("'", "\\'")) for n, v in values.items()))
        return str(self.write("config.php", "<?php\nunset($CFG); global $CFG; $CFG = new stdClass();\n"
                              + php + extra + "require_once(__DIR__ . '/lib/setup.php');\n"))

    def test_config_php_by_socket_and_by_port(self):
        self.make_site()
        by_socket = f"$CFG->dboptions = ['dbsocket' => '{self.pg.dir}', 'dbport' => {self.pg.port}];\n"
        self.expect("moodle-lastip", "--config", self.config(by_socket), "--ip", "10.0.1.15", "-q",
                    out=CHANGED)
        by_port = f"$CFG->dboptions = ['dbsocket' => '', 'dbport' => {self.pg.port}];\n"
        self.expect("moodle-lastip", "--config", self.config(by_port, dbhost="127.0.0.1"),
                    "--ip", "10.0.1.16", "-q", out=CHANGED)
        self.assertEqual(self.lastip(), "10.0.1.16")

    def test_config_php_says_prefix_schema_and_where_admin_begins(self):
        self.pg.sql("CREATE SCHEMA lms AUTHORIZATION moodle")
        self.make_site("m_", "lms")
        log = self.write("access.log", LINE.format(ip="10.0.1.15").replace("/admin/", "/lms/admin/")
                         + LINE.format(ip="10.0.1.16"))
        options = (f"$CFG->dboptions = ['dbsocket' => '{self.pg.dir}', 'dbport' => '{self.pg.port}',"
                   " 'dbschema' => 'lms'];\n")
        self.expect("moodle-lastip", "--config", self.config(options, prefix="m_"), "--access-log", log,
                    "-q", out=CHANGED)
        self.assertEqual(self.pg.sql("SELECT lastip FROM lms.m_user WHERE id = 2"), "10.0.1.15")
        self.pg.sql("DROP SCHEMA lms CASCADE")

    def test_config_php_wins_about_forwarded_addresses(self):
        self.make_site()
        by_socket = f"$CFG->dboptions = ['dbsocket' => '{self.pg.dir}', 'dbport' => {self.pg.port}];\n"
        path = self.config(by_socket + "$CFG->getremoteaddrconf = 0;\n")
        self.expect("moodle-lastip", "--config", path, "--alb-ip", "10.0.1.15", code=78,
                    err=re.compile(r"moodle-lastip: error: Moodle looks at X-Forwarded-For here "
                                   r"\(getremoteaddrconf is 0 in config.php\).*\n.*hint.*--ip.*\n"))
        self.pg.sql("INSERT INTO mdl_config (name, value) VALUES ('getremoteaddrconf', '0')")
        path = self.config(by_socket + "$CFG->getremoteaddrconf = 3;\n")
        self.expect("moodle-lastip", "--config", path, "--alb-ip", "10.0.1.15", "-q", out=CHANGED)

    def test_another_kind_of_database_gets_the_statements(self):
        self.expect("moodle-lastip", "--config", self.config(dbtype="mariadb"), "--ip", "10.0.1.15",
                    code=78, err="moodle-lastip: error: DIR/config.php: the site's dbtype is 'mariadb'; "
                    "only pgsql can be asked\n"
                    "moodle-lastip: hint: by hand: SELECT value FROM mdl_config WHERE name = "
                    "'siteadmins'; then, with the first number of that as ID: UPDATE mdl_user SET "
                    "lastip = '10.0.1.15' WHERE id = ID AND password = 'adminsetuppending';\n")


class Addresses(LastIpTest):
    def setUp(self):
        super().setUp()
        self.make_site()

    def test_the_only_load_balancer_address(self):
        stream = facts("stack-name=Moodle", "alb-ip=10.0.1.15", "alb-ip=10.0.1.15")
        self.expect_tool("-f", "-", "-q", stdin=stream,
                         out=stream.replace("#end", "lastip-result=changed\n#end"))
        self.assertEqual(self.lastip(), "10.0.1.15")

    def test_several_are_listed(self):
        self.expect_nothing_changed(
            "-f", "-", stdin=facts("alb-ip=10.0.1.15", "alb-ip=10.0.2.77"), code=65,
            err="moodle-lastip: error: the load balancer has several addresses: 10.0.1.15, 10.0.2.77\n"
                "moodle-lastip: hint: choose with --ip, or let --access-log FILE tell which one the "
                "browser's requests come through\n")

    def test_none_at_all(self):
        self.expect_nothing_changed(code=64, err=ERROR_AND_HINT)

    def test_the_log_chooses_among_the_facts(self):
        log = self.write("access.log", LINE.format(ip="10.0.2.77") + LINE.format(ip="192.0.2.1"))
        stream = facts("alb-ip=10.0.1.15", "alb-ip=10.0.2.77")
        self.expect_tool("-f", "-", "-q", "--access-log", log, stdin=stream,
                         out=stream.replace("#end", "lastip-result=changed\n#end"))
        self.assertEqual(self.lastip(), "10.0.2.77")
        self.expect_tool("--access-log", log, "-q", out=CHANGED)
        self.assertEqual(self.lastip(), "192.0.2.1")

    def test_a_log_on_standard_input(self):
        self.expect_tool("--access-log", "-", "-q", stdin=LINE.format(ip="10.0.1.15"), out=CHANGED)
        self.assertEqual(self.lastip(), "10.0.1.15")

    def test_a_log_that_does_not_tell(self):
        log = self.write("access.log", LINE.format(ip="10.0.1.15").replace("Mozilla", "ELB-HealthChecker"))
        self.expect_nothing_changed("--access-log", log, code=75,
                                    err="moodle-lastip: error: DIR/access.log holds no browser's request "
                                        "below /admin/\nmoodle-lastip: hint: open the site's /admin/ page "
                                        "in the browser, then run the command again\n")
        log = self.write("access.log", LINE.format(ip="10.0.9.9"))
        self.expect_nothing_changed("--access-log", log, "--alb-ip", "10.0.1.15", code=75,
                                    err="moodle-lastip: error: DIR/access.log holds no browser's request below "
                                        "/admin/ from 10.0.1.15 (the alb-ip facts), but one from 10.0.9.9\n"
                                        "moodle-lastip: hint: if the load balancer has new addresses, ask AWS for "
                                        "them again; or give --ip 10.0.9.9\n")
        self.expect_nothing_changed("--access-log", self.dir / "none", code=66,
                                    err="moodle-lastip: error: cannot read DIR/none: No such file or "
                                        "directory\n")
        self.expect_nothing_changed("--access-log", self.dir, code=65, err=ERROR_AND_HINT)

    def test_where_moodle_looks_at_forwarded_addresses(self):
        for value, code in (("0", 78), ("1", 78), ("2", 0), ("3", 0)):
            self.pg.sql("DELETE FROM mdl_config WHERE name = 'getremoteaddrconf';"
                        f"INSERT INTO mdl_config (name, value) VALUES ('getremoteaddrconf', '{value}');"
                        "UPDATE mdl_user SET lastip = '10.9.9.9' WHERE id = 2")
            if code:
                self.expect_nothing_changed(
                    "--alb-ip", "10.0.1.15", code=code,
                    err=re.compile(rf".*X-Forwarded-For here \(getremoteaddrconf is {value} in the "
                                   r"database\).*\n.*--ip.*\n"))
            self.expect_tool("--ip" if code else "--alb-ip", "203.0.113.7", "-q", out=CHANGED)

    def test_an_old_moodle_may_look_at_them_without_being_told(self):
        self.pg.sql("UPDATE mdl_config SET value = '2017051501.03' WHERE name = 'version'")
        self.expect_tool("--alb-ip", "10.0.1.15", out=CHANGED,
                         err=re.compile(r"moodle-lastip: warning: Moodle before 3\.9 .*\n.*\n"))


class Trouble(LastIpTest):
    def test_not_installed_yet(self):
        self.expect_tool("--ip", "10.0.1.15", code=78,
                         err=re.compile(r"moodle-lastip: error: the database 'moodle' on .* has no tables "
                                        r"mdl_config and mdl_user\n.*--watch.*\n"))
        self.make_site(pending=False)
        self.expect_nothing_changed("--ip", "10.0.1.15", code=75,
                                    err=re.compile(r".* has no administrator yet: .*\n.*\n"))
        self.pg.sql("INSERT INTO mdl_config (name, value) VALUES ('siteadmins', '2')")
        self.expect_nothing_changed("--ip", "10.0.1.15", code=75, err=ERROR_AND_HINT)

    def test_values_in_the_database_are_not_trusted(self):
        self.make_site()
        for value in ("x", "-2", "2; DROP TABLE mdl_user", "99999999999999999999"):
            self.pg.sql(f"UPDATE mdl_config SET value = '{value}' WHERE name = 'siteadmins'")
            self.expect_nothing_changed("--ip", "10.0.1.15", code=65, err=ERROR_AND_HINT)
        self.pg.sql("UPDATE mdl_config SET value = '2' WHERE name = 'siteadmins';"
                    "UPDATE mdl_user SET lastip = E'\\x1b[31m\\n' WHERE id = 2")
        self.expect_tool("--ip", "10.0.1.15", out=CHANGED, err=re.compile(r"[^\x1b]*\\x1b\[31m\\x0a'\)\n"))

    def test_down(self):
        self.expect_tool("--ip", "10.0.1.15", dsn=f"host=127.0.0.1 port={free_port()} user=moodle",
                         code=69, err=re.compile(r"moodle-lastip: error: cannot connect to the database: "
                                                 r".*Connection refused.*\n"))

    def test_hung_while_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            self.expect_tool("--ip", "10.0.1.15", "--db-timeout", "0.3", code=69,
                             dsn=f"host=127.0.0.1 port={port} user=moodle",
                             err=f"moodle-lastip: error: cannot connect to the database: no answer from "
                                 f"127.0.0.1:{port} within 300 ms\n")

    def test_a_name_server_that_never_answers(self):
        unshare = [shutil.which("unshare") or "unshare", "--map-root-user", "--mount", "--net"]
        try:
            subprocess.run([*unshare, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"no namespaces here: {error}")
        silent = ("import socket, subprocess, sys; server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                  "server.bind(('127.0.0.1', 53)); sys.exit(subprocess.call(sys.argv[1:]))")
        self.write("resolv.conf", "nameserver 127.0.0.1\n")
        command = (f"ip link set lo up && mount --bind resolv.conf /etc/resolv.conf && exec python3 -c \"{silent}\" "
                   f"{tool('moodle-lastip')} --ip 10.0.1.15 --db-timeout 0.3 --dsn host=db.test")
        self.expect(*unshare, "sh", "-c", command, code=69,
                    err="moodle-lastip: error: cannot connect to the database: its host's name is not resolved within "
                        "0.3 s\n")

    def test_hung_in_the_middle(self):
        self.make_site()
        for at in (b"BEGIN", b"siteadmins", b"UPDATE", b"COMMIT"):
            proxy = self.proxy(at)
            self.expect_nothing_changed("--ip", "10.0.1.15", "--db-timeout", "0.5", code=69,
                                        dsn=f"host=127.0.0.1 port={proxy.port} user=moodle dbname=moodle",
                                        env=self.password_file(proxy.port), err=ERROR_AND_HINT)
            self.assertTrue(proxy.stopped.is_set(), at)
            proxy.close()
            self.gone()

    def test_refused(self):
        tcp = self.pg.dsn(host="127.0.0.1")
        self.expect_tool("--ip", "10.0.1.15", code=77, dsn=tcp,
                         env=self.password_file(self.pg.port, "s3cret"),
                         err=re.compile(r'(?!.*s3cret).*password authentication failed for user "moodle".*\n'))
        self.expect_tool("--ip", "10.0.1.15", code=77, dsn=tcp, env={"PGPASSFILE": "/nonexistent"},
                         err=re.compile(r".*the server wants a password.*\n.*hint.*\n"))
        self.expect_tool("--ip", "10.0.1.15", code=78, dsn=self.pg.dsn("absent"),
                         err=re.compile(r'.*database "absent" does not exist\n'))
        self.expect_tool("--ip", "10.0.1.15", code=69, dsn="host=nowhere.invalid user=moodle",
                         err=re.compile(r'.*could not translate host name "nowhere.invalid".*\n'))

    def test_no_rights_and_read_only(self):
        self.make_site()
        self.expect_nothing_changed("--ip", "10.0.1.15", code=78, err=re.compile(r".*\n.*writer endpoint\n"),
                                    dsn=self.pg.dsn() + " options='-c default_transaction_read_only=on'")
        self.pg.sql("ALTER TABLE mdl_user OWNER TO postgres; GRANT SELECT ON mdl_user TO moodle")
        self.expect_nothing_changed("--ip", "10.0.1.15", code=77,
                                    err=re.compile(r".*permission denied for table mdl_user\n"))

    def test_hostile_values(self):
        self.make_site()
        for option, value, code in (("--ip", "10.0.1.15'; DROP TABLE mdl_user; --", 64),
                                    ("--ip", "", 64), ("--ip", "10.0.1.15:80", 64),
                                    ("--alb-ip", "10.0.1.15\\", 64), ("--prefix", 'mdl_"', 64),
                                    ("--schema", "public; DROP TABLE mdl_user", 78),
                                    ("--schema", "a" * 60000, 78), ("--prefix", "m" * 60000, 64)):
            extra = () if option in ("--ip", "--alb-ip") else ("--ip", "10.0.1.15")
            self.expect_nothing_changed(option, value, *extra, code=code, err=ERROR_AND_HINT)
        self.expect_nothing_changed("-f", "-", stdin=facts("alb-ip=$(reboot)"), code=65,
                                    err=ERROR_AND_HINT)
        self.expect_nothing_changed("-f", "-", stdin="#facts 1\nalb-ip=10.0.1.15\n", code=65,
                                    err=ERROR_AND_HINT)

    def locked(self):
        """A session that holds the administrator's row."""
        session = self.pg.session()
        self.addCleanup(session.communicate)
        session.stdin.write("BEGIN;\nSELECT 'locked' FROM mdl_user WHERE id = 2 FOR UPDATE;\n")
        session.stdin.flush()
        self.assertEqual(session.stdout.readline(), "locked\n")
        return session

    def release(self, session):
        session.stdin.write("COMMIT;\n")
        session.stdin.flush()

    def waiting(self, count):
        wait_until(lambda: self.pg.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'moodle-lastip' "
            "AND wait_event_type = 'Lock'") == str(count), f"{count} waiting")

    def test_locked_by_someone_else(self):
        self.make_site()
        session = self.locked()
        self.expect_nothing_changed("--ip", "10.0.1.15", "--db-timeout", "0.5", code=75,
                                    err=re.compile(r".*lock timeout\n"))
        self.release(session)

    def test_killed_in_the_middle(self):
        self.make_site()
        for sent in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            session = self.locked()
            process = self.start("--ip", "10.0.1.15")
            self.waiting(1)
            process.send_signal(sent)
            out, _ = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (-sent, ""))
            self.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = 'moodle-lastip'")
            self.gone()
            self.release(session)
            self.assertEqual(self.lastip(), "10.9.9.9")

    def test_two_at_once(self):
        self.make_site()
        session = self.locked()
        both = [self.start("--ip", ip) for ip in ("10.0.1.15", "10.0.2.77")]
        self.waiting(2)
        self.release(session)
        for process in both:
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (0, CHANGED), err)
        self.assertIn(self.lastip(), ("10.0.1.15", "10.0.2.77"))

    def test_finished_while_waiting_for_the_row(self):
        self.make_site()
        session = self.locked()
        process = self.start("--ip", "10.0.1.15")
        self.waiting(1)
        session.stdin.write("UPDATE mdl_user SET password = 'set' WHERE id = 2;\n")
        self.release(session)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (75, ""), err)
        self.assertEqual(self.lastip(), "10.9.9.9")


class Cost(LastIpTest):
    """What the server touches, not how long it takes."""

    def touched(self, users: int) -> dict:
        self.pg.sql("DROP TABLE IF EXISTS mdl_user, mdl_config")
        self.make_site()
        self.pg.sql("INSERT INTO mdl_user (username, password, lastip) SELECT 'u' || n, 'x', '' "
                    f"FROM generate_series(1, {users}) AS n; ANALYZE mdl_user")
        self.pg.sql("SELECT pg_stat_reset()")
        self.expect_tool("--ip", "10.0.1.15", "-q", out=CHANGED)
        counters = ("SELECT seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_upd "
                    "FROM pg_stat_user_tables WHERE relname = 'mdl_user'")
        # The server's process hands its counters in when it ends.
        wait_until(lambda: self.pg.sql(counters).endswith("|1"), "statistics")
        return {"rows": self.pg.sql(counters),
                "blocks": int(self.pg.sql("SELECT heap_blks_read + heap_blks_hit FROM "
                                          "pg_statio_user_tables WHERE relname = 'mdl_user'"))}

    def test_a_hundred_times_the_users_cost_the_same(self):
        small = self.touched(10_000)
        large = self.touched(1_000_000)
        self.assertEqual(small["rows"], large["rows"])
        self.assertTrue(large["rows"].startswith("0|0|"), large)
        self.assertLessEqual(large["blocks"], small["blocks"] + 2)

    def test_no_sequential_scan_of_a_tiny_table_either(self):
        self.assertTrue(self.touched(1)["rows"].startswith("0|0|"))


class Watching(LastIpTest):
    INTERVAL = ("--watch", "--interval", "0.02", "--timeout", "120")

    def setUp(self):
        super().setUp()
        self.log = self.dir / "access.log"

    def request(self, ip: str):
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(LINE.format(ip=ip))

    def becomes(self, ip: str):
        wait_until(lambda: self.lastip() == ip, f"lastip is {ip}")

    def finish(self):
        self.pg.sql("UPDATE mdl_user SET password = 'set' WHERE id = 2")

    def hears(self, process, text) -> str:
        """The next line of stderr that holds the text."""
        while text not in (line := process.stderr.readline()):
            self.assertTrue(line, "it ended")
        return line

    def ends(self, process, result="changed", code=0):
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out),
                         (code, facts(f"lastip-result={result}") if code == 0 else ""), err)
        return err

    def test_from_before_the_tables_and_the_log_to_the_end(self):
        process = self.start("--access-log", self.log, *self.INTERVAL)
        self.make_site(pending=False)
        self.request("10.0.1.15")
        self.pg.sql(PENDING.format(p="mdl_"))
        self.becomes("10.0.1.15")
        self.request("10.0.2.77")
        self.becomes("10.0.2.77")
        self.finish()
        err = self.ends(process)
        self.assertIn("lastip of user 2 ('admin') in mdl_user set to 10.0.2.77 (was '10.0.1.15')\n", err)
        self.assertTrue(err.endswith("moodle-lastip: the installation has finished\n"), err)

    def test_a_rotated_log(self):
        self.make_site()
        self.request("10.0.0.1")
        process = self.start("--access-log", self.log, *self.INTERVAL)
        self.becomes("10.0.0.1")
        self.log.rename(self.dir / "access.log.1")
        self.request("10.0.0.2")
        self.becomes("10.0.0.2")
        self.request("10.0.0.3")
        self.becomes("10.0.0.3")
        self.log.write_text("")  # copytruncate
        self.request("10.0.0.4")
        self.becomes("10.0.0.4")
        self.finish()
        self.ends(process)

    def test_only_the_load_balancer_counts(self):
        self.make_site()
        process = self.start("--access-log", self.log, "--alb-ip", "10.0.1.15", "--alb-ip", "10.0.2.77",
                             *self.INTERVAL)
        self.request("10.0.1.15")
        self.becomes("10.0.1.15")
        self.request("192.0.2.1")
        self.assertEqual(self.hears(process, "warning"),
                         "moodle-lastip: warning: a browser asks for the site's /admin/ from 192.0.2.1, which is none of "
                         "10.0.1.15, 10.0.2.77 (the alb-ip facts): if it is a new address of the load balancer, run this "
                         "again with facts that hold it\n")
        self.assertEqual(self.lastip(), "10.0.1.15")
        self.request("10.0.2.77")
        self.becomes("10.0.2.77")
        self.finish()
        self.ends(process)

    def test_a_fixed_address_waits_for_the_administrator(self):
        process = self.start("--ip", "10.0.1.15", *self.INTERVAL)
        self.make_site()
        self.becomes("10.0.1.15")
        self.pg.sql("UPDATE mdl_user SET lastip = '10.9.9.9' WHERE id = 2")
        self.becomes("10.0.1.15")
        self.finish()
        self.ends(process)

    def test_a_database_that_restarts(self):
        self.make_site()
        self.request("10.0.0.1")
        process = self.start("--access-log", self.log, *self.INTERVAL)
        self.becomes("10.0.0.1")
        self.pg.stop()
        self.request("10.0.0.2")
        self.pg.start()
        self.becomes("10.0.0.2")
        self.finish()
        err = self.ends(process)
        self.assertEqual(err.count("trying again"), 1, err)
        self.assertEqual(err.count("the database is back"), 1, err)

    def test_already_finished(self):
        self.make_site()
        self.finish()
        self.ends(self.start("--access-log", self.log, *self.INTERVAL), "unchanged")

    def test_timeout(self):
        self.make_site()
        process = self.start("--ip", "10.0.1.15", "--watch", "--interval", "0.02", "--timeout", "0.5")
        self.assertIn("the installation has not finished within 0.5 s; lastip was set\n",
                      self.ends(process, code=75))

    def test_signals_end_it(self):
        self.make_site()
        for sent in (signal.SIGTERM, signal.SIGINT):
            process = self.start("--ip", "10.0.1.15", *self.INTERVAL)
            self.becomes("10.0.1.15")
            process.send_signal(sent)
            self.ends(process, code=-sent)

    def test_down_from_the_start(self):
        process = self.start("--ip", "10.0.1.15", *self.INTERVAL, dsn=f"host=127.0.0.1 port={free_port()}")
        self.assertIn("Connection refused", self.ends(process, code=69))

    def test_forwarded_addresses_end_it(self):
        self.make_site()
        self.pg.sql("INSERT INTO mdl_config (name, value) VALUES ('getremoteaddrconf', '0')")
        self.assertIn("X-Forwarded-For", self.ends(self.start("--access-log", self.log, *self.INTERVAL),
                                                   code=78))


if __name__ == "__main__":
    main()
