"""moodle-facts: from the AWS CLI's JSON to facts, and from facts to JSON and shell."""

import json
import os
import random
import re
import subprocess

from harness import FIXTURES, CommandTest, facts, main, tool

AWS = FIXTURES / "aws"
STACK_ARN = "arn:aws:cloudformation:eu-west-1:111122223333:stack/Moodle/0a1b"

OURS = (
    "stack-name=Moodle",
    "region=us-east-1",
    "site-url=https://moodle.example.org",
    "alb-dns=Moodl-Publi-1QZ4T6PAXY3B-1234567890.us-east-1.elb.amazonaws.com",
    "db-host=moodle-db.cluster-c9abcdefgh12.us-east-1.rds.amazonaws.com",
    "db-port=5432",
    "db-name=moodle",
    "efs-id=fs-0123456789abcdef0",
    "efs-throughput-mode=bursting",
    "app-cache-endpoint=moodle-app.abc123.cfg.use1.cache.amazonaws.com:11211",
    "app-cache-engine=memcached",
    "app-cache-tls=false",
    "session-cache-endpoint=master.moodle-session.abc123.use1.cache.amazonaws.com:6379",
    "session-cache-engine=valkey",
    "session-cache-tls=true",
    "web-asg=Moodle-web-1A2B3C4D5E6F-WebGroup-9Z8Y7X6W5V4U",
    "web-asg-min=1",
    "web-asg-max=1",
)
OTHER_CACHES = "moodle-facts: warning: caches of neither the application nor the sessions: billing\n"


def document(name: str):
    return AWS / f"describe-{name}.json"


def text(*names: str) -> str:
    return "".join(document(name).read_text() for name in names)


def stack(**outputs) -> str:
    return json.dumps({"Stacks": [{
        "StackId": STACK_ARN, "StackName": "Moodle", "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
    }]})


def error(message: str, hint: str = "") -> str:
    return f"moodle-facts: error: {message}\n" + (f"moodle-facts: hint: {hint}\n" if hint else "")


