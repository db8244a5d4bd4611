"""A new web server for scripts/web-bootstrap.sh: a throw-away Debian 12 with the toolkit, a real database,
real caches and a shared folder for it, and stand-ins for what exists in AWS alone."""

import atexit
import contextlib
import functools
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import debian
import standin_moodle
from harness import SOURCE_DIR
from memcached import Memcached
from postgres import Postgres, free_port

SCRIPT = "/usr/share/moodle-aws-toolkit/scripts/web-bootstrap.sh"
DB_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-0a1b-AbCdEf"
ADMIN_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:moodle-admin-AbCdEf"
ADMIN_PASSWORD = "Adm1n's \"own\" $password\\"
PARAMETER = "/moodle/Moodle/site-facts"
LOG_AGENT = "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
# In place of the CloudWatch agent's own: keeps what it was last started with.
LOG_AGENT_SCRIPT = """
case "$*" in
  '-m ec2 -a status')
    if [[ -e /srv/aws/log-agent.json ]]; then echo '{ "status": "running" }'; else echo '{ "status": "stopped" }'; fi
    ;;
  '-a fetch-config -m ec2 -s -c file:'*) cp "${7#file:}" /srv/aws/log-agent.json ;;
  *) exit 2 ;;
esac
"""


def web_packages() -> list[str]:
    """What the script installs, read from the script."""
    done = subprocess.run(["bash", "-c", 'source "$0"; printf "%s\\n" "${web_packages[@]}"',
                           SOURCE_DIR / "scripts/bootstrap/packages.sh"],
                          capture_output=True, text=True, check=True)
    return done.stdout.split()


def install_web_server(root):
    root.install(*web_packages())
    # Something is left for the script to install.
    root.run(["dpkg", "--purge", "unzip"])


def template_text(begin: str, /, **values) -> str:
    """The text behind `begin` in the `web` template, as CloudFormation's Fn::Sub gives it to AWS."""
    template = (SOURCE_DIR / "stacks" / "web.yaml").read_text()
    indent, block = re.search(rf"{begin}: !Sub\n +- \|\n(( +).*\n(?:\2.*\n|\n)+)", template).group(2, 1)
    text = re.sub(rf"(?m)^{indent}", "", block)
    text = re.sub(r"\$\{([A-Za-z0-9:]+)\}", lambda found: values[found[1].replace("AWS::", "")], text)
    return text.replace("${!", "${")


