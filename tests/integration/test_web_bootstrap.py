"""scripts/web-bootstrap.sh in throw-away Debian 12 systems: it brings up Apache and PHP for a site whose
database and shared folder are real. Only what exists in AWS alone is a stand-in (support/fake_aws.py)."""

import contextlib
import http.client
import http.server
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import debian
import standin_moodle
from harness import SOURCE_DIR, TOOLS_DIR, main
from memcached import Memcached
from postgres import Postgres, free_port, wait_until

SCRIPT = "/usr/share/moodle-aws-toolkit/scripts/web-bootstrap.sh"
STEPS = ("facts packages efs folders code plugins password config database web install opcache caches "
         "sessions serve check").split()
DB_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-0a1b-AbCdEf"
ADMIN_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:moodle-admin-AbCdEf"
ADMIN_PASSWORD = "Adm1n's \"own\" $password\\"
PARAMETER = "/moodle/Moodle/site-facts"
# What the commands need of Debian at run time.
LIBRARIES = ("libphp8.2-embed libpqxx-6.4 libmemcached11 libfmt9 libyaml-cpp0.7 libpcre2-8-0 "
             "libboost-program-options1.74.0").split()
ROTATED = "another'password\\"


def web_packages() -> list[str]:
    """What the script installs, read from the script."""
    done = subprocess.run(["bash", "-c", 'source "$0"; printf "%s\\n" "${web_packages[@]}"',
                           SOURCE_DIR / "scripts/bootstrap/packages.sh"],
                          capture_output=True, text=True, check=True)
    return done.stdout.split()


def install_web_server(root):
    root.install(*web_packages(), *LIBRARIES)
    # Something is left for the script to install.
    root.run(["dpkg", "--purge", "unzip"])


WEB_SERVER = debian.Layer("web-server", install_web_server, key=" ".join([*web_packages(), *LIBRARIES]))