class Stacks(CommandTest):
    def test_our_stack(self):
        self.expect("moodle-facts", document("stacks-ours"), out=facts(*OURS))

    def test_the_names_of_the_documents(self):
        self.expect("moodle-facts", "-", stdin=stack(DocumentPrefix="Moodle-SsmDocuments-1A2B3C", WebAsgMax="6"), out=facts(
            "stack-name=Moodle", "region=eu-west-1", "web-asg-max=6", "document-prefix=Moodle-SsmDocuments-1A2B3C"))

    def test_standard_input(self):
        self.expect("moodle-facts", "-", stdin=text("stacks-ours"), out=facts(*OURS))

    def test_reference_architecture_version_1(self):
        self.expect("moodle-facts", document("stacks-refarch-v1"), out=facts(
            "stack-name=Moodle",
            "region=us-east-1",
            "site-url=https://learn.example.org",
            "alb-dns=Moodl-Publi-1GKZ0LKJ3Q2AB-987654321.us-east-1.elb.amazonaws.com",
            "db-host=moodle-rds-databasecluster-1h2j3k.cluster-c9abcdefgh12.us-east-1.rds.amazonaws.com",
            "db-name=App",
            "efs-id=fs-1a2b3c4d",
            "app-cache-endpoint=moodleapplication.abc123.cfg.use1.cache.amazonaws.com:11211",
            "app-cache-engine=memcached",
            "session-cache-endpoint=moodlesession.abc123.cfg.use1.cache.amazonaws.com:11211",
            "session-cache-engine=memcached",
        ))

    def test_reference_architecture_version_1_main_stack_alone(self):
        stacks = json.loads(text("stacks-refarch-v1"))["Stacks"]
        alone = json.dumps({"Stacks": [s for s in stacks if "RootId" not in s]})
        self.expect("moodle-facts", "-", stdin=alone, out=facts(
            "stack-name=Moodle",
            "region=us-east-1",
            "alb-dns=Moodl-Publi-1GKZ0LKJ3Q2AB-987654321.us-east-1.elb.amazonaws.com",
        ))

    def test_reference_architecture_version_1_without_a_domain_uses_the_load_balancers_name(self):
        without = re.sub("Learn.Example.org", "", text("stacks-refarch-v1"))
        self.expect("moodle-facts", "--get", "site-url", "-", stdin=without,
                    out="https://moodl-publi-1gkz0lkj3q2ab-987654321.us-east-1.elb.amazonaws.com\n")

    def test_a_host_is_told_as_browsers_ask_for_it(self):
        load_balancer = re.sub("https://moodle.example.org", "http://Moodl-Alb-1QZ4.us-east-1.elb.amazonaws.com/A",
                               text("stacks-ours"))
        self.expect("moodle-facts", "--get", "site-url", "-", stdin=load_balancer,
                    out="http://moodl-alb-1qz4.us-east-1.elb.amazonaws.com/A\n")

    def test_reference_architecture_version_2(self):
        self.expect("moodle-facts", document("stacks-refarch-v2"), out=facts(
            "stack-name=Moodle",
            "region=us-east-1",
            "site-url=https://learn.example.org",
            "alb-dns=Moodl-Publi-Xq81CmQ7Lw2Z-246813579.us-east-1.elb.amazonaws.com",
            "db-host=moodle-rds-databasecluster-x1y2z3.cluster-c9abcdefgh12.us-east-1.rds.amazonaws.com",
            "db-port=5432",
            "db-name=App",
            "efs-id=fs-0fedcba9876543210",
            "app-cache-endpoint=master.moodleapplication.def456.use1.cache.amazonaws.com:6379",
            "app-cache-engine=redis",
            "app-cache-tls=true",
            "session-cache-endpoint=master.moodlesession.def456.use1.cache.amazonaws.com:6379",
            "session-cache-engine=redis",
            "session-cache-tls=true",
            "web-asg=Moodle-webapp-A1B2C3D4E5F6-WebAutoScalingGroup-Qw12Er34Ty56",
        ))

    def test_the_order_of_nested_stacks_does_not_matter(self):
        for version in ("stacks-refarch-v1", "stacks-refarch-v2"):
            wanted = self.run_tool("moodle-facts", document(version)).out
            stacks = json.loads(text(version))["Stacks"]
            shuffle = random.Random(version)
            for _ in range(10):
                shuffle.shuffle(stacks)
                self.expect("moodle-facts", "-", stdin=json.dumps({"Stacks": stacks}), out=wanted)

    def test_several_sites(self):
        other = text("stacks-ours").replace("Moodle", "Campus").replace("00000010-", "00000099-")
        both = other + text("stacks-refarch-v2")
        self.expect("moodle-facts", "-", stdin=both, code=65, err=error(
            "nothing tells which stack is the site's: Campus, Moodle", "choose one with --stack-name"))
        self.expect("moodle-facts", "--stack-name", "Campus", "--get", "db-name", "-", stdin=both,
                    out="moodle\n")
        self.expect("moodle-facts", "--stack-name", "Campu", "-", stdin=both, code=65, err=error(
            "no document describes the stack 'Campu'", "described are: Campus, Moodle"))

    def test_a_stack_that_tells_nothing(self):
        self.expect("moodle-facts", "-", stdin=stack(VpcId="vpc-1"),
                    out=facts("stack-name=Moodle", "region=eu-west-1"),
                    err="moodle-facts: warning: stack 'Moodle' (CREATE_COMPLETE) has no output that "
                        "facts can come from\n")


