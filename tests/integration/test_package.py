"""The Debian package, in a Debian 12 that has nothing else: it installs, every command runs, the manual
and the completion are there, it can be upgraded, and a purge leaves nothing. lintian is content, or
there would be no package (scripts/package.sh)."""

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import debian
from harness import FIXTURES, SOURCE_DIR, TOOLS_DIR, CommandTest, facts, main
from interface import TOOLS, help_text

NAME = "moodle-aws-toolkit"
SHELL = debian.Layer("shell", lambda root: root.install("man-db", "bash-completion"))
SITE = {
    "html/version.php": "<?php\n$release = '4.1.10 (Build: 20240422)';\n",
    "html/lib/setup.php": "<?php\n",
    "html/cache/stores/memcached/lib.php": "<?php\n",
    "html/config.php": "<?php\n$CFG = new stdClass();\n$CFG->dataroot = '/srv/site/data';\n"
                       "$CFG->wwwroot = 'https://moodle.example.org';\n$CFG->dbtype = 'pgsql';\n"
                       "$CFG->dbhost = '127.0.0.1';\n$CFG->dbname = 'moodle';\n$CFG->dbuser = 'moodle';\n"
                       "$CFG->dbpass = '';\n$CFG->prefix = 'mdl_';\n"
                       "require_once(__DIR__ . '/lib/setup.php');\n",
}
# Files that a package manager keeps for itself: what was installed when, caches, logs. The last two are
# ldconfig's, which links a library's own name to its file and leaves that link behind.
BOOKKEEPING = re.compile(r"/(tmp|proc|dev|sys|run)(/|$)|/var/(cache|log)(/|$)|/var/lib/(apt|dpkg)(/|$)|"
                         r"/etc/ld\.so\.cache$|/usr/lib/libphp\.so$")


class PackageTest(CommandTest):
    @classmethod
    def setUpClass(cls):
        debian.skip_unless_available()
        if "SANITIZE:BOOL=ON" in (TOOLS_DIR.parent / "CMakeCache.txt").read_text():
            cls.skipTest(cls, "a build with sanitizers is not packed")
        folder = tempfile.mkdtemp(prefix="moodle-aws-toolkit-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.deb = debian.package(Path(folder))
        cls.layer = debian.with_package(cls.deb, SHELL)

    def enter(self, layer=None) -> debian.Root:
        """A root that is closed when the test ends."""
        return self.enterContext(debian.root(layer or self.layer))

    def other_version(self, version: str) -> Path:
        """The same package, as if it were of that version."""
        folder = self.dir / "unpacked"
        subprocess.run(["dpkg-deb", "--raw-extract", self.deb, folder], check=True)
        control = folder / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
        deb = self.dir / f"{version}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", folder, deb], check=True,
                       capture_output=True)
        return deb


