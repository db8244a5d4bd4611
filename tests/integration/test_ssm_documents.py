"""The documents of Systems Manager, run as the agent runs them: they work on the sandbox, and nothing
that stands in a parameter is ever taken for code, whoever forgot to check it."""

import concurrent.futures
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import ssm_agent
from harness import SOURCE_DIR, TOOLS_DIR, CommandTest, main
from site_folder import tree
from stubs import SYSTEMD, Stubs

SANDBOX = SOURCE_DIR / "scripts" / "sandbox.sh"
NAMES = ("fix-lastip", "configure-muc", "switch-sessions", "seed-efs", "check")
COMMANDS = ("moodle-lastip", "moodle-muc", "moodle-session", "moodle-efs-seed", "moodle-check", "moodle-facts",
            "systemctl", "mount", "umount", "mountpoint", "mkdir", "web-bootstrap.sh")
USAGE, CONFIG, UNAVAILABLE = 64, 78, 69

# Each of them is wrong for every parameter there is; CANARY is what the shell would run.
ATTEMPTS = [attempt.replace("CANARY", "touch pwned; moodle-muc set") for attempt in (
    "; CANARY", "&& CANARY", "|| CANARY", "| CANARY", "& CANARY &", "$(CANARY)", "`CANARY`", "${IFS}$(CANARY)",
    "\nCANARY\n", "\n$(CANARY)", "set\nCANARY", "set\n", "\n", "\r\nCANARY", "\rset", "x\n/a/config.php",
    "/a/config.php\n", "/a/config.php\nCANARY", "10.0.0.1\nCANARY", "900\nCANARY", "100GiB\nCANARY",
    "'; CANARY; '", "\"; CANARY; \"", "'\"'\"'; CANARY #", "\\'; CANARY #", "\\", "\\\\\nCANARY", "'", "\"", "''\"\"",
    "{{ Action }}", "{{Action}} CANARY", "{{ ssm:/moodle/secret }}", "{{ ConfigFile }};CANARY", "$SSM_Action",
    "$(<$SSM_ConfigFile)", "a[$(CANARY)]", "x=$(CANARY)", "$((CANARY))", "!CANARY", "-n; CANARY", "--config=/etc/passwd",
    "-f /etc/shadow", "--help --", "*", "/*/config.php", "?", "[a-z]*", "~root/config.php", "/etc/../a/config.php",
    "/a/.hidden/config.php", "//a/config.php", "é", "ＡＢＣ；", "\u202ecnf.gifnoc/", "set\u00a0", "\u2028CANARY",
    "\x1b[31mred", "\x7f", "\t", " set", "set ", "<(CANARY)", ">pwned", "2>&1 >pwned", "# CANARY", "a b", "0x10;",
    "/" + "a" * 5000 + "/config.php ", ";" * 100_000, "A;" * 70_000)]


def numbered(text: str) -> str:
    return text.encode("unicode_escape").decode()[:60]


def what_went_wrong(documents, environment, enforce, attempt) -> str:
    """Runs a document with one of the attempts in one parameter; it has to be refused."""
    name, parameter, value = attempt
    try:
        done = ssm_agent.run(documents[name], {parameter: value}, environment=environment, enforce=enforce)
    except ssm_agent.Refused:
        return "" if enforce else "the runner checked a pattern"
    if "Argument list too long" in done.err:
        return "" if len(value) > 100_000 else done.err
    wanted = f"{name}: error: the parameter {parameter} does not have the form ^("
    return "" if (done.code, done.out) == (USAGE, "") and done.err.startswith(wanted) else f"{done}"