class Things(CommandTest):
    def test_everything_that_describes_our_site(self):
        everything = [document(name) for name in (
            "stacks-ours", "network-interfaces", "cache-clusters", "replication-groups", "file-systems",
            "db-clusters", "auto-scaling-groups")]
        wanted = list(OURS[:4]) + ["alb-ip=10.0.1.15", "alb-ip=10.0.2.77"] + list(OURS[4:9])
        wanted += ["efs-size-bytes=21474842624"] + list(OURS[9:12])
        wanted += [f"app-cache-node=moodle-app.abc123.{n}.use1.cache.amazonaws.com:11211"
                   for n in ("0001", "0002")]
        wanted += list(OURS[12:16]) + ["web-asg-min=2", "web-asg-max=6"]
        self.expect("moodle-facts", *everything, out=facts(*wanted), err=OTHER_CACHES)
        # The same documents twice, in any order, and in one file, tell the same.
        self.expect("moodle-facts", *everything, *reversed(everything), out=facts(*wanted), err=OTHER_CACHES)
        joined = self.write("all.json", "\n".join(path.read_text() for path in everything))
        self.expect("moodle-facts", joined, out=facts(*wanted), err=OTHER_CACHES)

    def test_network_interfaces(self):
        interfaces = document("network-interfaces")
        self.expect("moodle-facts", interfaces, code=65, err=error(
            "nothing tells which load balancer is the site's: Moodl-Publi-1QZ4T6PAXY3B, other-site",
            "choose one with --alb, or give the output of describe-stacks as well"))
        self.expect("moodle-facts", "--alb", "other-site", interfaces, out=facts("alb-ip=10.9.1.1"))
        self.expect("moodle-facts", "--alb", "third", interfaces, code=65, err=error(
            "no network interface belongs to the load balancer 'third'",
            "described are those of: Moodl-Publi-1QZ4T6PAXY3B, other-site"))
        known = self.write("site.facts", facts(
            "alb-dns=Moodl-Publi-1QZ4T6PAXY3B-1234567890.us-east-1.elb.amazonaws.com", "alb-ip=10.0.0.1"))
        self.expect("moodle-facts", "-f", known, "--get", "alb-ip", interfaces, out="10.0.1.15\n10.0.2.77\n")

    def test_memcached(self):
        self.expect("moodle-facts", document("cache-clusters"), err=OTHER_CACHES, out=facts(
            "app-cache-endpoint=moodle-app.abc123.cfg.use1.cache.amazonaws.com:11211",
            "app-cache-engine=memcached",
            "app-cache-tls=false",
            "app-cache-node=moodle-app.abc123.0001.use1.cache.amazonaws.com:11211",
            "app-cache-node=moodle-app.abc123.0002.use1.cache.amazonaws.com:11211",
        ))

    def test_a_cache_whose_use_nothing_tells(self):
        only = self.write("c.json", text("cache-clusters").replace("moodle-app", "moodle-two"))
        self.expect("moodle-facts", only, code=65, err=error(
            "nothing tells whether a cache is the application's or the sessions': billing, moodle-two",
            "choose with --app-cache and --session-cache, or give the output of describe-stacks"))
        self.expect("moodle-facts", "--session-cache", "billing", "--app-cache", "moodle-two",
                    "--get", "session-cache-node", only,
                    out="billing.abc123.0001.use1.cache.amazonaws.com:11211\n")

    def test_replication_groups(self):
        self.expect("moodle-facts", document("replication-groups"),
                    document("replication-groups-cluster-mode"), out=facts(
            "app-cache-endpoint=clustercfg.mooapp.abc123.use1.cache.amazonaws.com:6379",
            "app-cache-engine=redis",
            "app-cache-tls=true",
            "session-cache-endpoint=master.moodle-session.abc123.use1.cache.amazonaws.com:6379",
            "session-cache-engine=valkey",
            "session-cache-tls=true",
        ))

    def test_serverless_caches(self):
        self.expect("moodle-facts", document("serverless-caches"), out=facts(
            "session-cache-endpoint=moodle-session-abc123.serverless.use1.cache.amazonaws.com:6379",
            "session-cache-engine=valkey",
            "session-cache-tls=true",
        ))

    def test_a_cache_that_is_being_created(self):
        creating = json.dumps({"ServerlessCaches": [
            {"ServerlessCacheName": "app", "Engine": "valkey", "Status": "creating"}]})
        self.expect("moodle-facts", "-", stdin=creating, code=75,
                    err=error("cache 'app' has no endpoint; its status is 'creating'"))

    def test_file_systems(self):
        self.expect("moodle-facts", document("file-systems"), code=65, err=error(
            "nothing tells which file system is the site's: fs-0aaaaaaaaaaaaaaaa, fs-0123456789abcdef0",
            "choose one with --efs-id, or give the output of describe-stacks as well"))
        self.expect("moodle-facts", "--efs-id", "fs-0aaaaaaaaaaaaaaaa", document("file-systems"), out=facts(
            "efs-id=fs-0aaaaaaaaaaaaaaaa", "efs-throughput-mode=elastic", "efs-size-bytes=4096"))

    def test_database_clusters(self):
        clusters = document("db-clusters")
        self.expect("moodle-facts", clusters, "-", stdin=stack(VpcId="v"),
                    out=facts("stack-name=Moodle", "region=eu-west-1", *OURS[4:7]),
                    err=re.compile("moodle-facts: warning: stack 'Moodle' .*\n"))
        self.expect("moodle-facts", "--db-cluster", "reports", "--get", "db-host", clusters,
                    out="reports.cluster-c9abcdefgh12.us-east-1.rds.amazonaws.com\n")
        self.expect("moodle-facts", clusters, "-", stdin=stack(DbHost="else.example"), code=65, err=error(
            "the stack's database cluster is 'else.example', but the documents describe: moodle-db, reports"))

    def test_the_bastions_group_is_not_the_web_servers(self):
        self.expect("moodle-facts", document("auto-scaling-groups"),
                    out=facts("web-asg=Moodle-web-1A2B3C4D5E6F-WebGroup-9Z8Y7X6W5V4U", "web-asg-min=2",
                              "web-asg-max=6"))


