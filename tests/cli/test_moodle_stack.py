"""moodle-stack: what it prints, what it writes, and what it refuses."""

import json
import re
import shutil
import subprocess

from harness import SOURCE_DIR, CommandTest, main, tool

STACKS = SOURCE_DIR / "stacks"
CHANGED = "#facts 1\nstack-result=changed\n#end\n"
UNCHANGED = "#facts 1\nstack-result=unchanged\n#end\n"
RESOURCE = "Resources:\n  R: {Type: AWS::SNS::Topic}\n"
SOFTWARE = ["--set", "PackageUrl=https://example.com/toolkit.deb",
            "--set", "PackageSha256=" + "0" * 64, "--set", "MoodleSha256=" + "1" * 64]


def error(text: str, hint: str = "") -> str:
    return (f"moodle-stack: error: {text}\n" + (f"moodle-stack: hint: {hint}\n" if hint else ""))


class StackTest(CommandTest):
    def generate(self, *words, out=CHANGED, folder="out"):
        self.expect("moodle-stack", "generate", "-q", "-o", folder, *words, out=out)
        return self.dir / folder

    def refused(self, *words, code, err):
        """The command fails in this way, and leaves the test's folder as it was."""
        before = sorted(str(path) for path in self.dir.rglob("*"))
        self.expect("moodle-stack", *words, code=code, err=err)
        self.assertEqual(sorted(str(path) for path in self.dir.rglob("*")), before)


class Generate(StackTest):
    def test_components_are_copied_byte_for_byte(self):
        out = self.generate("--with", "cloudfront", "--with", "dns")
        for source in STACKS.glob("*.yaml"):
            self.assertEqual((out / source.name).read_bytes(), source.read_bytes(), source.name)
        self.assertEqual({path.name for path in out.iterdir()},
                         {path.name for path in STACKS.glob("*.yaml")} | {"main.yaml"})

    def test_the_same_options_give_the_same_bytes(self):
        words = ["--zones", "3", "--cache-engine", "redis", "--set", "DomainName=moodle.example.org"]
        first = (self.generate(*words) / "main.yaml").read_bytes()
        second = (self.generate(*words, folder="again") / "main.yaml").read_bytes()
        self.assertEqual(first, second)

    def test_a_second_run_changes_nothing_and_other_options_replace_the_set(self):
        out = self.generate("--with", "dns")
        before = out.stat().st_ino
        self.generate("--with", "dns", out=UNCHANGED)
        self.assertEqual(out.stat().st_ino, before)
        self.generate()
        self.assertFalse((out / "dns.yaml").exists())
        self.assertEqual([path.name for path in self.dir.iterdir()], ["out"])

    def test_an_empty_folder_is_filled_and_keeps_its_mode(self):
        (self.dir / "out").mkdir(mode=0o750)
        self.assertEqual(self.generate().stat().st_mode & 0o777, 0o750)

    def test_a_slash_at_the_end_makes_no_difference(self):
        self.generate(folder="out/")
        self.generate(folder="out//", out=UNCHANGED)
        self.assertEqual([path.name for path in self.dir.iterdir()], ["out"])

    def test_a_symbolic_link_is_followed(self):
        (self.dir / "real").mkdir()
        (self.dir / "out").symlink_to("real")
        self.generate()
        self.assertTrue((self.dir / "out").is_symlink())
        self.assertTrue((self.dir / "real" / "main.yaml").is_file())

    def test_options_become_defaults(self):
        text = (self.generate("--zones", "4", "--cache-engine", "memcached", "--set",
                              "SessionCacheEngine=valkey") / "main.yaml").read_text()
        for name, value in {"ZoneCount": "4", "AppCacheEngine": "memcached", "AppCacheTls": "false",
                            "SessionCacheEngine": "valkey"}.items():
            self.assertRegex(text, rf"\n  {name}:\n    Type: .*\n    Description: .*\n"
                                   rf"    Default: '{value}'\n")

    def test_a_left_out_component_becomes_parameters(self):
        text = (self.generate("--without", "vpc") / "main.yaml").read_text()
        self.assertIn("  VpcId:\n    Type: 'AWS::EC2::VPC::Id'\n", text)
        self.assertIn("  DataSubnetIds:\n    Type: 'List<AWS::EC2::Subnet::Id>'\n", text)
        self.assertIn("        DataSubnetIds: !Join [',', !Ref DataSubnetIds]\n", text)

    def test_only_the_session_cache_is_decided_at_run_time(self):
        text = (self.generate() / "main.yaml").read_text()
        self.assertEqual(re.findall(r"^    Condition: (.*)$", text, re.MULTILINE),
                         ["UseSessionCacheIsOn"] * 4)  # the stack and its three outputs
        without = (self.generate("--without", "session-cache") / "main.yaml").read_text()
        self.assertNotIn("Condition", without.split("\nResources:")[1])