class Source(CommandTest):
    """What holds for each document before it runs."""

    def setUp(self):
        super().setUp()
        self.documents = {name: ssm_agent.load(name) for name in ssm_agent.names()}

    def test_there_is_one_for_each_repair(self):
        self.assertEqual(tuple(self.documents), NAMES)

    def test_every_parameter_is_passed_as_data_and_checked_twice(self):
        for name, document in self.documents.items():
            read = re.findall(r"^parameter (\w+) '(.*)'\n\1=\$value$", ssm_agent.script(document), re.MULTILINE)
            declared = [(key, value["allowedPattern"]) for key, value in document["parameters"].items()]
            self.assertEqual([(key, f"^({pattern})$") for key, pattern in read], declared, name)
            for key, parameter in document["parameters"].items():
                with self.subTest(document=name, parameter=key):
                    self.assertRegex(key, "^[A-Za-z0-9]+$")  # what the agent takes for a name
                    self.assertEqual(parameter["interpolationType"], "ENV_VAR")
                    self.assertEqual(parameter["type"], "String")
                    self.assertTrue(ssm_agent.fits(parameter["allowedPattern"], parameter["default"]))

    def test_their_form(self):
        for name, document in self.documents.items():
            with self.subTest(document=name):
                text = json.dumps(document)
                self.assertLess(len(text), 65536)
                self.assertNotIn("{{", text)
                self.assertEqual(document["schemaVersion"], "2.2")
                step, = document["mainSteps"]
                self.assertEqual(step["action"], "aws:runShellScript")
                self.assertEqual(step["precondition"], {"StringEquals": ["platformType", "Linux"]})
                self.assertEqual(step["inputs"]["runCommand"][0],
                                 self.documents["check"]["mainSteps"][0]["inputs"]["runCommand"][0])
                self.assertTrue(step["inputs"]["runCommand"][1].startswith(f"document={name}\n"))


class Attempts(CommandTest):
    """Every command is a stand-in that writes down that it was called; none may be."""

    def setUp(self):
        super().setUp()
        self.stubs = Stubs(self.dir / "bin", *COMMANDS)
        self.environment = {"PATH": self.stubs.path(), "HOME": str(self.dir), "XDG_RUNTIME_DIR": str(self.dir / "run")}
        self.documents = {name: ssm_agent.load(name) for name in NAMES}

    def run_with(self, document, given, **options):
        return ssm_agent.run(document, given, environment=self.environment, **options)

    def test_they_are_enough(self):
        self.assertGreaterEqual(len(set(ATTEMPTS)), 50)

    def test_without_them_the_commands_are_called(self):
        """Otherwise the next tests could not fail."""
        for name, document in self.documents.items():
            given = {"seed-efs": {"Action": "shrink", "Size": "0", "Folder": "/a/b"}}.get(name, {})
            self.assertEqual(self.run_with(document, given).code, 0, name)
        self.assertEqual([call for call in self.stubs.calls() if not call.startswith(("systemctl", "moodle-facts", "mkdir"))], [
            "moodle-lastip --config /var/www/moodle/html/config.php --access-log /var/log/apache2/access.log",
            "moodle-muc set --config /var/www/moodle/html/config.php",
            "moodle-muc show --config /var/www/moodle/html/config.php",
            "moodle-session set --config /var/www/moodle/html/config.php",
            "moodle-session show --config /var/www/moodle/html/config.php",
            "moodle-efs-seed shrink --no-progress --size 0 /a/b",
            "moodle-check --config /var/www/moodle/html/config.php --format text --fail-on warning"])

    def test_nothing_is_done_where_the_pattern_is_kept(self):
        """Where the pattern lets something through, the script is what refuses it."""
        self.refuse_all(enforce=True)

    def test_nothing_is_done_where_the_pattern_is_not_kept(self):
        self.refuse_all(enforce=False)

    def refuse_all(self, enforce):
        before = tree(self.dir)
        tries = [(name, parameter, attempt) for name, document in self.documents.items()
                 for parameter in document["parameters"] for attempt in ATTEMPTS]
        judge = functools.partial(what_went_wrong, self.documents, self.environment, enforce)
        # Processes: a script that one thread writes cannot be run while another thread forks.
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            for (name, parameter, attempt), wrong in zip(tries, pool.map(judge, tries, chunksize=32)):
                if wrong:
                    self.fail(f"{name}, {parameter}={numbered(attempt)}: {wrong}")
        self.assertEqual(self.stubs.calls(), [])
        self.assertEqual(tree(self.dir), before)

    def test_an_old_agent_is_refused_whatever_it_pastes(self):
        before = tree(self.dir)
        for name, document in self.documents.items():
            script = ssm_agent.script(document)
            for parameter in document["parameters"]:
                for attempt in ATTEMPTS:
                    self.assertEqual(ssm_agent.pasted(script, {parameter: attempt}), script)
            first = next(iter(document["parameters"]))
            for enforce in (True, False):
                done = self.run_with(document, {}, old=True, enforce=enforce)
                self.assertEqual(
                    (done.code, done.out, done.err),
                    (CONFIG, "", f"{name}: error: the Systems Manager agent did not pass the parameter {first} as a "
                     f"variable\n{name}: hint: update the agent of this host to 3.3.2746.0 or later (document "
                     "AWS-UpdateSSMAgent)\n"))
        self.assertEqual(self.stubs.calls(), [])
        self.assertEqual(tree(self.dir), before)

    def test_a_host_without_the_commands(self):
        shutil.rmtree(self.stubs.folder)
        for name, document in self.documents.items():
            done = self.run_with(document, {})
            self.assertEqual((done.code, done.out), (CONFIG, ""))
            self.assertRegex(done.err, rf"^{name}: error: the command moodle-[a-z-]+ is not installed on this host\n")


