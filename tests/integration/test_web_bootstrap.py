"""scripts/web-bootstrap.sh in throw-away Debian 12 systems: it brings up Apache and PHP for a site whose
database and shared folder are real. Only what exists in AWS alone is a stand-in (support/fake_aws.py)."""

import functools
import hashlib
import json
import random
import re
import subprocess
import time
import unittest

import debian
from harness import SOURCE_DIR, main
from postgres import Postgres, free_port, wait_until
from web_server import (ADMIN_PASSWORD, ADMIN_SECRET, DB_SECRET, EVERYTHING, LOG_AGENT, LOG_AGENT_SCRIPT, PARAMETER,
                        SITE, Server, Watch, template_text)

STEPS = ("facts packages efs folders code plugins password config database web install opcache caches "
         "sessions serve logs check").split()
WEB_TEMPLATE = (SOURCE_DIR / "stacks" / "web.yaml").read_text()
ALB_TEMPLATE = (SOURCE_DIR / "stacks" / "alb.yaml").read_text()
ROTATED = "another'password\\"
SECRETS = (Postgres.PASSWORD, ADMIN_PASSWORD, ROTATED)


@unittest.skipIf(debian.unavailable(), debian.unavailable())
class WebBootstrap(unittest.TestCase):
    maxDiff = 4000

    def test_a_new_server(self):
        server = Server(self)
        self.dry_run(server)
        with Watch(server, *SECRETS) as watch:
            self.user_data(server)
        self.assertEqual(watch.found, set())
        self.assertLessEqual({b"psql", b"php"}, watch.seen, "the watch is too slow to see anything")
        self.what_it_serves(server)
        self.what_is_there(server)
        before = server.tree(*EVERYTHING, times=True), server.packages()
        server.done("unchanged")
        self.assertEqual((server.tree(*EVERYTHING, times=True), server.packages()), before)
        self.facts_without_a_value(server)
        self.config_of_somebody(server)
        self.a_new_password(server)
        self.a_cache_that_does_not_answer(server)
        self.an_agent_that_does_not_start(server)
        self.no_secret_in_a_log(server)

    def dry_run(self, server):
        """With the facts as the template makes them."""
        before = server.tree(*SITE, times=True)
        facts = {**server.facts, "efs-id": "fs-0a1b2c", **{f"efs-{name}-access-point": "fsap-0a1b2c"
                                                           for name in ("data", "cache", "temp")},
                 "efs-throughput-mode": "bursting"}
        text = template_text("      Value", **{name: name for name in re.findall(r"\w+", WEB_TEMPLATE)})
        text = re.sub(r"(?m)^([a-z0-9-]+)=.*$", lambda found: f"{found[1]}={facts[found[1]]}", text)
        self.assertEqual(set(server.facts) - set(re.findall(r"(?m)^([a-z0-9-]+)=", text)),
                         {"site-fullname", "efs-dir", "http-listen"}, "what the template does not tell")
        server.store(text)
        ran = server.root.run(server.command("--dry-run"), env=server.environment())
        self.assertEqual(ran.out, "#facts 1\nbootstrap-result=planned\n#end\n")
        self.assertEqual(re.findall(r": (\w+): would ", ran.err), STEPS)
        self.assertIn("efs: would mount /var/www/moodle/{data,cache,temp} from fs-0a1b2c\n", ran.err)
        self.assertEqual(server.tree(*SITE, times=True), before)

    def user_data(self, server):
        """What the template has a new server run; what it fetches is a stand-in, the script is not."""
        digest = hashlib.sha256(server.package.read_bytes()).hexdigest()
        text = template_text("Fn::Base64", Region="us-east-1", URLSuffix="amazonaws.com", SiteFacts=PARAMETER,
                             SignalUrl=server.signal_url, PackageUrl="https://example.com/toolkit.deb",
                             PackageSha256=digest)
        server.path("root/user-data").write_text(text)
        server.store_facts()
        server.program("usr/local/bin/apt-get", 'echo "no mirror" >&2; exit 100\n')
        server.program("usr/local/bin/sleep", "")
        run = functools.partial(server.root.run, ["bash", "/root/user-data"], env=server.environment(), check=False)
        self.assertEqual(run().code, 100)
        server.signalled("FAILURE", ".*: cannot install curl from the Debian mirror$")
        server.program("usr/local/bin/apt-get", 'case "$*" in\n  update*) rm /root/locked || exit 0; echo "Could not get lock" >&2; exit 100 ;;\n'
                                                '  *agent.deb*) ;;\n  *) exec /usr/bin/apt-get "$@" ;;\nesac\n')
        server.program("usr/local/bin/curl", 'case $1 in\n  -fsSLo) printf "another package" >"$2" ;;\n'
                                             '  *) exec /usr/bin/curl "$@" ;;\nesac\n')
        server.path("root/locked").write_text("")
        self.assertEqual(run().code, 1)
        self.assertFalse(server.path("root/locked").exists(), "apt's lists were locked at first")
        server.path("usr/local/bin/sleep").unlink()
        server.signalled("FAILURE", ".*: cannot use that package of moodle-aws-toolkit: its SHA-256 is another one$")
        server.program("usr/local/bin/curl", f'case $1 in\n  -fsSLo) cp "/srv/archives/{server.package.name}" "$2" ;;\n'
                                             '  *) exec /usr/bin/curl "$@" ;;\nesac\n')
        ran = run()
        self.assertEqual(ran.code, 0, ran.err)
        self.assertTrue(ran.out.endswith("\n#facts 1\nbootstrap-result=changed\n#end\n"), ran.out)
        self.assertEqual([step for step in STEPS if f": {step}: checking" not in ran.err], [])
        server.signalled("SUCCESS", "i-0123456789abcdef0: the server serves pages$")

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
        # The load balancer has to be the one that ends an idle connection, or it answers 502.
        site = server.path("etc/apache2/sites-available/moodle.conf").read_text()
        self.assertGreater(int(re.search(r"KeepAliveTimeout (\d+)", site)[1]),
                           int(re.search(r"idle_timeout.timeout_seconds, Value: '(\d+)'", ALB_TEMPLATE)[1]))
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
        logs = json.loads(server.path("srv/aws/log-agent.json").read_text())
        self.assertEqual(logs["logs"]["logs_collected"]["files"]["collect_list"], [
            {"file_path": f"/var/log/apache2/{name}.log", "log_group_name": f"/moodle/Moodle/{name}",
             "log_stream_name": "{instance_id}"} for name in ("access", "error")])

    def facts_without_a_value(self, server):
        """Before the session cache is there, the template has nothing to say about it."""
        server.done("changed", "--only", "facts", session_cache_endpoint="", session_cache_engine="", plugin="")
        kept = server.path("etc/moodle-aws-toolkit/site.facts").read_text()
        self.assertEqual(re.findall(r"(?m)^.*=$|^session-cache-e.*$|^plugin.*$", kept), [])
        self.assertIn("\nsession-cache-tls=false\n", kept)
        server.done("changed", "--only", "facts")

    def config_of_somebody(self, server):
        config = server.path("var/www/moodle/html/config.php")
        ours = config.read_text()
        self.assertIn("// moodle-session: begin.", ours)
        # Other facts come in, and the lines of moodle-session stay. A load balancer's name is one of mixed case.
        server.done("changed", "--only", "config", site_url="https://Other.Example.org")
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
        ran = server.run("--signal-url", server.signal_url, app_cache_endpoint=f"127.0.0.1:{free_port()}")
        self.assertEqual((ran.code, ran.out), (69, "#facts 1\nbootstrap-result=changed\n#end\n"), ran.err)
        self.assertRegex(ran.err, "warning: end: caches: moodle-muc exited with 69: ")
        server.signalled("SUCCESS", "i-0123456789abcdef0: caches: moodle-muc exited with 69: ")
        self.assertEqual(server.page("/")[0], 200)

    def an_agent_that_does_not_start(self, server):
        server.program(LOG_AGENT, "echo 'out of order' >&2\nexit 1\n")
        ran = server.run("--only", "logs")
        self.assertEqual((ran.code, ran.out), (69, "#facts 1\nbootstrap-result=unchanged\n#end\n"), ran.err)
        self.assertIn("warning: end: logs: cannot start the CloudWatch agent: out of order\n", ran.err)
        server.path(LOG_AGENT).unlink()
        ran = server.done("unchanged", "--only", "logs")
        self.assertIn("warning: logs: the CloudWatch agent is not installed; Apache's logs stay on this host\n", ran.err)
        server.program(LOG_AGENT, LOG_AGENT_SCRIPT)
        server.path("srv/aws/log-agent.json").unlink()  # it does not run any more
        server.done("changed", "--only", "logs")
        server.done("unchanged", "--only", "logs")

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
        self.before_there_is_php(server)
        self.efs(server)
        self.faults(server)
        # And it goes on from there.
        server.done("changed")
        self.assertEqual(server.page("/")[0], 200)
        self.other_code(server)
        self.another_server_installs(server)

    def other_code(self, server):
        """Code that is there is never replaced; that wants new servers."""
        before = server.tree("/var/www")
        server.fails(78, "code: the Moodle in /var/www/moodle/html is not the one from /srv/archives/moodle.tgz",
                     "--only", "code", moodle_sha256="0" * 64)
        server.done("unchanged", "--only", "code", moodle_sha256="unchecked")
        server.done("unchanged", "--only", "code", moodle_url="")
        server.fails(78, "plugins: the plugin in /var/www/moodle/html/local/hello is not the one from /other.zip",
                     "--only", "plugins", plugin=f"local/hello /other.zip {'0' * 64}")
        self.assertEqual(server.tree("/var/www"), before)

    def before_there_is_php(self, server):
        """What is wrong from the start reaches the stack, too, whatever characters are in it."""
        php = server.path("usr/bin/php8.2")
        php.rename(server.path("root/php"))
        server.program("usr/local/bin/apt-get", "echo 'E: \"no\" \\mirror' >&2\nexit 100\n")
        ran = server.fails(69, r'packages: cannot install unzip: E: "no" \\mirror$')
        self.assertIn("the log was not sent to /moodle/Moodle/bootstrap: PHP is not installed\n", ran.err)
        server.path("usr/local/bin/apt-get").unlink()
        server.path("root/php").rename(php)

    def efs(self, server):
        """Nothing here speaks NFS: another file system stands in for the three folders of the mount target."""
        options = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"
        server.program("sbin/mount.nfs4", f'[[ $4 == *{options}* ]] || exit 32\nmount -i -t tmpfs "$1" "$2"\n')
        facts = {"efs_dir": None, "efs_id": "fs-0a1b2c"}
        ran = server.done("changed", "--only", "efs,folders", **facts)
        host = "fs-0a1b2c.efs.us-east-1.amazonaws.com"
        lines = [line.split() for line in server.path("etc/fstab").read_text().splitlines() if "moodle" in line]
        self.assertEqual(lines, [[f"{host}:/{name}", f"/var/www/moodle/{name}", "nfs4",
                                  f"{options},_netdev,nofail,x-systemd.mount-timeout=180", "0", "0"]
                                 for name in ("data", "cache", "temp")], ran.err)
        mounts = server.root.run(["findmnt", "-n", "-l", "-o", "SOURCE,TARGET", "-t", "tmpfs"]).out
        self.assertEqual(sorted(re.findall(rf"{host}:/(\w+) +/var/www/moodle/\1\n", mounts)), ["cache", "data", "temp"])
        self.assertNotIn(f"{host}:/ ", mounts, "the root is not left mounted")
        self.assertEqual(server.tree("/var/www/moodle/data")["/var/www/moodle/data"], "2770 www-data www-data")
        server.done("unchanged", "--only", "efs,folders", **facts)
        server.fails(78, "efs: /var/www/moodle/data is mounted from", "--only", "efs", efs_dir=None, efs_id="fs-0d")
        for name in ("data", "cache", "temp"):
            server.root.run(["umount", f"/var/www/moodle/{name}"])
        # Not mounted, nobody but root can write there.
        self.assertEqual(server.tree("/var/www/moodle/data")["/var/www/moodle/data"], "700 root root")
        server.path("var/www/moodle/data/local-file").write_text("")
        server.fails(78, "efs: /var/www/moodle/data holds files of this host", "--only", "efs", **facts)
        server.path("var/www/moodle/data/local-file").unlink()
        server.path("sbin/mount.nfs4").unlink()
        server.root.run(["sed", "-i", "/moodle/d", "/etc/fstab"])

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
        self.addCleanup(other.wait)
        other.stdin.write("SELECT 'locked' FROM pg_advisory_lock(7061756231);\n")
        other.stdin.flush()
        self.assertEqual(other.stdout.readline(), "locked\n")
        server.store_facts()
        waiting = server.root.popen(server.command("--only", "install", "--signal-url", server.signal_url), env=server.environment(),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        wait_until(lambda: server.database.sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1", "it waits")
        # Another run on this host, as the timer begins it, gives up; that is no failure of the first one.
        ran = server.root.run(server.command("--only", "password"), check=False,
                              env={**server.environment(), "MOODLE_BOOTSTRAP_PATIENCE": "1"})
        self.assertEqual((ran.code, ran.out), (75, ""), ran.err)
        self.assertIn("another run on this host has been under way for 1 s", ran.err)
        server.database.sql(
            "SET ROLE moodle; CREATE TABLE mdl_config (name text, value text); CREATE TABLE mdl_user (password text);"
            "INSERT INTO mdl_config VALUES ('rolesactive', '1')")
        other.stdin.close()
        other.stdout.close()
        out, err = waiting.communicate(timeout=60)
        self.assertEqual((waiting.returncode, out), (0, b"#facts 1\nbootstrap-result=unchanged\n#end\n"), err)
        self.assertEqual(server.listener.signals, [])
        self.assertEqual(server.database.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'm%'"), "2")

    def test_killed_at_ten_points_it_ends_the_same(self):
        server = Server(self)
        server.done("changed")
        undisturbed = self.state(server)
        server.renew()
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        steps = sorted(chance.sample(STEPS, 10), key=STEPS.index)
        server.store_facts()
        with self.subTest(seed=seed, steps=steps):
            for step in steps:
                self.kill_in(server, step, chance.uniform(0, 0.2))
            ran = server.run()
            self.assertEqual(ran.code, 0, ran.err)
            self.assertEqual(self.state(server), undisturbed)
            server.done("unchanged")

    def test_usage(self):
        def run(*options):
            return subprocess.run([SOURCE_DIR / "scripts/web-bootstrap.sh", *options], capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, check=False)

        shown = run("--help")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        for word in ("--facts-parameter NAME", "-n, --dry-run", *STEPS):
            self.assertIn(word, shown.stdout)
        for options, reason in {
                (): "one of --facts and --facts-parameter is needed",
                ("--facts", "a", "--facts-parameter", "b", "--region", "us-east-1"):
                    "--facts and --facts-parameter exclude each other",
                ("--facts-parameter", "b"): "--facts-parameter needs --region",
                ("--facts", "a", "--region=x y"): "'x y' is no region",
                ("--facts",): "the option '--facts' needs a value",
                ("--facts", "a", "b"): "unknown option or argument 'b'",
                ("--facts", "a", "--only", "packages,fly"): "there is no step 'fly'",
                ("--facts", "a", "--only", "web", "--from", "web"): "--only and --from exclude each other",
                ("--facts", "a", "--efs-dir", "here"): "--efs-dir 'here' has to be an absolute path of letters, "
                                                       "digits and . _ / -"}.items():
            done = run(*options)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (
                64, "", f"web-bootstrap.sh: error: {reason}\nweb-bootstrap.sh: hint: --help shows the options\n"))

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