class Refusals(StackTest):
    def test_what_does_not_exist(self):
        names = ("alb, bastion, cloudfront, database, dns, efs-alarms, efs, app-cache, "
                 "session-cache, security-groups, ssm-documents, vpc, web")
        self.refused("generate", "-o", "out", "--with", "nope", code=64,
                     err=error("there is no component 'nope'", f"choose among {names}"))
        self.refused("generate", "-o", "out", "--set", "Nope=1", code=64,
                     err=error("there is no parameter 'Nope'",
                               "the Parameters of the generated main.yaml are what can be set"))
        self.refused("generate", "-o", "out", "--set", "VpcId=vpc-1", code=64,
                     err=error("parameter VpcId is given by vpc",
                               "--without vpc leaves it to you"))
        self.refused("generate", "-o", "out", "--templates", "nowhere", code=66,
                     err=error("cannot read nowhere: No such file or directory"))

    def test_values_that_do_not_fit(self):
        self.refused("generate", "-o", "out", "--set", "DomainName=Not A Name", code=64,
                     err=error("'Not A Name' is not a value for parameter DomainName: empty, or a "
                               "domain name in lower case",
                               "'moodle-stack --help' shows what it takes"))
        self.refused("generate", "-o", "out", "--set", "WebMin=200", code=64,
                     err=error("'200' is not a value for parameter WebMin: it takes a number from "
                               "0 to 100", "'moodle-stack --help' shows what it takes"))
        self.refused("generate", "-o", "out", "--set", "DbMode=other", code=64,
                     err=error("'other' is not a value for parameter DbMode: choose one of "
                               "provisioned, serverless",
                               "'moodle-stack --help' shows what it takes"))

    def test_contradictions(self):
        usage = "'moodle-stack --help' shows what it takes"
        self.refused("generate", code=64, err=error("the folder to write is missing",
                                                    "name it with --output"))
        self.refused("generate", "-o", "out", "--with", "dns", "--without", "dns", code=64,
                     err=error("component dns is asked for and left out", usage))
        self.refused("generate", "-o", "out", "--set", "A=1", "--set", "A=2", code=64,
                     err=error("parameter A is set twice", usage))
        self.refused("generate", "-o", "out", "--set", "A", code=64,
                     err=error("'A' is not a value for --set: it takes PARAMETER=VALUE", usage))
        self.refused("generate", "-o", "out", "--cache-engine", "redis", "--without", "app-cache",
                     "--without", "session-cache", code=64,
                     err=error("--cache-engine is of no use: no cache is among the components",
                               usage))
        everything = [word for name in ("alb bastion database efs-alarms efs app-cache session-cache"
                                        " security-groups ssm-documents vpc web").split()
                      for word in ("--without", name)]
        self.refused("generate", "-o", "out", *everything, code=64,
                     err=error("no component is left", usage))

    def test_a_folder_that_is_not_ours(self):
        self.write("full/notes.txt", "mine")
        self.refused("generate", "-o", "full", code=73, err=error(
            "DIR/full holds notes.txt, which moodle-stack did not write",
            "choose a new or an empty folder, or move the file away"))
        self.write("foreign/main.yaml", RESOURCE)
        self.refused("generate", "-o", "foreign", code=73, err=error(
            "DIR/foreign holds main.yaml, which moodle-stack did not write",
            "choose a new or an empty folder, or move the file away"))
        out = self.generate()
        self.write("out/install.json", "[]")
        self.refused("generate", "-o", "out", "--with", "dns", code=73, err=error(
            "DIR/out holds install.json, which moodle-stack did not write",
            "choose a new or an empty folder, or move the file away"))
        self.assertFalse((out / "dns.yaml").exists())

    def test_places_that_cannot_be_written(self):
        self.write("file", "")
        self.refused("generate", "-o", "file", code=73, err=error("file is not a folder"))
        self.refused("generate", "-o", "no/where", code=73,
                     err=error("cannot create DIR/no/where: No such file or directory"))
        self.generate()
        self.expect("moodle-stack", "generate", "-o", ".", "--with", "dns", cwd=self.dir / "out",
                    code=73, err=error(". is the current folder, which cannot be replaced",
                                       "run the command from another folder"))

    def test_components_that_are_broken(self):
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
        deep = "".join(" " * i + "a:\n" for i in range(100))
        broken = {
            "tab": (RESOURCE + "Outputs:\n\tO: {Value: x}\n", 4, "a tab indents this line",
                    "YAML is indented with spaces only"),
            "tag": (RESOURCE + "Outputs:\n  O: {Value: !Nope x}\n", 4, "unknown tag '!Nope'", ""),
            "twice": (RESOURCE + "Outputs: {}\nOutputs: {}\n", 4, "the key 'Outputs' is there twice",
                      ""),
            "deep": (deep, 65, "nested more than 64 levels deep", ""),
            "bomb": (bomb, 6, "more than 200000 values, counting what aliases repeat", ""),
            "empty": ("A: 1\n", 1, "no CloudFormation template: it has no map of Resources", ""),
            "shape": ("Resources:\n  R: {Type: T}\nParameters: [P]\n", 3,
                      "Parameters is not a map of names", ""),
            "typeless": ("Parameters:\n  P: {Default: x}\n" + RESOURCE, 2,
                         "parameter P has no Type", ""),
        }
        for name, (text, line, reason, hint) in broken.items():
            path = self.write(f"{name}/part.yaml", text)
            expected = error(f"{name}/part.yaml:{line}: {reason}", hint)
            if "Resources" in text:
                self.refused("generate", "-o", "out", "--templates", name, code=65, err=expected)
            self.refused("lint", path.relative_to(self.dir), code=65, err=expected)

    def test_a_component_that_cannot_be_joined_names_both_places(self):
        self.write("parts/a.yaml", RESOURCE + "Outputs:\n  O: {Value: x}\n")
        self.write("parts/b.yaml", RESOURCE + "Outputs:\n  O: {Value: y}\n")
        self.refused("generate", "-o", "out", "--templates", "parts", code=65,
                     err=error("parts/b.yaml:4: output O is given by a as well"))