class BadInput(CommandTest):
    def test_an_empty_pipe_means_that_the_command_before_failed(self):
        for nothing in ("", "\n\n", "\ufeff"):
            self.expect("moodle-facts", "-", stdin=nothing, code=65, err=error(
                "standard input: there is no JSON in it: the command before it failed"))

    def test_a_document_cut_short_anywhere_gives_no_facts(self):
        whole = text("serverless-caches").strip()
        for length in random.Random(1).sample(range(1, len(whole)), 40):
            self.expect("moodle-facts", "-", stdin=whole + whole[:length], code=65, err=error(
                f"standard input: the JSON stops early, at byte {len(whole) + length}: "
                "the command before it failed"))

    def test_an_offset_is_that_of_the_file(self):
        path = self.write("a.json", '{"Stacks": []}\n{"Stacks": [nonsense]}')
        self.expect("moodle-facts", path, code=65, err=error(
            "DIR/a.json: byte 28: this is not JSON: 'onsense]}'", "run the AWS CLI with '--output json'"))

    def test_other_output_formats(self):
        self.expect("moodle-facts", "-", stdin="STACKS\tMoodle\n", code=65, err=error(
            "standard input: byte 0: this is not JSON: 'STACKS\\x09Moodle\\x0a'",
            "run the AWS CLI with '--output json'"))
        self.expect("moodle-facts", "-", stdin="[]", code=65, err=error(
            "standard input: byte 0: an object was expected", "run the AWS CLI without '--query'"))
        self.expect("moodle-facts", "-", stdin=text("stacks-ours").encode("utf-16"), code=65, err=error(
            "standard input: byte 0: this is UTF-16, not UTF-8",
            "Windows PowerShell writes UTF-16 after '>'; use '| Out-File -Encoding utf8'"))

    def test_bytes_that_are_not_utf_8(self):
        self.expect("moodle-facts", "-", stdin=b'{"Stacks": ["\xff"]}', code=65, err=error(
            "standard input: byte 13: this is not JSON: '\\xff\"]}'", "run the AWS CLI with '--output json'"))

    def test_deep_nesting(self):
        self.expect("moodle-facts", "-", stdin='{"Stacks":' + "[" * 5_000_000, code=65, err=error(
            "standard input: byte 109: it is nested more than 100 levels deep"))

    def test_huge_input(self):
        self.expect("moodle-facts", "-", stdin=b" " * (33 << 20), code=65,
                    err=error("standard input is larger than 33554432 bytes"))
        os.truncate(self.write("sparse.json", ""), 3 << 40)
        self.expect("moodle-facts", "sparse.json", code=65, err=error("sparse.json is larger than 33554432 bytes"))

    def test_duplicate_keys(self):
        self.expect("moodle-facts", "-", stdin='{"Stacks": [], "Stacks": []}', code=65, err=error(
            "standard input: byte 22: the key 'Stacks' is there twice in one object"))

    def test_numbers_where_strings_are_expected(self):
        self.expect("moodle-facts", "-", stdin=stack(DbPort=5432), code=65, err=error(
            "standard input: Stacks[0].Outputs[0].OutputValue: a string was expected, not the number 5432"))

    def test_unknown_documents(self):
        users = self.write("users.json", '{"Users": []}')
        self.expect("moodle-facts", users, code=65, err=error(
            "DIR/users.json: an unknown document of Users", "--ignore-unknown leaves it out"))
        self.expect("moodle-facts", "--ignore-unknown", users, document("stacks-ours"), out=facts(*OURS))

    def test_a_list_that_was_cut(self):
        self.expect("moodle-facts", "-", stdin='{"Stacks": [], "NextToken": "x"}', code=65, err=error(
            "standard input: the list is not complete: it has a NextToken",
            "run the AWS CLI without '--max-items' and '--no-paginate'"))

    def test_an_output_with_a_line_end_is_refused_by_name(self):
        self.expect("moodle-facts", "-", stdin=stack(SiteUrl="https://a\nalb-ip=1.2.3.4"), code=65, err=error(
            "stack 'Moodle', output 'SiteUrl': the value of 'site-url' holds a control character or a byte "
            "that is not UTF-8 (\\x0a at byte 9)"))
        self.expect("moodle-facts", "-", stdin=stack(DbName="x" * (1 << 20)), code=65, err=error(
            "stack 'Moodle', output 'DbName': the value of 'db-name' has 1048576 bytes; at most 65536 are "
            "allowed"))

    def test_a_missing_file(self):
        self.expect("moodle-facts", self.dir / "none.json", code=66,
                    err=error("cannot read DIR/none.json: No such file or directory"))

    def test_changed_bytes_never_crash(self):
        whole = text("stacks-ours").encode()
        chance = random.Random(7)
        for _ in range(60):
            changed = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            result = self.run_tool("moodle-facts", "-", stdin=bytes(changed))
            self.assertIn(result.code, (0, 65), result.err)
            self.assertEqual(result.out == "", result.code == 65)