class Content(PackageTest):
    def test_packing_again_gives_the_same_bytes(self):
        second = self.dir / "second"
        epoch = subprocess.run(["git", "-C", SOURCE_DIR, "log", "-1", "--format=%ct"], capture_output=True,
                               text=True, check=False).stdout.strip()
        if not epoch:
            self.skipTest("no commit gives the package its date")
        subprocess.run(["cpack", "-G", "DEB", "-B", second], cwd=TOOLS_DIR.parent, check=True,
                       capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": epoch}, timeout=120)
        self.assertEqual((second / self.deb.name).read_bytes(), self.deb.read_bytes())

    def test_it_brings_what_the_commands_need_and_no_more(self):
        listed = subprocess.run(["dpkg-deb", "--contents", self.deb], check=True, capture_output=True,
                                text=True).stdout
        files = {line.split(None, 5)[5].split(" -> ")[0].removeprefix(".") for line in listed.splitlines()
                 if not line.startswith("d")}
        for name in TOOLS:
            for path in (f"/usr/bin/{name}", f"/usr/share/man/man1/{name}.1.gz",
                         f"/usr/share/bash-completion/completions/{name}"):
                self.assertIn(path, files)
        for template in (SOURCE_DIR / "stacks").glob("*.yaml"):
            self.assertIn(f"/usr/share/{NAME}/stacks/{template.name}", files)
        expected = re.compile(rf"/usr/bin/({'|'.join(TOOLS)})|/usr/share/(man/man[17]/.*\.gz|"
                              rf"bash-completion/completions/moodle-.*|{NAME}/(stacks|scripts|documents)/.*|"
                              rf"doc/{NAME}/(copyright|changelog\.Debian\.gz)|lintian/overrides/{NAME})")
        self.assertEqual({path for path in files if not expected.fullmatch(path)}, set())
        self.assertEqual({line.split()[1] for line in listed.splitlines()}, {"root/root"})


class Installed(PackageTest):
    def test_every_command_runs(self):
        root = self.enter()
        for name in TOOLS:
            with self.subTest(command=name):
                self.assertEqual(root.run(["ldd", f"/usr/bin/{name}"]).out.count("not found"), 0)
                version = root.run([name, "--version"])
                self.assertRegex(version.out, rf"^{name} \({NAME}\) [0-9.]+\n$")
                self.assertEqual(version.err, "")
                self.assertEqual(root.run([name, "--help"]).out, help_text(name))

    def test_templates_are_found(self):
        root = self.enter()
        listed = root.run(["moodle-stack", "list"])
        self.assertIn("efs-alarms", listed.out)
        generated = root.run(["moodle-stack", "generate", "-q", "-o", "/srv/out"])
        self.assertEqual((generated.out, generated.err), (facts("stack-result=changed"), ""))
        self.assertTrue((root.path / "srv/out/main.yaml").is_file())
        root.run(["moodle-stack", "lint", "/srv/out"])

    def test_facts_of_a_document(self):
        root = self.enter()
        document = (FIXTURES / "aws/describe-stacks-ours.json").read_text()
        got = root.run(["moodle-facts", "-"], stdin=document)
        self.assertEqual(got.out, self.run_tool("moodle-facts", "-", stdin=document).out)
        self.assertIn("\napp-cache-endpoint=", got.out)

    def test_caches_of_a_site(self):
        """With the PHP that the package depends on, and nothing of PHP beside it."""
        root = self.enter()
        for name, text in SITE.items():
            path = root.path / "srv/site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        muc = root.path / "srv/site/data/muc/config.php"
        muc.parent.mkdir(parents=True)
        shutil.copyfile(FIXTURES / "muc/moodle-4.1-before.php", muc)
        command = ["moodle-muc", "set", "--config", "/srv/site/html/config.php", "--servers", "endpoint",
                   "--no-probe", "--app-cache-endpoint", "127.0.0.1:11311"]
        difference = root.run([*command, "--diff"])
        self.assertRegex(difference.out, r"^--- .*\n\+\+\+ .*\n@@ ")
        self.assertEqual(root.run(command).out, facts("muc-result=changed"))
        self.assertEqual(root.run(command).out, facts("muc-result=unchanged"))
        self.assertIn("'elasticache'", muc.read_text())

    def test_manual(self):
        root = self.enter()
        pages = [(name, "1") for name in TOOLS] + [("moodle-facts", "7"), (NAME, "7")]
        for name, section in pages:
            with self.subTest(page=f"{name}({section})"):
                shown = root.run(["man", section, name], env={"MANPAGER": "cat", "MANWIDTH": "100"})
                self.assertEqual(shown.err, "")
                self.assertRegex(shown.out, rf"(?s)NAME\n +{name} - .*\nDESCRIPTION\n")

    def test_completion_in_a_shell(self):
        """Keys on a terminal, and what bash makes of them."""
        root = self.enter()
        (root.path / "srv/somewhere-else").write_text("")
        shell = Terminal(root, ["bash", "--norc", "-i"])
        self.addCleanup(shell.close)
        shell.type("PS1=''; source /usr/share/bash-completion/bash_completion; echo loaded | tr a-z A-Z\n")
        shell.read_until("LOADED")
        for typed, completed in (("moodle-disc", "moodle-discover "),
                                 ("moodle-muc sho", "moodle-muc show "),
                                 ("moodle-muc set --app-cache-eng", "moodle-muc set --app-cache-engine "),
                                 ("moodle-facts --format sh", "moodle-facts --format shell "),
                                 ("moodle-facts --format=sh", "moodle-facts --format=shell "),
                                 ("moodle-muc show --config /srv/some", "moodle-muc show --config /srv/somewhere-else "),
                                 ("moodle-stack generate -o /sr", "moodle-stack generate -o /srv/")):
            with self.subTest(typed=typed):
                # ^A and ^K take the completed line and print it, in place of running it.
                shell.type(f"{typed}\t")
                shell.type("\x01printf '<%s>\\n' '\x05'\n")
                self.assertIn(f"<{completed}>", shell.read_until(">\r\n", start="\r\n<"))

    def test_scripts_are_whole(self):
        """Bash can read each, and what a script sources by a fixed name is there."""
        root = self.enter()
        folder = root.path / f"usr/share/{NAME}/scripts"
        for script in sorted(folder.rglob("*.sh")):
            inside = f"/usr/share/{NAME}/scripts/{script.relative_to(folder)}"
            with self.subTest(script=inside):
                root.run(["bash", "-n", inside])
                self.assertEqual(os.access(script, os.X_OK), script.parent == folder)
                for part in re.findall(r"^\s*source .*?/([\w-]+/[\w-]+\.sh)", script.read_text(), re.MULTILINE):
                    self.assertTrue((folder / part).is_file(), f"{part} is not in the package")


class Changes(PackageTest):
    def test_upgrade_and_installing_again(self):
        root = self.enter()
        before = self.tree(root)
        for deb, version in ((self.deb, None), (self.other_version("0.99-1"), "0.99-1")):
            shutil.copy2(deb, root.path / "tmp")
            root.run(["apt-get", "install", "-y", "--reinstall", f"/tmp/{deb.name}"])
            shown = root.run(["dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", NAME]).out
            self.assertRegex(shown, rf"^{re.escape(version)} ii" if version else r"^\S+ ii")
            self.assertEqual(self.tree(root), before)
        self.assertEqual(root.run(["dpkg", "--verify", NAME]).out, "")
        self.assertEqual(root.run(["dpkg", "--audit"]).out, "")

    def test_a_purge_leaves_nothing(self):
        without = self.tree(self.enter(SHELL))
        root = self.enter()
        self.assertIn("/usr/bin/moodle-muc", self.tree(root))
        purged = root.run(["apt-get", "purge", "-y", NAME])
        self.assertNotIn("not empty", purged.out + purged.err)
        self.assertEqual(root.run(["dpkg-query", "-L", NAME], check=False).code, 1)
        self.assertEqual([path for path in self.tree(root) if NAME in path or path.startswith("/usr/bin/moodle-")], [])
        # What the packages it depends on leave behind is theirs, but none does.
        root.run(["apt-get", "autoremove", "--purge", "-y", "-o", "APT::AutoRemove::RecommendsImportant=false",
                  "-o", "APT::AutoRemove::SuggestsImportant=false"])
        self.assertEqual(self.tree(root) ^ without, set())

    def tree(self, root) -> set[str]:
        listed = root.run(["find", "/", "-xdev", "-print0"]).out
        return {path for path in listed.split("\0") if path and not BOOKKEEPING.match(path)}


class Terminal:
    """A command inside a root, on a terminal of its own."""

    def __init__(self, root, argv):
        self._root = root
        self._end, far_end = pty.openpty()
        self._process = root.popen(argv, stdin=far_end, stdout=far_end, stderr=far_end, env={"TERM": "dumb"})
        os.close(far_end)

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def read_until(self, end: str, start: str = "", seconds: float = 30) -> str:
        """What appears up to `end` behind `start`."""
        seen, deadline = "", time.monotonic() + seconds
        while end not in seen.partition(start)[2] if start else end not in seen:
            ready, _, _ = select.select([self._end], [], [], deadline - time.monotonic())
            if not ready:
                raise AssertionError(f"no {end!r} within {seconds} s, but {seen!r}")
            seen += os.read(self._end, 65536).decode()
        return seen

    def close(self) -> None:
        self._root.kill(self._process)
        os.close(self._end)


if __name__ == "__main__":
    main()