class Lint(StackTest):
    def test_a_generated_set_has_no_fault(self):
        self.generate("--with", "cloudfront", "--with", "dns")
        self.expect("moodle-stack", "lint", "out", err="moodle-stack: 13 template(s), 0 fault(s)\n")
        self.expect("moodle-stack", "lint", "-q", "out/main.yaml")

    def test_faults_name_file_line_and_remedy(self):
        out = self.generate()
        alb = out / "alb.yaml"
        text = alb.read_text()
        alb.write_text(text.replace("\n  AlbUrl:\n", "\n  AlbURL:\n"))
        lines = (out / "main.yaml").read_text().splitlines()
        at = [number + 1 for number, line in enumerate(lines) if "Alb.Outputs.AlbUrl" in line]
        stack = lines.index("  Alb:") + 1
        own = alb.read_text().splitlines().index("  AlbURL:") + 1
        fault = ("stack Alb has no output AlbUrl (out/alb.yaml); add the output to that template, "
                 "or correct the name")
        self.expect("moodle-stack", "lint", "-q", "out", code=1, out=(
            f"out/main.yaml:{stack}: output AlbURL of stack Alb (out/alb.yaml:{own}) is not passed "
            f"on; add output AlbURL, or generate again\n"
            f"out/main.yaml:{at[0]}: {fault}\n"
            f"out/main.yaml:{at[1]}: output AlbUrl comes from no component; generate again after a "
            f"change of a component\n".replace(f":{at[1]}:", f":{at[1] - 1}:", 1) +
            f"out/main.yaml:{at[1]}: {fault}\n"))

    def test_one_unreadable_template_does_not_hide_the_faults_of_the_others(self):
        self.write("set/bad.yaml", "Resources:\n\tR: x\n")
        self.write("set/other.json", '{"Parameters": [1]}')
        self.write("set/main.yaml", RESOURCE + "  S: {Type: AWS::CloudFormation::Stack, "
                   "Properties: {TemplateURL: bad.yaml}}\nOutputs:\n  O: {Value: !Ref N}\n")
        self.expect("moodle-stack", "lint", "-q", "set", code=1, out=(
            "set/bad.yaml:2: a tab indents this line; YAML is indented with spaces only\n"
            "set/main.yaml:5: N is no parameter or resource here; declare it, or correct the name\n"))

    def test_nothing_to_check(self):
        (self.dir / "empty").mkdir()
        self.expect("moodle-stack", "lint", "empty", code=66,
                    err=error("empty holds no CloudFormation template"))
        self.expect("moodle-stack", "lint", "none.yaml", code=66,
                    err=error("cannot read none.yaml: No such file or directory"))
        self.expect("moodle-stack", "lint", code=64, err=error(
            "nothing is named to check", "name the templates, or the folder that holds them"))

    def test_names_from_outside_cannot_forge_lines(self):
        self.write("set/main.yaml", RESOURCE + 'Outputs:\n  O: {Value: !Ref "a\\nb\\e[31m"}\n')
        self.expect("moodle-stack", "lint", "-q", "set", code=1, out=(
            "set/main.yaml:4: a\\x0ab\\x1b[31m is no parameter or resource here; declare it, or "
            "correct the name\n"))