class Settings(CommandTest):
    def test_set_replaces_and_repeats(self):
        self.expect("moodle-facts", "--set", "db-name=a=b", "--set", "alb-ip=10.0.0.1", "--set", "alb-ip=10.0.0.2",
                    out=facts("db-name=a=b", "alb-ip=10.0.0.1", "alb-ip=10.0.0.2"))
        known = self.write("a.facts", facts("alb-ip=10.9.9.9", "# a note", "site-url=u"))
        self.expect("moodle-facts", "-f", known, "--set", "alb-ip=10.0.0.1", "--set", "db-name=",
                    out=facts("# a note", "site-url=u", "alb-ip=10.0.0.1", "db-name="))

    def test_documents_update_what_was_known(self):
        known = self.write("a.facts", facts("note=kept", "db-name=old", "efs-id=fs-old", "efs-size-bytes=5"))
        self.expect("moodle-facts", "-f", known, document("stacks-ours"), out=facts("note=kept", *OURS))
        self.expect("moodle-facts", "-f", "-", document("stacks-ours"), stdin=facts(*OURS), out=facts(*OURS))

    def test_a_stream_that_stopped_early(self):
        self.expect("moodle-facts", "-f", "-", "--get", "db-name", stdin="#facts 1\ndb-name=a\n", code=65,
                    err=error("standard input: the facts stopped early: an earlier command failed"))

    def test_wrong_settings(self):
        self.expect("moodle-facts", "--set", "db-name", code=64, err=error(
            "'db-name' is not NAME=VALUE", "'moodle-facts --help' shows what it takes"))
        self.expect("moodle-facts", "--set", "Db=1", code=64, err=error(
            "'Db' is not the name of a fact",
            "a name is a lower-case letter followed by lower-case letters, digits and '-'"))
        self.expect("moodle-facts", "--set", "db=a\nb", code=64,
                    err=re.compile("moodle-facts: error: the value of .* control character .*\n(.*\n)?"))

    def test_wrong_usage(self):
        self.expect("moodle-facts", code=64, err=error(
            "there is nothing to read", "name files with AWS CLI JSON, or '-' for standard input"))
        self.expect("moodle-facts", "-", "-", stdin="", code=64, err=error(
            "standard input can be read only once, but '-' is given twice",
            "'moodle-facts --help' shows what it takes"))
        self.expect("moodle-facts", "-f", "-", "-", stdin="#facts 1\n#end\n", code=64, err=error(
            "standard input can be read only once, but --facts and '-' both name it",
            "'moodle-facts --help' shows what it takes"))
        self.expect("moodle-facts", "--get", "a", "--format", "json", "-", stdin="", code=64, err=error(
            "--get and --format exclude each other", "'moodle-facts --help' shows what it takes"))
        self.expect("moodle-facts", "--get", "A", "-", stdin="", code=64,
                    err=re.compile("moodle-facts: error: 'A' is not the name of a fact\n.*\n"))