class Listener(http.server.ThreadingHTTPServer):
    """Takes a wait condition's signals, and is the instance metadata service."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.signals = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/latest/api/token":
            return self.answer(200, "the-token")
        # AWS signs the URL for a request without a content type.
        self.server.signals.append((self.path, self.headers.get("Content-Type"), json.loads(body)))
        return self.answer(200)

    def do_GET(self):
        known = (self.path == "/latest/meta-data/instance-id"
                 and self.headers.get("X-aws-ec2-metadata-token") == "the-token")
        self.answer(200 if known else 401, "i-0123456789abcdef0" if known else "")


class Watch:
    """Looks at the command line and the environment of every process inside the root, as often as it can, for
    what must not be there."""

    def __init__(self, server, *secrets):
        self.inside = str(server.root.path).split("/root", 1)[1]
        self.secrets = [secret.encode() for secret in secrets]
        self.found, self.seen, self.ended = set(), set(), False
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.ended:
            for entry in os.scandir("/proc"):
                if not entry.name.isdigit():
                    continue
                with contextlib.suppress(OSError):
                    if os.readlink(f"{entry.path}/root") != self.inside:
                        continue
                    line = Path(entry.path, "cmdline").read_bytes()
                    self.seen.add(line.split(b"\0")[0].rsplit(b"/", 1)[-1])
                    text = line + Path(entry.path, "environ").read_bytes()
                    self.found.update(line for secret in self.secrets if secret in text)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()


class Server:
    """A new web server: a Debian with the toolkit, and an AWS, a database and a shared folder for it."""

    def __init__(self, test):
        self.test = test
        self.database = Postgres()
        test.addCleanup(self.database.remove)
        self.sessions, self.caches = Memcached(test), Memcached(test)
        self.listener = Listener()
        test.addCleanup(self.listener.close)
        self.archives = Path(tempfile.mkdtemp())
        test.addCleanup(shutil.rmtree, self.archives)
        moodle = standin_moodle.moodle_archive(self.archives / "moodle.tgz")
        plugin = standin_moodle.plugin_archive(self.archives / "hello.zip", "hello")
        self.port = free_port()
        self.root, self.opened = None, contextlib.ExitStack()
        test.addCleanup(self.opened.close)
        self.renew()
        self.facts = {
            "stack-name": "Moodle", "region": "us-east-1", "site-url": "https://moodle.example.org",
            "moodle-url": "/srv/archives/moodle.tgz", "moodle-sha256": moodle,
            "plugin": f"local/hello /srv/archives/hello.zip {plugin}",
            "db-host": "127.0.0.1", "db-port": str(self.database.port), "db-name": "moodle", "db-user": "moodle",
            "db-secret-arn": DB_SECRET, "admin-secret-arn": ADMIN_SECRET, "admin-email": "admin@example.org",
            "site-fullname": "It's a \"site\"", "efs-dir": "/srv/efs", "http-listen": f"127.0.0.1:{self.port}",
            "app-cache-endpoint": self.caches.address, "app-cache-engine": "memcached", "app-cache-tls": "false",
            "session-cache-endpoint": self.sessions.address, "session-cache-engine": "memcached",
            "session-cache-tls": "false", "log-group-bootstrap": "/moodle/Moodle/bootstrap"}

    def renew(self):
        """A Debian and a database in which nothing has happened."""
        self.opened.close()
        self.root = self.opened.enter_context(debian.root(WEB_SERVER, {
            "/usr/local/bin/aws": SOURCE_DIR / "tests/support/fake_aws.py",
            "/usr/share/moodle-aws-toolkit/scripts": SOURCE_DIR / "scripts",
            "/srv/archives": self.archives, "/opt/toolkit": TOOLS_DIR}))
        for command in ("moodle-facts", "moodle-muc", "moodle-session", "moodle-opcache"):
            if (TOOLS_DIR / command).exists():
                (self.path("usr/bin") / command).symlink_to(f"/opt/toolkit/{command}")
        self.path("srv/aws").mkdir()
        self.path("srv/efs").mkdir()
        self.database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION moodle")
        self.secrets(**{DB_SECRET: {"username": "moodle", "password": Postgres.PASSWORD},
                        ADMIN_SECRET: {"password": ADMIN_PASSWORD}})

    def path(self, inside) -> Path:
        return self.root.path / inside

    def secrets(self, **secrets):
        self.path("srv/aws/secrets.json").write_text(
            json.dumps({name: json.dumps(secret) for name, secret in secrets.items()}))

    def stored_facts(self, **changes) -> str:
        facts = {**self.facts, **{name.replace("_", "-"): value for name, value in changes.items()}}
        lines = "".join(f"{name}={value}\n" for name, value in facts.items() if value is not None)
        self.path("srv/aws/parameters.json").write_text(json.dumps({PARAMETER: f"#facts 1\n{lines}#end\n"}))
        return lines

    def command(self, *options):
        return [SCRIPT, "--facts-parameter", PARAMETER, "--region", "us-east-1", *options]

    def environment(self):
        return {"FAKE_AWS": "/srv/aws", "MOODLE_BOOTSTRAP_TRIES": "2",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.listener.url}

    def run(self, *options, **changes):
        self.stored_facts(**changes)
        return self.root.run(self.command(*options), env=self.environment(), check=False)

    def done(self, result, *options, **changes):
        """It ends well, and says so. (bootstrap-result)"""
        ran = self.run(*options, **changes)
        self.test.assertEqual((ran.code, ran.out), (0, f"#facts 1\nbootstrap-result={result}\n#end\n"), ran.err)
        return ran

    def fails(self, code, reason, *options, **changes):
        """It fails with this code, and the stack is told this reason."""
        self.listener.signals.clear()
        ran = self.run("--signal-url", f"{self.listener.url}/signal?X=1%2F2&Y=3", *options, **changes)
        self.test.assertEqual((ran.code, ran.out), (code, ""), ran.err)
        self.test.assertRegex(ran.err, rf"(?m)^{TIME} web-bootstrap.sh: error: {reason}")
        (path, content_type, signal), = self.listener.signals
        self.test.assertEqual((path, content_type), ("/signal?X=1%2F2&Y=3", None))
        self.test.assertEqual((signal["Status"], signal["Data"]), ("FAILURE", "i-0123456789abcdef0"))
        self.test.assertRegex(signal["Reason"], f"^i-0123456789abcdef0: {reason}")
        return ran

    def page(self, path="/", **headers):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path, headers={"Host": "moodle.example.org", **headers})
            with connection.getresponse() as response:
                return response.status, response.read().decode()

    def tree(self, *roots, times=False) -> dict:
        """All that is below the folders, with modes and owners; with `times`, when files were written."""
        show = r"%p\0%y %m %u %g %s %l" + (r" %T@" if times else "") + r"\0"
        def find(*words):
            return self.root.run(["find", *roots, "-xdev", *words], check=False).out  # one may not be there yet

        words = (find("!", "-type", "d", "-printf", show) +
                 find("-type", "d", "-printf", r"%p\0%m %u %g\0")).split("\0")[:-1]
        entries = dict(zip(words[::2], words[1::2]))
        for line in find("-type", "f", "-exec", "sha256sum", "{}", "+").splitlines():
            entries[line[66:]] += " " + line[:64]
        return {path: entry for path, entry in entries.items() if not path.startswith(VOLATILE)}

    def packages(self):
        return self.root.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n"]).out


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# What every run may write: logs, the record of calls, and the state of processes.
VOLATILE = ("/var/log/", "/srv/aws/", "/run/", "/var/lib/apache2/", "/etc/ld.so.cache", "/var/cache/", "/tmp/")
EVERYTHING = ("/etc", "/var", "/srv", "/usr/local", "/run", "/root", "/tmp")
SITE = ("/etc", "/var/www", "/var/lib/moodle-aws-toolkit", "/srv", "/root")
SECRETS = (Postgres.PASSWORD, ADMIN_PASSWORD, ROTATED)


@unittest.skipIf(debian.unavailable(), debian.unavailable())
class WebBootstrap(unittest.TestCase):
    maxDiff = 4000

    def test_a_new_server(self):
        server = Server(self)
        self.dry_run(server)
        with Watch(server, *SECRETS) as watch:
            first = server.done("changed", "--signal-url", f"{server.listener.url}/signal")
        self.assertEqual(watch.found, set())
        self.assertLessEqual({b"psql", b"php"}, watch.seen, "the watch is too slow to see anything")
        self.assertEqual([step for step in STEPS if f": {step}: checking" not in first.err], [])
        (_, _, signal), = server.listener.signals
        self.assertEqual((signal["Status"], signal["Reason"]),
                         ("SUCCESS", "i-0123456789abcdef0: the server serves pages"))
        self.what_it_serves(server)
        self.what_is_there(server)
        before = server.tree(*EVERYTHING, times=True), server.packages()
        server.done("unchanged")
        self.assertEqual((server.tree(*EVERYTHING, times=True), server.packages()), before)
        self.config_of_somebody(server)
        self.a_new_password(server)
        self.a_cache_that_does_not_answer(server)
        self.no_secret_in_a_log(server)

    def dry_run(self, server):
        before = server.tree(*SITE, times=True)
        ran = server.done("planned", "--dry-run")
        self.assertEqual(re.findall(r": (\w+): would ", ran.err), STEPS)
        self.assertEqual(server.tree(*SITE, times=True), before)

    def what_it_serves(self, server):
        status, body = server.page("/", **{"X-Forwarded-For": "203.0.113.9"})
        self.assertEqual(status, 200, body)
        self.assertEqual(json.loads(body), {
            "wwwroot": "https://moodle.example.org", "sslproxy": True, "sapi": "fpm-fcgi", "inputs": "5000",
            "writable": dict.fromkeys(("dataroot", "cachedir", "tempdir", "localcachedir"), True), "code": False,
            "database": "moodle", "tables": "t", "address": "127.0.0.1", "path": "",
            "sessions": server.sessions.address})
        self.assertEqual(json.loads(server.page("/index.php/a/b/composer.json")[1])["path"], "/a/b/composer.json")
        self.assertEqual(server.page("/theme/style.css"), (200, "body {}\n"))
        for path, wanted in {"/composer.json": 403, "/local/upgrade.txt": 403, "/local/": 403, "/nothing.php": 404,
                             "/.git/config": 403, "/theme/nothing": 404}.items():
            self.assertEqual(server.page(path)[0], wanted, path)
        log = server.path("var/log/apache2/access.log").read_text()
        self.assertRegex(log, r'(?m)^127\.0\.0\.1 - - \[[^]]+\] "GET / HTTP/1\.1" 200 \d+ "-" "-"$')

    def what_is_there(self, server):
        tree = server.tree("/var/www", "/etc/moodle-aws-toolkit", "/srv/efs")
        self.assertRegex(tree["/var/www/moodle/html/config.php"], r"^f 640 root www-data ")
        self.assertRegex(tree["/etc/moodle-aws-toolkit/db-password"], r"^f 640 root www-data ")
        self.assertRegex(tree["/var/www/moodle/html/local/hello/version.php"], r"^f 644 root root ")
        self.assertEqual(tree["/var/www/moodle/html/admin"], "755 root root")
        for name in ("data", "cache", "temp"):
            self.assertEqual(tree[f"/srv/efs/{name}"], "2770 www-data www-data")
            self.assertTrue(tree[f"/var/www/moodle/{name}"].endswith(f"/srv/efs/{name}"))
        self.assertEqual(tree["/var/www/moodle/local"], "2770 www-data www-data")
        self.assertEqual([path for path in tree if ".part" in path or ".staging" in path], [])
        muc = server.path("srv/efs/data/muc/config.php").read_text()
        self.assertIn(server.caches.address.split(":")[1], muc)
        password = server.database.sql("SELECT password FROM mdl_user WHERE username = 'admin'")
        verify = subprocess.run(["php", "-n", "-r", "exit(password_verify($argv[1], $argv[2]) ? 0 : 1);",
                                 ADMIN_PASSWORD, password], check=False)
        self.assertEqual(verify.returncode, 0, "the administrator has the password of the secret")
        self.assertEqual(server.database.sql("SELECT value FROM mdl_config WHERE name = 'fullname'"),
                         "It's a \"site\"")
        self.assertEqual(server.database.sql("SELECT to_regclass('moodle_aws_toolkit_install')"), "")
        calls = [json.loads(line) for line in server.path("srv/aws/calls.jsonl").read_text().splitlines()]
        self.assertIn(["logs", "put-log-events"], [call[6:8] for call in calls])

    def config_of_somebody(self, server):
        config = server.path("var/www/moodle/html/config.php")
        ours = config.read_text()
        self.assertIn("// moodle-session: begin.", ours)
        # Other facts come in, and the lines of moodle-session stay.
        server.done("changed", "--only", "config", site_url="https://other.example.org")
        other = config.read_text()
        self.assertEqual(other.replace("other.example.org", "moodle.example.org"), ours)
        self.assertNotEqual(other, ours)
        server.done("changed", "--only", "config")
        self.assertEqual(config.read_text(), ours)
        # What somebody wrote stays; it does not stop the run until the facts want something else.
        config.write_text(ours.replace("$CFG->admin = 'admin';", "$CFG->admin = 'admin';\n$CFG->debug = 0;"))
        theirs = config.read_text()
        ran = server.done("unchanged", "--only", "config")
        self.assertIn("warning: config: somebody changed /var/www/moodle/html/config.php", ran.err)
        server.fails(78, "config: somebody changed", "--only", "config", site_url="https://other.example.org")
        self.assertEqual(config.read_text(), theirs)
        config.write_text(ours)

    def a_new_password(self, server):
        quoted = ROTATED.replace("'", "''")
        server.database.sql(f"ALTER ROLE moodle PASSWORD '{quoted}'")
        self.assertNotEqual(json.loads(server.page("/")[1] or "{}").get("database"), "moodle")
        server.secrets(**{DB_SECRET: {"password": ROTATED}})
        # What the timer runs.
        unit = server.path("etc/systemd/system/moodle-db-password.service").read_text()
        command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()
        self.assertEqual(server.root.run(command, env=server.environment()).out,
                         "#facts 1\nbootstrap-result=changed\n#end\n")
        self.assertEqual(json.loads(server.page("/")[1])["database"], "moodle")
        self.assertEqual(server.root.run(command, env=server.environment()).err, "", "it is quiet")

    def a_cache_that_does_not_answer(self, server):
        ran = server.run("--signal-url", f"{server.listener.url}/signal", app_cache_endpoint=f"127.0.0.1:{free_port()}")
        self.assertEqual((ran.code, ran.out), (69, "#facts 1\nbootstrap-result=changed\n#end\n"), ran.err)
        self.assertRegex(ran.err, "warning: end: caches: moodle-muc exited with 69: ")
        _, _, signal = server.listener.signals[-1]
        self.assertEqual(signal["Status"], "SUCCESS")
        self.assertIn("caches: moodle-muc exited with 69: ", signal["Reason"])
        self.assertEqual(server.page("/")[0], 200)

    def no_secret_in_a_log(self, server):
        for path in (*self.files(server.path("var/log")), server.path("srv/aws/calls.jsonl")):
            content = path.read_bytes()
            for secret in SECRETS:
                self.assertNotIn(secret.encode(), content, path)
                self.assertNotIn(json.dumps(secret)[1:-1].encode(), content, path)
        self.assertEqual(list(server.path("run/moodle-aws-toolkit").glob("bootstrap")), [])

    @staticmethod
    def files(folder):
        return [path for path in folder.rglob("*") if path.is_file()]

    def test_what_is_wrong_is_said_and_nothing_is_half_written(self):
        server = Server(self)
        self.faults(server)
        # And it goes on from there.
        server.done("changed")
        self.assertEqual(server.page("/")[0], 200)
        self.another_server_installs(server)

    def faults(self, server):
        site = server.path("var/www/moodle")
        server.fails(66, "facts: cannot read the Parameter Store value /nowhere: ", "--facts-parameter", "/nowhere")
        server.fails(65, "facts: the fact db-port is 'x'", db_port="x")
        server.fails(65, "facts: the Parameter Store value .* does not hold facts: ", site_url="a\x01b")
        server.fails(69, r"efs: cannot mount EFS \(127\.0\.0\.1:/\): ", efs_dir=None, efs_host="127.0.0.1")
        self.assertNotIn("moodle", server.path("etc/fstab").read_text())
        self.assertEqual(server.root.run(["findmnt", "-t", "nfs4"], check=False).out, "")
        server.fails(65, "code: the SHA-256 of /srv/archives/moodle.tgz is [0-9a-f]{64}, not 0{64}",
                     moodle_sha256="0" * 64)
        server.fails(65, "code: the fact moodle-sha256 is missing", moodle_sha256="")
        server.fails(66, "code: cannot download /srv/nothing.tgz: no such file", moodle_url="/srv/nothing.tgz")
        self.assertEqual(sorted(path.name for path in site.iterdir()), ["cache", "data", "local", "temp"])
        for plugin in ("../../etc/x", "local/../x", "nowhere/x", "lib/x"):
            server.fails(65, "plugins: the ", plugin=f"{plugin} /srv/archives/hello.zip {'0' * 64}")
        server.fails(65, "plugins: the SHA-256 of /srv/archives/hello.zip is", "--only", "plugins",
                     plugin=f"local/hello /srv/archives/hello.zip {'0' * 64}")
        self.assertFalse((site / "html/local/hello").exists())
        server.secrets()
        server.fails(66, f"password: cannot read the secret {re.escape(DB_SECRET)}: .*ResourceNotFoundException")
        server.secrets(**{DB_SECRET: {"username": "moodle"}})
        server.fails(65, f"password: the secret {re.escape(DB_SECRET)} is no JSON object with a text 'password'")
        self.assertFalse(server.path("etc/moodle-aws-toolkit/db-password").exists())
        self.assertFalse((site / "html/config.php").exists())
        server.secrets(**{DB_SECRET: {"password": Postgres.PASSWORD}, ADMIN_SECRET: {"password": ADMIN_PASSWORD}})
        server.fails(69, "database: cannot ask the database moodle at 127.0.0.1: ", db_port=str(free_port()))
        self.assertEqual(self.leftovers(server), [])

    @staticmethod
    def leftovers(server):
        return [path for path in server.tree("/etc", "/var/www", "/var/lib/moodle-aws-toolkit", "/run")
                if ".part" in path or ".staging" in path or "/bootstrap/" in path]

    def another_server_installs(self, server):
        """Of a fleet's servers one installs; another one waits for it, and sees what it has done."""
        server.database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION moodle")
        other = server.database.session()
        self.addCleanup(other.communicate)
        other.stdin.write("SELECT 'locked' FROM pg_advisory_lock(7061756231);\n")
        other.stdin.flush()
        self.assertEqual(other.stdout.readline(), "locked\n")
        server.stored_facts()
        waiting = server.root.popen(server.command("--only", "install"), env=server.environment(),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        wait_until(lambda: server.database.sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1", "it waits")
        server.database.sql(
            "SET ROLE moodle; CREATE TABLE mdl_config (name text, value text); CREATE TABLE mdl_user (password text);"
            "INSERT INTO mdl_config VALUES ('rolesactive', '1')")
        other.stdin.close()
        out, err = waiting.communicate(timeout=60)
        self.assertEqual((waiting.returncode, out), (0, b"#facts 1\nbootstrap-result=unchanged\n#end\n"), err)
        self.assertEqual(server.database.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'm%'"), "2")

    def test_killed_at_ten_points_it_ends_the_same(self):
        server = Server(self)
        server.done("changed")
        undisturbed = self.state(server)
        server.renew()
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        steps = sorted(chance.sample(STEPS, 10), key=STEPS.index)
        server.stored_facts()
        with self.subTest(seed=seed, steps=steps):
            for step in steps:
                self.kill_in(server, step, chance.uniform(0, 0.2))
            ran = server.run()
            self.assertEqual(ran.code, 0, ran.err)
            self.assertEqual(self.state(server), undisturbed)
            server.done("unchanged")

    def state(self, server):
        status, body = server.page("/")
        self.assertEqual(status, 200, body)
        rows = server.database.sql("SELECT name, value FROM mdl_config ORDER BY name;"
                                   "SELECT id, username, length(password) FROM mdl_user ORDER BY id;"
                                   "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return server.tree(*SITE), server.packages(), rows, body

    def kill_in(self, server, step, seconds):
        """Begins, and kills all of it, some time after the step has begun."""
        process = server.root.popen(server.command(), env=server.environment(), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        with process.stderr:
            seen = any(f": {step}: checking" in line for line in process.stderr)
            self.assertTrue(seen, f"the run ended before the step {step}")
            time.sleep(seconds)
            server.root.kill(process)


if __name__ == "__main__":
    main()
