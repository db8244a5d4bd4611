"""scripts/sandbox.sh: what it builds, what it refuses, and that it leaves nothing behind."""

import json
import os
import re
import shlex
import socket
import subprocess
from pathlib import Path

from harness import FIXTURES, SOURCE_DIR, TOOLS_DIR, CommandTest, main

SANDBOX = SOURCE_DIR / "scripts" / "sandbox.sh"


class Sandbox(CommandTest):
    def setUp(self):
        super().setUp()
        self.dir.chmod(0o711)  # PostgreSQL does not run as root, and has to get in
        self.site = self.dir / "site"
        self.addCleanup(self.sandbox, "down", self.site)

    def sandbox(self, *arguments, **environment):
        environment = {**os.environ, "SANDBOX_USERS": "10", **environment}
        environment.pop("MOODLE_DIRROOT", None)
        return subprocess.run([SANDBOX, *map(str, arguments)], env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)

    def up(self) -> dict[str, str]:
        done = self.sandbox("up", self.site)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        lines = (self.site / "sandbox.env").read_text().splitlines()
        return dict(shlex.split(line)[0].split("=", 1) for line in lines)

    def refused(self, text, *arguments):
        done = self.sandbox(*arguments)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, rf"^sandbox.sh: error: .*{text}.*\n$")

    def query(self, env, sql):
        done = subprocess.run(["psql", "-XAt", "-h", "127.0.0.1", "-p", env["DB_PORT"], "-U", "moodle",
                               "-c", sql, "moodle"], text=True, capture_output=True, check=True,
                              env={**os.environ, "PGPASSFILE": env["PGPASSFILE"]})
        return done.stdout.strip()

    def memcached(self, port, request):
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as peer:
            peer.sendall(request + b"\r\nquit\r\n")
            return b"".join(iter(lambda: peer.recv(4096), b""))

    def assert_ended(self, pid):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            return
        self.assertEqual(state, "Z", f"process {pid} is still there")

    def test_what_it_builds(self):
        env = self.up()
        self.assertEqual(
            self.query(env, "SELECT id, password, lastip FROM mdl_user WHERE username = 'admin'"),
            f"2|adminsetuppending|{env['ALB_IP_A']}")
        self.assertEqual(self.query(env, "SELECT count(*) FROM mdl_user WHERE id > 2"), "10")
        nodes = " ".join(f"127.0.0.1|127.0.0.1|{env[port]}"
                         for port in ("APP_CACHE_PORT", "APP_CACHE_PORT_2"))
        for port in ("APP_CACHE_PORT", "APP_CACHE_PORT_2"):
            answer = self.memcached(env[port], b"get AmazonElastiCache:cluster").decode()
            self.assertIn(f"\r\n1\n{nodes}\n\r\nEND\r\n", answer)
        self.assertEqual(self.memcached(env["SESSION_CACHE_PORT"], b"get AmazonElastiCache:cluster"),
                         b"END\r\n")
        self.assertEqual(Path(env["MUC_CONFIG"]).read_bytes(),
                         (FIXTURES / "muc" / "moodle-4.1-before.php").read_bytes())
        config = ("define('MOODLE_INTERNAL', 1); require $argv[1];"
                  "echo json_encode([$CFG->dbtype, $CFG->prefix, $CFG->dataroot, $CFG->dboptions['dbport'],"
                  "isset($CFG->session_handler_class)]);")
        seen = subprocess.run(["php", "-n", "-r", config, env["CONFIG"]], capture_output=True, check=True)
        self.assertEqual(json.loads(seen.stdout),
                         ["pgsql", "mdl_", str(self.site / "data"), env["DB_PORT"], False])

    def test_what_aws_and_the_log_say(self):
        env = self.up()
        stacks = json.loads(Path(env["STACK_JSON"]).read_text())["Stacks"]
        outputs = {(stack["StackName"].split("-")[-2:][0], output["OutputKey"]): output["OutputValue"]
                   for stack in stacks for output in stack["Outputs"]}
        self.assertEqual(outputs["applicationcache", "ElastiCacheClusterEndpointAddress"],
                         f"127.0.0.1:{env['APP_CACHE_PORT']}")
        self.assertEqual(outputs["sessioncache", "ElastiCacheClusterEndpointAddress"],
                         f"127.0.0.1:{env['SESSION_CACHE_PORT']}")
        interfaces = json.loads(Path(env["INTERFACES_JSON"]).read_text())["NetworkInterfaces"]
        balancers = {interface["PrivateIpAddress"] for interface in interfaces
                     if interface["Description"].startswith("ELB app/")}
        self.assertEqual(balancers, {env["ALB_IP_A"], env["ALB_IP_B"]})
        log = Path(env["ACCESS_LOG"]).read_text().splitlines()
        browser = [line for line in log if '"GET /admin/' in line and "Mozilla" in line]
        self.assertEqual([line.split()[0] for line in browser], [env["BROWSER_IP"]])
        self.assertEqual({line.split()[0] for line in log if "ELB-HealthChecker" in line}, balancers)

    def check(self, env, facts) -> dict:
        """What moodle-check finds, by the name of the check; PHP's settings are those of no host."""
        done = self.run_tool("moodle-check", "--config", env["CONFIG"], "-f", facts, "--etc", self.dir, "--access-log",
                             env["ACCESS_LOG"], "--format", "json", env={"PGPASSFILE": env["PGPASSFILE"]})
        self.assertIn(done.code, (0, 1), done.err)
        return {check["name"]: check["findings"] for check in json.loads(done.out)["checks"] if check["findings"]}

    def test_check_finds_what_is_planted_and_nothing_after_the_chain(self):
        env = self.up()
        described = "".join(Path(env[name]).read_text() for name in ("STACK_JSON", "INTERFACES_JSON"))
        facts = self.write("site.facts", self.run_tool("moodle-facts", "-", stdin=described).out)
        found = self.check(env, facts)
        self.assertEqual(set(found), {"installation-finished", "sessions-cached", "caches-mapped"})
        self.assertEqual(found["sessions-cached"][0]["what"], "are in the database")
        # The commands that it prints are the chain.
        path = f"{TOOLS_DIR}:{os.environ['PATH']}"
        commands = [found[name][0]["mend"] for name in ("installation-finished", "caches-mapped", "sessions-cached")]
        self.assertTrue(commands[0].endswith(" --watch"))
        administrator = subprocess.Popen([SANDBOX, "finish", self.site, "60"], stderr=subprocess.DEVNULL)
        self.addCleanup(administrator.wait)
        for command in commands:
            subprocess.run(["bash", "-c", command], env={**os.environ, "PATH": path}, check=True, timeout=60,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertEqual(self.check(env, facts), {})

    def test_the_wizard_refuses_another_address_and_takes_the_right_one(self):
        env = self.up()
        self.refused("Installation must be finished from the original IP address", "finish", self.site, 0)
        self.query(env, f"UPDATE mdl_user SET lastip = '{env['BROWSER_IP']}' WHERE id = 2")
        done = self.sandbox("finish", self.site)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.query(env, "SELECT password FROM mdl_user WHERE id = 2").startswith("$2y$"))
        self.assertEqual(self.query(env, "SELECT count(*) FROM mdl_user WHERE password LIKE '$2y$%'"), "1")
        self.assertEqual(self.query(env, "SELECT name, value FROM mdl_config WHERE name IN "
                                         "('rolesactive', 'adminsetuppending')"), "rolesactive|1")

    def test_down_ends_its_own_processes_only(self):
        env = self.up()
        pids = [value for name, value in env.items() if re.search(r"_PID(_2)?$", name)]
        self.assertEqual(len(pids), 4)
        bystander = subprocess.Popen(["sleep", "300"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        # A process id that was given to someone else since: another starting time.
        (self.site / "run" / "stale.pid").write_text(f"{bystander.pid} 1\n")
        done = self.sandbox("down", self.site)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertFalse(self.site.exists())
        for pid in pids:
            self.assert_ended(pid)
        self.assertIsNone(bystander.poll())

    def test_up_leaves_what_is_not_its_own_alone(self):
        self.site.mkdir()
        (self.site / "precious").write_text("mine")
        self.refused("is not empty", "up", self.site)
        self.refused("is not a sandbox", "down", self.site)
        self.refused("is not a sandbox", "finish", self.site)
        self.assertEqual([path.name for path in self.site.iterdir()], ["precious"])
        self.refused("is not a sandbox", "down", self.dir / "absent")
        self.refused("may hold only letters", "up", self.dir / "it's")
        self.refused("exists and is no folder", "up", self.write("file", ""))

    def test_up_that_fails_half_way_cleans_up(self):
        done = self.sandbox("up", self.site, SANDBOX_USERS="no number")
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(self.site.exists())
        running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        self.assertNotIn(str(self.site), running)

    def test_usage(self):
        for arguments in ((), ("fly", self.site)):
            done = self.sandbox(*arguments)
            self.assertEqual((done.returncode, done.stdout), (64, ""))
            self.assertIn("sandbox.sh up DIR", done.stderr)
        self.refused("usage", "up")
        self.refused("no number", "finish", self.site, "soon")


if __name__ == "__main__":
    main()
