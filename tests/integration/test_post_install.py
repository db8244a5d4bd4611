"""scripts/post-install.sh, with a stand-in for the AWS CLI that runs the real documents."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import fake_fleet
from harness import SOURCE_DIR, TOOLS_DIR, CommandTest, Result, main
from site_folder import tree
from stubs import SYSTEMD, Stubs

SCRIPT = SOURCE_DIR / "scripts" / "post-install.sh"
SANDBOX = SOURCE_DIR / "scripts" / "sandbox.sh"
PREFIX = "Moodle-SsmDocuments-1A2B3C4D5E6F"
GROUP = "Moodle-Web-6F5E4D3C2B1A-Group-1QAZ2WSX"
CONFIG = "/var/www/moodle/html/config.php"
FACTS = "/etc/moodle-aws-toolkit/site.facts"
LOG = "/var/log/apache2/access.log"
READING = {"describe-stacks", "describe-network-interfaces", "describe-auto-scaling-groups", "describe-target-health"}
DONE = "post-install.sh: done: the site is in production\n"


def server(number: int) -> str:
    return f"i-0123456789abcde{number:02}"


class Fleet(CommandTest):
    """A stack, as the installation leaves it, and the servers that self.servers() names."""

    def setUp(self):
        super().setUp()
        self.aws = self.dir / "aws"
        (self.aws / "commands").mkdir(parents=True)
        self.bin = Stubs(self.dir / "bin")
        self.bin.link(str(TOOLS_DIR / "moodle-facts"))
        fake_fleet.serve(self, self.aws, self.bin.folder / "aws")
        self.keep("stacks.json", {"Stacks": [{
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/Moodle/5f0e2c10-0000-4000-8000-000000000000",
            "StackName": "Moodle", "StackStatus": "CREATE_COMPLETE", "CreationTime": "2024-05-02T08:00:00.000Z",
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in (
                ("WebMin", "1"), ("DomainName", ""), ("UseSessionCache", "false"), ("WebMax", "1"),
                ("DbDeletionProtection", "false"))],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in (
                ("SiteUrl", "http://moodle.example.org"), ("WebAsg", GROUP), ("DocumentPrefix", PREFIX),
                ("AlbDnsName", "Moodl-Publi-1X2Y3Z4W5V6U-1234567890.us-east-1.elb.amazonaws.com"),
                ("AppCacheEndpoint", "app.example.org:11211"), ("AppCacheEngine", "memcached"),
                ("AppCacheTls", "false"))]}]})
        self.keep("updates.json", {"UseSessionCache=true": {
            "SessionCacheEndpoint": "sessions.example.org:11211", "SessionCacheEngine": "memcached",
            "SessionCacheTls": "false"}})
        self.keep("interfaces.json", {"NetworkInterfaces": [{
            "NetworkInterfaceId": f"eni-{number}", "InterfaceType": "interface", "Status": "in-use",
            "PrivateIpAddress": address, "Description": "ELB app/Moodl-Publi-1X2Y3Z4W5V6U/50dc6c495c0c9188"}
            for number, address in enumerate(("10.0.1.15", "10.0.2.77"))]})

    def keep(self, name, document):
        (self.aws / name).write_text(json.dumps(document))

    def read(self, name):
        return json.loads((self.aws / name).read_text())

    def set_stack(self, **changes):
        stacks = self.read("stacks.json")
        stacks["Stacks"][0].update(changes)
        self.keep("stacks.json", stacks)

    def start(self, servers: dict, **more):
        """`servers`: what is on the PATH of each, and which file a path means there."""
        self.keep("fleet.json", {"group": GROUP, **more, "servers": {
            name: {"files": files, "environment": {"PATH": stubs.path(), "HOME": str(self.dir),
                                                   "XDG_RUNTIME_DIR": str(self.dir / f"run-{name}")}}
            for name, (stubs, files) in servers.items()}})

    def stand_ins(self, *numbers):
        """Servers whose commands only say that they changed something, the first time."""
        servers = {}
        for number in numbers:
            stubs = Stubs(self.dir / f"server-{number}")
            stubs.link(str(TOOLS_DIR / "moodle-facts"))
            stubs.add("systemctl", SYSTEMD)
            for name, fact in (("lastip", "lastip"), ("muc", "muc"), ("session", "session")):
                done = f"{stubs.folder}/{name}.done"
                stubs.add(f"moodle-{name}", f"if [ \"$1\" = show ]; then ls '{done}'; exit; fi\nresult=unchanged\n"
                          f"[ -e '{done}' ] || result=changed\ntouch '{done}'\n"
                          f"printf '#facts 1\\n{fact}-result=%s\\n#end\\n' $result\n")
            servers[server(number)] = (stubs, {})
        self.start(servers)
        return [stubs for stubs, _ in servers.values()]

    def calls(self) -> list:
        """What was asked of AWS, since the last time."""
        path = self.aws / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def made(self, *operations):
        """Those of the calls since the last time that were one of these operations."""
        return [call for call in self.calls() if call[1] in operations]

    def post_install(self, *arguments, **environment) -> Result:
        done = subprocess.run(
            [SCRIPT, "--stack-name", "Moodle", "--web-asg-min", "2", "--web-asg-max", "6", "--poll", "0.01", *arguments],
            env={**os.environ, "PATH": f"{self.bin.folder}:{os.environ['PATH']}", "TMPDIR": str(self.dir), **environment},
            text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def refused(self, code, error, *arguments):
        done = self.post_install(*arguments)
        self.assertEqual((done.code, "error: " + error in done.err, done.out.count("#end")), (code, True, 0), done)
        return done

    def switched(self, stubs: list) -> list[bool]:
        return [(one.folder / "session.done").exists() for one in stubs]


class Steps(Fleet):
    def test_usage(self):
        for arguments, error in (
                (["--nope"], "unknown option --nope"), (["--batch", "0"], "0 is not a value for --batch"),
                (["--web-asg-min"], "the value of --web-asg-min is missing"),
                (["--config", "/a/$(id)/config.php"], "/a/\\$\\(id\\)/config.php is not a value for --config"),
                (["--stack-name", "x;y"], "x\\;y is not a value for --stack-name"),
                (["--web-asg-min", "7"], "the least number of web servers, 7, is above the most, 6")):
            self.refused(64, error, *arguments)
        self.assertEqual(self.calls(), [])
        done = subprocess.run([SCRIPT, "--help"], text=True, capture_output=True, check=True)
        self.assertIn("--apply", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_a_dry_run_only_reads(self):
        self.stand_ins(1, 2)
        before = tree(self.dir)
        done = self.post_install()
        self.assertEqual(done.code, 0, done)
        self.assertEqual({call[1] for call in self.calls()}, READING)
        self.assertEqual(tree(self.dir), before)
        commands = [shlex.split(line) for line in done.out.splitlines() if not line.startswith("#")]
        first, second = server(1), server(2)
        at = f'"ConfigFile":["{CONFIG}"]'
        rest = ["--timeout-seconds", "60"]
        self.assertEqual(commands, [
            ["aws", "ssm", "send-command", "--document-name", f"{PREFIX}-fix-lastip", "--instance-ids", first, "--parameters",
             f'{{"Action":["watch"],{at},"AccessLog":["{LOG}"],"AlbIps":["10.0.1.15,10.0.2.77"],"Timeout":["300"]}}',
             "--max-concurrency", "1", "--max-errors", "0", *rest],
            *(["aws", "ssm", "send-command", "--document-name", f"{PREFIX}-configure-muc", "--instance-ids", name,
               "--parameters", f'{{"Action":["set"],{at}}}', "--max-concurrency", "1", "--max-errors", "0", *rest]
              for name in (first, second)),
            ["aws", "cloudformation", "update-stack", "--stack-name", "Moodle", "--use-previous-template", "--capabilities",
             "CAPABILITY_IAM", "--parameters", "ParameterKey=DbDeletionProtection,UsePreviousValue=true",
             "ParameterKey=DomainName,UsePreviousValue=true", "ParameterKey=UseSessionCache,ParameterValue=true", "ParameterKey=WebMax,UsePreviousValue=true",
             "ParameterKey=WebMin,UsePreviousValue=true"],
            *(["aws", "ssm", "send-command", "--document-name", f"{PREFIX}-switch-sessions", "--instance-ids", name,
               "--parameters", f'{{"Action":["set"],{at}}}', "--max-concurrency", "1", "--max-errors", "0", *rest]
              for name in (first, second)),
            ["aws", "cloudformation", "update-stack", "--stack-name", "Moodle", "--use-previous-template", "--capabilities",
             "CAPABILITY_IAM", "--parameters", "ParameterKey=DbDeletionProtection,ParameterValue=true",
             "ParameterKey=DomainName,UsePreviousValue=true", "ParameterKey=UseSessionCache,UsePreviousValue=true", "ParameterKey=WebMax,ParameterValue=6",
             "ParameterKey=WebMin,ParameterValue=2"]])

    def test_one_server_first_then_batches(self):
        stubs = self.stand_ins(*range(1, 7))
        done = self.post_install("--apply", "--batch", "3")
        self.assertEqual(done.code, 0, done)
        self.assertIn("\npost-install-result=changed\n#end\n", done.out)
        sent = [call for call in self.made("send-command", "update-stack")]
        batches = [call[call.index("--instance-ids") + 1:call.index("--parameters")] for call in sent
                   if f"{PREFIX}-switch-sessions" in call]
        self.assertEqual(batches, [[server(1)], [server(2), server(3), server(4)], [server(5), server(6)]])
        self.assertEqual(self.switched(stubs), 6 * [True])
        # Sessions are on for new servers before they are switched, and the fleet grows after that.
        order = [call[1] if call[1] == "update-stack" else call[call.index("--document-name") + 1].removeprefix(PREFIX + "-")
                 for call in sent]
        self.assertEqual(order, ["fix-lastip", *3 * ["configure-muc"], "update-stack", *3 * ["switch-sessions"], "update-stack"])

    def test_the_second_time_nothing_changes(self):
        self.stand_ins(1, 2)
        self.assertEqual(self.post_install("--apply").code, 0)
        before = self.read("stacks.json")
        self.calls()
        done = self.post_install("--apply")
        self.assertEqual(done.code, 0, done)
        self.assertIn("\npost-install-result=unchanged\n#end\n", done.out)
        self.assertEqual(self.made("update-stack"), [])
        self.assertEqual(self.read("stacks.json"), before)
        self.assertTrue(done.err.endswith(DONE))

    def test_the_first_server_that_fails_ends_it(self):
        stubs = self.stand_ins(*range(1, 6))
        stubs[2].add("moodle-session", "[ \"$1\" != show ] || exit 0\necho 'moodle-session: error: something is amiss' >&2\nexit 73\n")
        done = self.refused(73, f"cannot switch the sessions on {server(3)}; no further server was touched\n",
                            "--apply", "--batch", "2")
        self.assertIn(f"\n  {server(3)}: moodle-session: error: something is amiss\n", done.err)
        self.assertEqual(self.switched(stubs), [True, True, False, False, False])
        update, = self.made("update-stack")
        self.assertIn("ParameterKey=WebMin,UsePreviousValue=true", update)
        # When it is mended, the rest is done.
        stubs[2].add("moodle-session", f"[ \"$1\" != show ] || exit 0\ntouch '{stubs[2].folder}/session.done'\n"
                     "printf '#facts 1\\nsession-result=changed\\n#end\\n'\n")
        done = self.post_install("--apply", "--batch", "2")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(self.switched(stubs), 5 * [True])

    def test_a_document_that_does_not_run_at_all(self):
        stubs, = self.stand_ins(1)
        stubs.add("moodle-muc", "kill -9 $PPID\n")
        done = self.refused(69, f"cannot configure the application cache on {server(1)}", "--apply")
        self.assertIn(f"{server(1)}: TimedOut, with status 137\n", done.err)

    def test_an_installation_that_does_not_finish(self):
        stubs, = self.stand_ins(1)
        stubs.add("moodle-lastip", "exit 75\n")
        self.refused(75, "the installation has not finished within 1 s", "--apply", "--install-timeout", "1")
        self.assertEqual(self.made("update-stack"), [])

    def test_a_server_that_never_ends(self):
        self.stand_ins(1)
        self.keep("fleet.json", {**self.read("fleet.json"), "hangs": True})
        # Nobody has to wait: where the script sleeps, its own clock goes on by 100 s.
        clock = self.write("clock", "sleep() { SECONDS=$((SECONDS + 100)); }\n")
        done = self.post_install("--apply", "--command-timeout", "60", BASH_ENV=str(clock))
        self.assertEqual((done.code, done.out), (75, ""), done)
        self.assertIn(f"error: {PREFIX}-fix-lastip did not end within 360 s on {server(1)}\n", done.err)
        self.assertEqual(len(self.made("cancel-command")), 1)

    def test_no_server(self):
        self.start({})
        self.refused(75, f"no web server of {GROUP} serves pages")
        self.stand_ins(1, 2)
        self.keep("fleet.json", {**self.read("fleet.json"), "coming": [server(1), server(2)]})
        self.refused(75, f"no web server of {GROUP} serves pages", "--apply")
        self.assertEqual(self.made("send-command"), [])

    def test_a_server_that_is_coming_up_is_waited_for(self):
        stubs = self.stand_ins(1, 2)
        # Looked at: at the installation, then until it is there.
        self.keep("fleet.json", {**self.read("fleet.json"), "coming": 3 * [server(2)]})
        done = self.post_install("--apply")
        self.assertEqual(done.code, 0, done)
        self.assertIn(f"post-install.sh: not yet serving pages: {server(2)}\n", done.err)
        self.assertEqual(self.switched(stubs), [True, True])
        self.keep("fleet.json", {**self.read("fleet.json"), "coming": 1000 * [server(2)]})
        clock = self.write("clock", "sleep() { SECONDS=$((SECONDS + 100)); }\n")
        done = self.post_install("--apply", "--command-timeout", "60", BASH_ENV=str(clock))
        self.assertEqual(done.code, 75, done)
        self.assertIn(f"error: {server(2)}: no pages after 60 s\n", done.err)
        self.assertEqual(self.post_install().code, 0, "a dry run does not wait")

    def test_what_aws_refuses(self):
        self.stand_ins(1)
        denied = "An error occurred (AccessDenied) when calling the UpdateStack operation: User is not authorized"
        self.keep("faults.json", {"cloudformation update-stack": [254, "\n" + denied]})
        self.refused(77, f"aws cloudformation update-stack: {denied}", "--apply")
        self.keep("faults.json", {"ec2 describe-network-interfaces": [255, "Could not connect to the endpoint URL"]})
        self.refused(69, "aws ec2 describe-network-interfaces: Could not connect")
        self.keep("faults.json", {"cloudformation describe-stacks": [253, "You must specify a region."]})
        self.refused(78, "aws cloudformation describe-stacks: You must specify a region.")
        self.keep("faults.json", {"ssm list-command-invocations": [254, "An error occurred (ThrottlingException): Rate exceeded"]})
        self.refused(75, "aws ssm list-command-invocations", "--apply")
        (self.aws / "faults.json").unlink()
        self.refused(66, "aws cloudformation describe-stacks: An error occurred (ValidationError) when calling the "
                     "DescribeStacks operation: Stack with id Other does not exist", "--stack-name", "Other")

    def test_the_state_of_the_stack(self):
        self.stand_ins(1)
        self.set_stack(StackStatus="ROLLBACK_COMPLETE")
        self.refused(78, "the stack Moodle is in the state ROLLBACK_COMPLETE")
        self.set_stack(StackStatus="UPDATE_IN_PROGRESS")
        self.refused(75, "the stack Moodle is being changed (UPDATE_IN_PROGRESS)")
        self.set_stack(StackStatus="UPDATE_IN_PROGRESS")
        self.keep("updates.json", {**self.read("updates.json"), "ends": "UPDATE_ROLLBACK_COMPLETE"})
        self.refused(78, "the update of Moodle ended with UPDATE_ROLLBACK_COMPLETE", "--apply")
        self.assertEqual(len(self.made("update-stack")), 1)

    def test_a_stack_that_is_none_of_ours(self):
        self.stand_ins(1)
        stack = self.read("stacks.json")["Stacks"][0]
        self.set_stack(Outputs=[output for output in stack["Outputs"] if output["OutputKey"] != "DocumentPrefix"])
        self.refused(78, "the stack Moodle does not tell the names of its documents")
        self.assertEqual(self.post_install("--document-prefix", "mine").code, 0)
        self.set_stack(Parameters=[])
        self.refused(78, "the stack Moodle has no session cache", "--document-prefix", "mine")
        self.set_stack(Outputs=[{"OutputKey": "SiteUrl", "OutputValue": "http://x.example.org"}])
        self.refused(78, "the stack Moodle has no web servers")

    def test_a_session_cache_of_somebody_else(self):
        self.stand_ins(1)
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in (
            ("WebMin", "2"), ("WebMax", "6"), ("SessionCacheEndpoint", "s.example.org:6379"))]
        self.set_stack(Parameters=parameters)
        done = self.post_install("--apply")
        self.assertEqual(done.code, 0, done)
        self.assertIn("the session cache is s.example.org:6379\n", done.err)
        self.assertEqual(self.made("update-stack"), [])


class Sandbox(Fleet):
    """The documents' real commands, on two servers of the sandbox's site."""

    def setUp(self):
        super().setUp()
        self.home = Path(tempfile.mkdtemp(prefix="post-install-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.home.chmod(0o711)
        self.site = self.home / "site"
        self.addCleanup(self.control, "down", check=False)
        self.control("up")
        lines = (self.site / "sandbox.env").read_text().splitlines()
        self.env = dict(shlex.split(line)[0].split("=", 1) for line in lines)
        stubs = Stubs(self.dir / "server")
        stubs.add("systemctl", SYSTEMD)
        for name in ("lastip", "muc", "session", "facts"):
            stubs.link(str(TOOLS_DIR / f"moodle-{name}"))
        servers = {}
        facts = self.write("site.facts", "".join(f"{line}\n" for line in (
            "#facts 1", f"app-cache-endpoint=127.0.0.1:{self.env['APP_CACHE_PORT']}",
            f"session-cache-endpoint=127.0.0.1:{self.env['SESSION_CACHE_PORT']}", "#end")))
        self.configs = []
        for number in (1, 2):
            code = self.home / f"code-{number}"
            shutil.copytree(Path(self.env["CONFIG"]).parent, code)
            self.configs.append(code / "config.php")
            servers[server(number)] = (stubs, {CONFIG: str(code / "config.php"), FACTS: str(facts),
                                               LOG: self.env["ACCESS_LOG"]})
        self.start(servers)

    def control(self, *words, check=True):
        environment = {**os.environ, "SANDBOX_USERS": "10"}
        environment.pop("MOODLE_DIRROOT", None)
        return subprocess.run([SANDBOX, words[0], self.site, *words[1:]], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=120, check=check)

    def files(self):
        return {path: path.read_bytes() for path in (*self.configs, Path(self.env["MUC_CONFIG"]))}

    def test_the_whole_procedure(self):
        before = self.files()
        self.assertEqual(self.post_install().code, 0)
        self.assertEqual(self.files(), before)

        administrator = subprocess.Popen([SANDBOX, "finish", self.site, "100"], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done = self.post_install("--apply")
        self.assertEqual(administrator.wait(100), 0)
        self.assertEqual(done.code, 0, done)
        self.assertIn("\nsession-cache-endpoint=sessions.example.org:11211\n", done.out)
        self.assertTrue(done.out.endswith("\npost-install-result=changed\n#end\n"), done.out)
        values = {entry["ParameterKey"]: entry["ParameterValue"]
                  for entry in self.read("stacks.json")["Stacks"][0]["Parameters"]}
        self.assertEqual(values, {"WebMin": "2", "WebMax": "6", "UseSessionCache": "true", "DomainName": "",
                                  "DbDeletionProtection": "true"})
        after = self.files()
        for path in before:
            self.assertNotEqual(after[path], before[path], path)
        for config in self.configs:
            shown = subprocess.run([TOOLS_DIR / "moodle-session", "show", "--config", config], text=True,
                                   capture_output=True, check=True).stdout
            self.assertIn("session-handler=memcached\n", shown)

        done = self.post_install("--apply")
        self.assertEqual(done.code, 0, done)
        self.assertTrue(done.out.endswith("\npost-install-result=unchanged\n#end\n"), done.out)
        self.assertEqual(self.files(), after)


if __name__ == "__main__":
    main()