class ParameterFiles(StackTest):
    def parameters(self, *words, **options):
        result = self.expect("moodle-stack", "parameters", *words, out=re.compile(r"\[\n(.|\n)*\]\n"),
                             **options)
        entries = json.loads(result.out)
        return {entry.pop("ParameterKey"): entry for entry in entries}

    def refused_with(self, *words, what, hint="'moodle-stack --help' shows what it takes"):
        self.refused("parameters", *words, code=64, err=error(what, hint))

    def test_install_has_one_server_and_no_session_cache(self):
        file = self.parameters("--phase", "install", *SOFTWARE)
        for name, value in {"UseSessionCache": "false", "WebMin": "1", "WebMax": "1", "DbDeletionProtection": "false",
                            "PackageSha256": "0" * 64, "AppCacheEngine": "valkey"}.items():
            self.assertEqual(file[name], {"ParameterValue": value})
        main_text = (self.generate() / "main.yaml").read_text()
        declared = re.findall(r"^  (\w+):$", main_text.split("\nParameters:\n")[1]
                              .split("\nConditions:")[0], re.MULTILINE)
        self.assertEqual(list(file), declared)

    def test_production_changes_four_and_keeps_the_rest(self):
        file = self.parameters("--phase", "production", "--web-asg-min", "2", "--web-asg-max", "6",
                               "--set", "WebLogDays=90")
        changed = {name: entry for name, entry in file.items() if "ParameterValue" in entry}
        self.assertEqual(changed, {"UseSessionCache": {"ParameterValue": "true"},
                                   "DbDeletionProtection": {"ParameterValue": "true"},
                                   "WebMin": {"ParameterValue": "2"},
                                   "WebMax": {"ParameterValue": "6"},
                                   "WebLogDays": {"ParameterValue": "90"}})
        self.assertTrue(all(entry == {"UsePreviousValue": True}
                            for name, entry in file.items() if name not in changed))

    def test_the_databases_protection_may_be_set_otherwise(self):
        for phase, value in (("install", "true"), ("production", "false")):
            file = self.parameters("--phase", phase, "--web-asg-min", "1", "--web-asg-max", "1", *SOFTWARE,
                                   "--set", f"DbDeletionProtection={value}")
            self.assertEqual(file["DbDeletionProtection"], {"ParameterValue": value})
        file = self.parameters("--phase", "install", "--without", "database", *SOFTWARE, "--set", "DbHost=db.example.org",
                               "--set", "DbPort=5432", "--set", "DbName=moodle", "--set", "DbUser=moodle",
                               "--set", "DbSecretArn=arn:aws:secretsmanager:us-east-1:123456789012:secret:x")
        self.assertNotIn("DbDeletionProtection", file)

    def test_the_numbers_may_come_from_facts(self):
        file = self.parameters("--phase", "production", "-f", "-",
                               stdin="#facts 1\nweb-asg-min=3\nweb-asg-max=3\n#end\n")
        self.assertEqual(file["WebMax"], {"ParameterValue": "3"})

    def test_what_is_missing_is_named(self):
        self.refused_with(what="the phase is missing", hint="choose --phase install or production")
        self.refused_with("--phase", "install", what="no value for PackageUrl, PackageSha256, MoodleSha256",
                          hint="give each with --set PARAMETER=VALUE")
        self.refused_with("--phase", "production", what="the wanted number of web servers is missing",
                          hint="give it with --web-asg-min and --web-asg-max")

    def test_the_combinations_that_break_a_site_are_refused(self):
        install = ["--phase", "install", *SOFTWARE]
        self.refused_with(*install, "--set", "UseSessionCache=true",
                          what="parameter UseSessionCache has to be false in this phase",
                          hint="the installation wizard does not survive session caching; switch it "
                               "on in the production phase")
        self.refused_with(*install, "--without", "session-cache",
                          "--set", "SessionCacheEndpoint=c.example.com:6379",
                          what="parameter SessionCacheEndpoint has to be empty in this phase",
                          hint="the installation wizard does not survive session caching; switch it "
                               "on in the production phase")
        self.refused_with(*install, "--set", "WebMax=2",
                          what="parameter WebMax has to be 1 in this phase",
                          hint="the installation has to stay on one web server; raise the numbers in "
                               "the production phase")
        self.refused_with(*install, "--web-asg-max", "4",
                          what="parameter WebMax has to be 1 in this phase",
                          hint="the installation has to stay on one web server; raise the numbers in "
                               "the production phase")
        self.refused_with(*install, "--set", "CertificateArn=arn:aws:acm:eu-west-1:123456789012:certificate/x",
                          what="the certificate is for a domain name, which is missing", hint="set DomainName")
        self.refused_with(*install, "--with", "cloudfront", "--set", "DomainName=a.example.org",
                          what="CloudFront needs a certificate for the domain name",
                          hint="create or import it in us-east-1, and set CloudFrontCertificateArn")
        self.refused_with(*install, "--set", "AdminSecretArn=arn:aws:secretsmanager:eu-west-1:123456789012:secret:a",
                          what="to install Moodle without a browser takes the administrator's e-mail address",
                          hint="set AdminEmail, or leave AdminSecretArn out")
        self.refused_with(*install, "--with", "dns", "--set", "HostedZoneId=Z1",
                          what="the dns component needs a domain name",
                          hint="set DomainName, or leave dns out")
        self.refused_with(*install, "--set", "AppCacheEngine=memcached",
                          what="AppCache is memcached with TLS, which Moodle does not speak",
                          hint="set AppCacheTls=false, or choose another engine")
        production = ["--phase", "production", "--without", "app-cache", "--without",
                      "session-cache", "--web-asg-min", "1", "--web-asg-max", "2"]
        self.refused_with(*production, "--set", "AppCacheEndpoint=c.example.com:6379",
                          "--set", "SessionCacheEndpoint=c.example.com:6379",
                          what="application and session caches are the same server",
                          hint="purging the application caches would log everybody out: use two")
        self.refused_with("--phase", "production", "--web-asg-min", "3", "--web-asg-max", "2",
                          what="the least number of web servers, 3, is above the most, 2")
        self.refused_with("--phase", "production", "--web-asg-min", "1", "--web-asg-max", "2",
                          "--set", "UseSessionCache=false",
                          what="parameter UseSessionCache has to be true in this phase",
                          hint="--without leaves the component out altogether")

    def test_a_certificate_for_cloudfront_outside_us_east_1_is_refused(self):
        arn = "arn:aws:acm:eu-west-1:123456789012:certificate/x"
        self.refused_with("--phase", "install", *SOFTWARE, "--with", "cloudfront",
                          "--set", f"CloudFrontCertificateArn={arn}",
                          what=f"'{arn}' is not a value for parameter CloudFrontCertificateArn: "
                               "empty, or the ARN of a certificate in us-east-1")