class Facts(CommandTest):
    """The facts of the host are brought up to date before they are used."""

    def setUp(self):
        super().setUp()
        self.stubs = Stubs(self.dir / "bin", "moodle-session", "systemctl")
        self.stubs.link(str(TOOLS_DIR / "moodle-facts"))
        self.facts = self.write("site.facts", "#facts 1\nstack-name=Moodle-Web-1A\nregion=us-east-1\n#end\n")
        scripts = self.dir / "share" / "moodle-aws-toolkit" / "scripts"
        scripts.parent.mkdir(parents=True)
        self.bootstrap = Stubs(scripts, "web-bootstrap.sh")
        # The path of the facts stands in the script; here it has to be one of the test's own.
        text = json.dumps(ssm_agent.load("switch-sessions"))
        self.document = json.loads(text.replace("/etc/moodle-aws-toolkit/site.facts", str(self.facts)))

    def run_check(self):
        return ssm_agent.run(self.document, {"Action": "check"}, enforce=False, environment={"PATH": self.stubs.path()})

    def test_they_are_fetched_again(self):
        self.assertEqual(self.run_check().code, 0)
        self.assertEqual(self.bootstrap.calls(),
                         ["web-bootstrap.sh --facts-parameter /moodle/Moodle-Web-1A/site-facts --region us-east-1 --only facts"])
        self.assertEqual(self.stubs.calls(), [f"moodle-session set --config /var/www/moodle/html/config.php --check -f {self.facts}"])

    def test_they_are_where_the_template_of_the_web_servers_keeps_them(self):
        template = (SOURCE_DIR / "stacks" / "web.yaml").read_text()
        for line in ("      Name: !Sub /moodle/${AWS::StackName}/site-facts\n", "stack-name=${AWS::StackName}\n"):
            self.assertIn(line, template)

    def test_old_ones_are_not_used(self):
        for code, wanted, error in ((77, UNAVAILABLE, f"cannot bring {self.facts} up to date"),
                                    (75, 75, "this server is still being set up")):
            self.bootstrap.add("web-bootstrap.sh", f"echo 'no answer' >&2\nexit {code}\n")
            done = self.run_check()
            self.assertEqual((done.code, done.out), (wanted, ""))
            self.assertTrue(done.err.startswith(f"no answer\nswitch-sessions: error: {error}\n"), done)
        self.assertEqual(self.stubs.calls(), [])

    def test_a_host_that_was_set_up_otherwise_keeps_its_own(self):
        self.facts.write_text("#facts 1\nregion=us-east-1\n#end\n")
        self.assertEqual(self.run_check().code, 0)
        self.assertEqual(self.bootstrap.calls(), [])


