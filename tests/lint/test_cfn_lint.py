"""cfn-lint on every template, and on a covering set of generated stacks."""

import itertools
import os
import random
import shutil
import subprocess

from harness import SOURCE_DIR, CommandTest, main

COMPONENTS = ["vpc", "security-groups", "bastion", "efs", "efs-alarms", "app-cache",
              "session-cache", "alb", "database", "web", "cloudfront", "dns", "ssm-documents"]
FACTORS = {
    **{name: [True, False] for name in COMPONENTS},
    "zones": ["2", "3", "4", "5", "6"],
    "engine": [None, "memcached", "redis", "valkey"],
}
# Before `aws cloudformation package` a nested template is a local path: what W3002 says.
LOCAL_PATHS = ["--ignore-checks", "W3002"]


def find_cfn_lint():
    return os.environ.get("CFN_LINT") or shutil.which("cfn-lint")


def options(row: dict) -> list:
    """The command line of one choice of components, zones and engine."""
    words = []
    for name in COMPONENTS:
        words += ["--with" if row[name] else "--without", name]
    if row["vpc"] or row["efs"]:
        words += ["--zones", row["zones"]]
    if row["engine"] and (row["app-cache"] or row["session-cache"]):
        words += ["--cache-engine", row["engine"]]
    return words


def pairwise() -> list:
    """Rows in which every pair of values of two factors stands together at least once."""
    chance = random.Random(1)
    open_pairs = {((a, x), (b, y)) for a, b in itertools.combinations(FACTORS, 2)
                  for x in FACTORS[a] for y in FACTORS[b]}

    def covered(row):
        return {((a, row[a]), (b, row[b])) for a, b in itertools.combinations(FACTORS, 2)}

    rows = []
    while open_pairs:
        seed = min(open_pairs, key=str)
        candidates = [{name: chance.choice(values) for name, values in FACTORS.items()} | dict(seed)
                      for _ in range(60)]
        best = max(candidates, key=lambda row: len(covered(row) & open_pairs))
        open_pairs -= covered(best)
        rows.append(best)
    return [row for row in rows if any(row[name] for name in COMPONENTS)]


class CfnLint(CommandTest):
    def setUp(self):
        super().setUp()
        self.cfn_lint = find_cfn_lint()
        if not self.cfn_lint:
            if os.environ.get("CI"):
                self.fail("cfn-lint is missing: CI has to have it (CFN_LINT names it, or PATH)")
            self.skipTest("cfn-lint is missing")

    def lint(self, *files, checks):
        done = subprocess.run([self.cfn_lint, *checks, "--format", "parseable", "--",
                               *map(str, files)],
                              capture_output=True, text=True, timeout=500, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def generate(self, name, *words):
        self.expect("moodle-stack", "generate", "-q", "-o", name, *words,
                    out="#facts 1\nstack-result=changed\n#end\n")
        return self.dir / name

    def test_every_component_is_valid_on_its_own(self):
        self.lint(*sorted((SOURCE_DIR / "stacks").glob("*.yaml")),
                  checks=["--include-checks", "I"])

    def test_the_default_set_has_no_finding(self):
        self.lint(*sorted(self.generate("out").glob("*.yaml")), checks=LOCAL_PATHS)

    def test_every_component_left_out_and_every_pair_of_options(self):
        # The components are copies (test_moodle_stack.py): what is new in a set is its main.yaml.
        everything = ["--with", "cloudfront", "--with", "dns"]
        sets = [everything]
        for name in COMPONENTS:
            kept = [] if name in everything else everything
            sets.append([*kept, "--without", name])
        sets += [options(row) for row in pairwise()]
        mains = [self.generate(f"set{number}", *words) / "main.yaml"
                 for number, words in enumerate(sets)]
        self.assertGreater(len(mains), 25)
        self.lint(*mains, checks=LOCAL_PATHS)


if __name__ == "__main__":
    main()