@functools.cache
def toolkit() -> Path:
    """The Debian package, made once for all tests of this process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return debian.package(Path(folder))


def with_toolkit(deb: Path) -> debian.Layer:
    """A Debian with the toolkit's package, and with all that a web server needs of Debian but one package: a
    test has no minutes to spend on them. The part that changes rarely is below."""
    below = debian.Layer("web-server", install_web_server, key=" ".join(web_packages()))
    package = debian.with_package(deb)
    return debian.Layer("web-server-toolkit", package.prepare, below, package.key)


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
            time.sleep(0.002)  # the run wants a processor, too
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
        self.signal_url = f"{self.listener.url}/signal?X=1%2F2&Y=3"
        self.archives = Path(tempfile.mkdtemp())
        test.addCleanup(shutil.rmtree, self.archives)
        moodle = standin_moodle.moodle_archive(self.archives / "moodle.tgz")
        plugin = standin_moodle.plugin_archive(self.archives / "hello.zip", "hello")
        self.package = Path(shutil.copy2(toolkit(), self.archives))
        self.layer = with_toolkit(self.package)
        self.port = free_port()
        self.root, self.opened = None, contextlib.ExitStack()
        test.addCleanup(self.opened.close)
        self.renew()
        self.facts = {
            "stack-name": "Moodle", "region": "us-east-1", "site-url": "https://moodle.example.org",
            "moodle-url": "/srv/archives/moodle.tgz", "moodle-sha256": moodle,
            "plugin": f"local/hello s3://plugins/hello.zip {plugin}",
            "db-host": "127.0.0.1", "db-port": str(self.database.port), "db-name": "moodle", "db-user": "moodle",
            "db-secret-arn": DB_SECRET, "admin-secret-arn": ADMIN_SECRET, "admin-email": "admin@example.org",
            "site-fullname": "It's a \"site\"", "efs-dir": "/srv/efs", "http-listen": f"127.0.0.1:{self.port}",
            "app-cache-endpoint": self.caches.address, "app-cache-engine": "memcached", "app-cache-tls": "false",
            "session-cache-endpoint": self.sessions.address, "session-cache-engine": "memcached",
            "session-cache-tls": "false",
            **{f"log-group-{name}": f"/moodle/Moodle/{name}" for name in ("access", "error", "bootstrap")}}

    def renew(self):
        """A Debian and a database in which nothing has happened."""
        self.opened.close()
        self.root = self.opened.enter_context(debian.root(self.layer, {
            "/usr/local/bin/aws": SOURCE_DIR / "tests/support/fake_aws.py", "/srv/archives": self.archives}))
        self.path("srv/aws/s3/plugins").mkdir(parents=True)
        shutil.copy2(self.archives / "hello.zip", self.path("srv/aws/s3/plugins"))
        self.path("srv/efs").mkdir()
        self.path(LOG_AGENT).parent.mkdir(parents=True)
        self.program(LOG_AGENT, LOG_AGENT_SCRIPT)
        self.database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION moodle")
        self.secrets(**{DB_SECRET: {"username": "moodle", "password": Postgres.PASSWORD},
                        ADMIN_SECRET: {"password": ADMIN_PASSWORD}})

    def path(self, inside) -> Path:
        return self.root.path / inside

    def secrets(self, **secrets):
        self.path("srv/aws/secrets.json").write_text(
            json.dumps({name: json.dumps(secret) for name, secret in secrets.items()}))

    def store(self, text):
        self.path("srv/aws/parameters.json").write_text(json.dumps({PARAMETER: text}))

    def store_facts(self, **changes):
        """The site's facts as the script will read them; a fact that is None is left out."""
        facts = {**self.facts, **{name.replace("_", "-"): value for name, value in changes.items()}}
        lines = "".join(f"{name}={value}\n" for name, value in facts.items() if value is not None)
        self.store(f"#facts 1\n{lines}#end\n")

    def command(self, *options):
        return [SCRIPT, "--facts-parameter", PARAMETER, "--region", "us-east-1", *options]

    def program(self, inside, text):
        """Puts a script of bash in place."""
        self.path(inside).write_text("#!/bin/bash\nset -eu\n" + text)
        self.path(inside).chmod(0o755)

    def environment(self):
        return {"FAKE_AWS": "/srv/aws", "MOODLE_BOOTSTRAP_TRIES": "2",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.listener.url}

    def run(self, *options, timeout=300, **changes):
        self.store_facts(**changes)
        return self.root.run(self.command(*options), env=self.environment(), check=False, timeout=timeout)

    def done(self, result, *options, **changes):
        """It ends well, and says so. (bootstrap-result)"""
        ran = self.run(*options, **changes)
        self.test.assertEqual((ran.code, ran.out), (0, f"#facts 1\nbootstrap-result={result}\n#end\n"), ran.err)
        return ran

    def fails(self, code, reason, *options, **changes):
        """It fails with this code, and the stack is told this reason."""
        self.listener.signals.clear()
        ran = self.run("--signal-url", self.signal_url, *options, **changes)
        self.test.assertEqual((ran.code, ran.out), (code, ""), ran.err)
        self.test.assertRegex(ran.err, rf"(?m)^{TIME} web-bootstrap.sh: error: {reason}")
        self.signalled("FAILURE", f"i-0123456789abcdef0: {reason}")
        return ran

    def signalled(self, status, reason):
        """The stack was told this once, as AWS takes it: the URL is signed for no content type."""
        (path, content_type, signal), = self.listener.signals
        self.test.assertEqual((path, content_type, signal["Status"]), ("/signal?X=1%2F2&Y=3", None, status))
        self.test.assertEqual(set(signal), {"Status", "UniqueId", "Data", "Reason"})
        self.test.assertRegex(signal["Reason"], f"^{reason}")
        self.listener.signals.clear()

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