class Working(CommandTest):
    """On the sandbox, with the real commands."""

    @classmethod
    def setUpClass(cls):
        cls.sandbox = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
        cls.sandbox.chmod(0o711)
        cls.addClassCleanup(shutil.rmtree, cls.sandbox, ignore_errors=True)
        cls.site = cls.sandbox / "site"
        cls.addClassCleanup(cls.control, "down")
        cls.control("up")
        lines = (cls.site / "sandbox.env").read_text().splitlines()
        cls.env = dict(shlex.split(line)[0].split("=", 1) for line in lines)

    @classmethod
    def control(cls, verb, *more):
        environment = {**os.environ, "SANDBOX_USERS": "10"}
        environment.pop("MOODLE_DIRROOT", None)
        done = subprocess.run([SANDBOX, verb, cls.site, *more], env=environment, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=120, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)

    def setUp(self):
        super().setUp()
        self.stubs = Stubs(self.dir / "bin")
        self.stubs.add("systemctl", SYSTEMD)
        for name in COMMANDS:
            if (TOOLS_DIR / name).exists():
                self.stubs.link(str(TOOLS_DIR / name))
        self.facts = self.write("site.facts", "".join(f"{line}\n" for line in (
            "#facts 1", "region=us-east-1", "efs-id=fs-0123456789abcdef0", "efs-throughput-mode=bursting",
            f"app-cache-endpoint=127.0.0.1:{self.env['APP_CACHE_PORT']}", "app-cache-engine=memcached",
            f"session-cache-endpoint=127.0.0.1:{self.env['SESSION_CACHE_PORT']}", "#end")))

    def document(self, name, code=0, **given):
        given = {"ConfigFile": self.env["CONFIG"], **given}
        document = ssm_agent.load(name)
        if "FactsFile" in document["parameters"]:
            given.setdefault("FactsFile", str(self.facts))
        done = ssm_agent.run(document, given, environment={
            "PATH": self.stubs.path(), "HOME": str(self.dir), "XDG_RUNTIME_DIR": str(self.dir / "run")})
        self.assertEqual(done.code, code, done)
        return done

    def results(self, name, **given):
        """The facts that a document adds to those it was given."""
        lines = self.document(name, **given).out.splitlines()
        self.assertEqual((lines[0], lines[-1]), ("#facts 1", "#end"))
        return [line for line in lines if re.match(r"[a-z-]+-(result|reload)=", line)]

    def reloads(self):
        return self.stubs.calls().count("systemctl reload php8.2-fpm.service")

    def test_in_the_order_of_the_procedure(self):
        config = Path(self.env["CONFIG"])
        owner = (config.stat().st_mode, config.stat().st_uid, config.stat().st_gid)
        log = {"AccessLog": self.env["ACCESS_LOG"], "AlbIps": "10.0.1.15,10.0.2.77"}
        self.document("fix-lastip", code=1, Action="check", **log)
        self.assertEqual(self.results("fix-lastip", Action="dry-run", **log), ["lastip-result=planned"])
        self.assertEqual(self.results("fix-lastip", Action="fix", **log), ["lastip-result=changed"])
        self.assertEqual(self.results("fix-lastip", Action="fix", **log), ["lastip-result=unchanged"])
        self.document("fix-lastip", code=75, Action="watch", Timeout="1", **log)
        self.document("switch-sessions", code=78)  # the installation has not finished
        self.control("finish", "60")
        self.assertEqual(self.results("fix-lastip", Action="watch", **log), ["lastip-result=unchanged"])

        self.document("configure-muc", code=1, Action="check")
        self.assertEqual(self.results("configure-muc", Action="dry-run"), ["muc-result=planned"])
        self.assertEqual(self.reloads(), 0)
        self.assertEqual(self.results("configure-muc"), ["muc-result=changed", "php-reload=done"])
        self.assertEqual(self.results("configure-muc"), ["muc-result=unchanged", "php-reload=unneeded"])
        self.assertIn("muc-application=elasticache", self.document("configure-muc", Action="show").out.splitlines())
        self.assertEqual(self.reloads(), 1)

        self.document("switch-sessions", code=1, Action="check")
        self.assertEqual(self.results("switch-sessions"), ["session-result=changed", "php-reload=done"])
        self.assertEqual(self.results("switch-sessions"), ["session-result=unchanged", "php-reload=unneeded"])
        self.assertEqual(self.reloads(), 2)
        self.assertEqual((config.stat().st_mode, config.stat().st_uid, config.stat().st_gid), owner)
        self.assertEqual(self.results("switch-sessions", Action="unset"), ["session-result=changed", "php-reload=done"])
        self.assertEqual(self.results("configure-muc", Action="remove"), ["muc-result=changed", "php-reload=done"])

    def test_a_reload_that_fails_is_made_up_for(self):
        self.stubs.add("systemctl", SYSTEMD + "[ $1 != reload ] || exit 1\n")
        done = self.document("configure-muc", code=UNAVAILABLE)
        self.assertIn("configure-muc: error: cannot reload php8.2-fpm.service\n", done.err)
        self.stubs.add("systemctl", SYSTEMD)
        self.assertEqual(self.results("configure-muc"), ["muc-result=unchanged", "php-reload=done"])
        self.stubs.add("systemctl")
        self.assertEqual(self.results("configure-muc", Action="remove"), ["muc-result=changed", "php-reload=absent"])

    def test_the_endpoint_may_be_given(self):
        results = self.results("configure-muc", FactsFile="/no/such.facts", Engine="memcached", Tls="false",
                               Endpoint=f"127.0.0.1:{self.env['APP_CACHE_PORT']}", Store="mine")
        self.assertEqual(results, ["muc-result=changed", "php-reload=done"])
        self.assertEqual(self.results("configure-muc", Action="remove", Store="mine"), ["muc-result=changed", "php-reload=done"])
        self.document("configure-muc", code=USAGE, FactsFile="/no/such.facts")

    def test_seed_data(self):
        root = self.dir / "efs"
        root.mkdir()
        folder = str(root / "seed")
        self.document("seed-efs", code=66, Action="status", Folder=folder)
        (root / "seed").mkdir()
        seed = {"Folder": folder, "Size": "2MiB"}
        self.document("seed-efs", code=1, Action="check", **seed)
        self.assertIn("efs-seed-result=changed", self.document("seed-efs", Action="grow", Rate="1GiB/s", **seed).out)
        self.assertIn("efs-seed-result=unchanged", self.document("seed-efs", Action="grow", **seed).out)
        self.assertIn("efs-seed-bytes=2097152", self.document("seed-efs", Action="status", Folder=folder).out)
        plan = self.document("seed-efs", Action="plan", Throughput="2MiB/s", Folder=folder).out
        self.assertIn("efs-seed-useful=true", plan)
        # Below the least baseline there is nothing to do, and what is there is left.
        self.assertIn("efs-seed-result=unchanged",
                      self.document("seed-efs", Action="grow", Throughput="1MiB/s", Folder=folder).out)
        self.assertIn("efs-seed-result=changed", self.document("seed-efs", Action="shrink", Size="0", Folder=folder).out)
        self.document("seed-efs", code=USAGE, Action="grow", Folder=folder)
        self.document("seed-efs", code=USAGE, Action="plan", Size="2MiB", Folder=folder)
        self.document("seed-efs", code=CONFIG, Action="grow", ThroughputMode="elastic", **seed)

    def test_seed_data_below_the_root_of_the_file_system(self):
        for name in ("mount", "umount"):
            self.stubs.add(name)
        self.stubs.add("mountpoint", "exit 1\n")
        root = self.dir / "run" / "moodle-aws-toolkit" / "efs"
        self.document("seed-efs", code=1, Action="check", Size="1MiB")
        self.assertIn("efs-seed-result=changed", self.document("seed-efs", Action="grow", Size="1MiB").out)
        self.assertTrue((root / "moodle-efs-seed" / "moodle-efs-seed-000001").is_file())
        mounted = [call for call in self.stubs.calls() if call.startswith(("mount ", "umount "))]
        self.assertEqual(mounted, 2 * [
            "mount -t nfs4 -o nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport "
            f"fs-0123456789abcdef0.efs.us-east-1.amazonaws.com:/ {root}", f"umount {root}"])
        china = self.write("china.facts", self.facts.read_text().replace("us-east-1", "cn-north-1"))
        self.document("seed-efs", Action="status", FactsFile=str(china))
        self.assertIn(" fs-0123456789abcdef0.efs.cn-north-1.amazonaws.com.cn:/ ", self.stubs.calls()[-2])
        self.stubs.add("mount", "exit 32\n")
        self.document("seed-efs", code=UNAVAILABLE, Action="status")

    def test_check(self):
        done = self.document("check", code=1, Format="json", FailOn="error")
        report = json.loads(done.out)
        self.assertEqual(report["config"], self.env["CONFIG"])
        cached, = (check for check in report["checks"] if check["name"] == "caches-mapped")
        self.assertEqual(cached["state"], "checked")
        self.assertIn("installation-finished", self.document("check", code=1).out)


if __name__ == "__main__":
    main()