class Listings(StackTest):
    def test_list_says_who_gives_what_is_needed(self):
        lines = self.expect("moodle-stack", "list", out=re.compile(r"(.*\n)*")).out.splitlines()
        for line in ("vpc\tfile\tvpc.yaml\tdefault", "dns\tfile\tdns.yaml\toptional",
                     "web\tneeds\tEfsId\tefs", "web\ttakes\tSessionCacheEndpoint\tsession-cache",
                     "app-cache\tneeds\tDataSubnetIds\tvpc", "app-cache\ttakes\tAppCacheTls\t-",
                     "session-cache\tgives\tSessionCacheEndpoint\t-"):
            self.assertIn(line, lines)

    def test_a_new_template_is_a_new_component(self):
        for source in STACKS.glob("*.yaml"):
            self.write(f"more/{source.name}", source.read_bytes())
        self.write("more/home-work.yaml", "Parameters:\n  WebAsg: {Type: String}\n" + RESOURCE)
        out = self.generate("--templates", "more")
        text = (out / "main.yaml").read_text()
        self.assertIn("  HomeWork:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n"
                      "      TemplateURL: 'home-work.yaml'\n      Parameters:\n"
                      "        WebAsg: !GetAtt Web.Outputs.WebAsg\n", text)
        self.expect("moodle-stack", "lint", "-q", "out")

    def test_graph_in_both_formats(self):
        self.write("parts/a.yaml", RESOURCE + "Outputs:\n  O: {Value: x}\n  P: {Value: y}\n")
        self.write("parts/b.yaml", "Metadata: {moodle-stack: {EnabledBy: UseB}}\nParameters:\n"
                   "  O: {Type: String}\n  P: {Type: String}\n" + RESOURCE +
                   "Outputs:\n  Q: {Value: z}\n")
        self.write("parts/c.yaml", "Parameters:\n  Q: {Type: String, Default: ''}\n" + RESOURCE)
        self.expect("moodle-stack", "graph", "--templates", "parts", out=(
            "flowchart TD\n  A[a]\n  B[b]\n  C[c]\n"
            "  A -->|O<br>P| B\n  B -.->|Q| C\n"))
        self.expect("moodle-stack", "graph", "--format", "dot", "--templates", "parts", out=(
            'digraph stack {\n  node [shape=box];\n  A [label="a"];\n'
            '  B [label="b", style=dashed];\n  C [label="c"];\n'
            '  A -> B [label="O\\nP"];\n  B -> C [label="Q", style=dashed];\n}\n'))

    def test_the_readme_shows_the_picture(self):
        picture = self.expect("moodle-stack", "graph", "--with", "cloudfront", "--with", "dns",
                              out=re.compile(r"(.*\n)*")).out
        self.assertIn(f"```mermaid\n{picture}```\n", (SOURCE_DIR / "README.md").read_text())

    def test_documents_are_listed_and_printed(self):
        listed = self.expect("moodle-stack", "document", out=re.compile(r"([a-z-]+\tMoodle: .+\n)+")).out
        names = [line.split("\t")[0] for line in listed.splitlines()]
        self.assertEqual(names, ["fix-lastip", "configure-muc", "switch-sessions", "seed-efs", "check"])
        text = (STACKS / "ssm-documents.yaml").read_text()
        for name in names:
            document = json.loads(self.expect("moodle-stack", "document", name, out=re.compile(r"\{\n(.*\n)*\}\n")).out)
            self.assertEqual(document["schemaVersion"], "2.2")
            # What the stack calls it ends with its name, and every line of its script is in the template.
            self.assertIn(f"Name: !Sub '${{AWS::StackName}}-{name}'\n", text)
            for line in "\n".join(document["mainSteps"][0]["inputs"]["runCommand"]).split("\n"):
                self.assertIn(f"{' ' * 18 if line else ''}{line}\n", text)

    def test_documents_that_are_none(self):
        choice = "choose among fix-lastip, configure-muc, switch-sessions, seed-efs, check"
        self.refused("document", "nope", code=64, err=error("there is no document 'nope'", choice))
        self.write("none/a.yaml", RESOURCE)
        self.expect("moodle-stack", "document", "--templates", "none")
        self.refused("document", "a", "--templates", "none", code=64,
                     err=error("there is no document 'a'", "none of the templates creates one"))
        document = "Resources:\n  DoIt:\n    Type: AWS::SSM::Document\n    Properties:\n      Content:"
        for content, line, reason in (
                (" '{}'\n", 2, "the Content of DoIt is not a map"),
                ("\n        description: !Sub '${AWS::Region}'\n", 6,
                 "Fn::Sub stands in a document, which has to mean the same outside of a template"),
                (f"\n        description: '{'x' * 65536}'\n", 2,
                 "the document DoIt has 65560 bytes; Systems Manager takes 65536")):
            self.write("bad/a.yaml", document + content)
            self.refused("document", "do-it", "--templates", "bad", code=65, err=error(f"bad/a.yaml:{line}: {reason}"))
        self.write("bad/a.yaml", document + " {a: b}\n")
        self.write("bad/b.yaml", document + " {a: b}\n")
        self.refused("document", "do-it", "--templates", "bad", code=65,
                     err=error("bad/b.yaml:2: there is another document 'do-it'"))
        (self.dir / "bad/b.yaml").unlink()
        self.write("bad/a.yaml", document + "\n        b: 2.2\n        a: [yes, null, 'é\\']\n")
        self.expect("moodle-stack", "document", "do-it", "--templates", "bad", out=(
            '{\n  "b": "2.2",\n  "a": [\n    "yes",\n    null,\n    "é\\\\"\n  ]\n}\n'))

    def test_templates_are_found_beside_an_installed_command(self):
        share = self.dir / "usr/share/moodle-aws-toolkit/stacks"
        share.mkdir(parents=True)
        for source in STACKS.glob("*.yaml"):
            (share / source.name).write_bytes(source.read_bytes())
        (self.dir / "usr/bin").mkdir()
        command = shutil.copy(tool("moodle-stack"), self.dir / "usr/bin")
        (share / "web.yaml").unlink()
        done = subprocess.run([command, "list"], capture_output=True, text=True, check=True)
        self.assertIn("\nvpc\t", done.stdout)
        self.assertNotIn("\nweb\t", done.stdout)  # so these are the templates that it read


if __name__ == "__main__":
    main()