class Output(CommandTest):
    def test_get(self):
        stream = facts("alb-ip=10.0.0.1", "db-name=", "alb-ip=10.0.0.2")
        self.expect("moodle-facts", "-f", "-", "--get", "alb-ip", stdin=stream, out="10.0.0.1\n10.0.0.2\n")
        self.expect("moodle-facts", "-f", "-", "--get", "db-name", stdin=stream, out="\n")
        self.expect("moodle-facts", "-f", "-", "--get", "db-host", stdin=stream, code=1)

    def test_json(self):
        stream = facts("stack-name=M", "alb-ip=10.0.0.1", "note=a", "db-port=5432", "note=\"b\"\\",
                       "app-cache-tls=true", "app-cache-node=h:1", "app-cache-node=i:1")
        result = self.expect("moodle-facts", "-f", "-", "--format", "json", stdin=stream, out=re.compile("(?s).*\n"))
        self.assertEqual(list(json.loads(result.out).items()), [
            ("stack-name", "M"), ("alb-ip", ["10.0.0.1"]), ("note", ["a", "\"b\"\\"]), ("db-port", "5432"),
            ("app-cache-tls", "true"), ("app-cache-node", ["h:1", "i:1"])])
        self.expect("moodle-facts", "-f", "-", "--format", "json", stdin=facts(), out="{}\n")

    def test_shell(self):
        self.expect("moodle-facts", "-f", "-", "--format", "shell",
                    stdin=facts("stack-name=it's", "alb-ip=10.0.0.1", "db-name=", "alb-ip=10.0.0.2"),
                    out="stack_name='it'\\''s'\nalb_ip='10.0.0.1\n10.0.0.2'\ndb_name=''\n")

    def evaluate(self, shell, stream, name):
        """The value that a shell has in $name after eval of the facts."""
        script = ('eval "$("$1" -f - --format shell)" && '
                  'for v in "$%s"; do printf "%%s." "$v"; done' % name)
        done = subprocess.run([shell, "-c", script, "sh", tool("moodle-facts")], input=stream.encode(),
                              capture_output=True, cwd=self.dir, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()[:-1]

    def test_eval_gives_back_any_value(self):
        hostile = ["'", "''", "\\", "\\'", "'\\''", "$(touch pwned)", "`touch pwned`", "${HOME}", "<?php echo 1; ?>",
                   "; touch pwned #", "a b  c", " lead", "trail ", "*", "~", "!x", "\"", "-n", "", "=", "é€😀",
                   "'; touch pwned; '", "x" * 65_536, "'" * 10_000, "%s%n", "\\n", "# c"]
        letters = "'\"\\$`(){}<>|&;*?[]~!#=%^ -\u00e9ab"
        chance = random.Random(3)
        hostile += ["".join(chance.choices(letters, k=chance.randint(1, 60))) for _ in range(40)]
        for shell in ("sh", "bash"):
            for value in hostile:
                with self.subTest(shell=shell, value=value[:60]):
                    self.assertEqual(self.evaluate(shell, facts("x-y=" + value), "x_y"), value)
        self.assertEqual(self.evaluate("sh", facts("a=1", "a='2'", "a="), "a"), "1\n'2'\n")
        self.assertEqual(list(self.dir.iterdir()), [])

    def test_hostile_outputs_survive_the_way_from_aws_to_the_shell_and_json(self):
        for value in ("<?php system('id');", "$(touch pwned)", "a'b\\c", "ünï-😀"):
            stream = self.expect("moodle-facts", "-", stdin=stack(DbName=value),
                                 out=facts("stack-name=Moodle", "region=eu-west-1", f"db-name={value}")).out
            self.assertEqual(self.evaluate("sh", stream, "db_name"), value)
            seen = self.run_tool("moodle-facts", "-f", "-", "--format", "json", stdin=stream)
            self.assertEqual(json.loads(seen.out)["db-name"], value)
        self.assertEqual(list(self.dir.iterdir()), [])


if __name__ == "__main__":
    main()
