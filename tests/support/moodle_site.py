"""A real, throw-away Moodle: its code from MOODLE_DIRROOT, with a database, a data folder, a config.php
and a web server of its own."""

import http.client
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse
from http.cookies import SimpleCookie
from pathlib import Path

from postgres import Postgres, free_port, wait_until

APACHE_MODULES = Path("/usr/lib/apache2/modules")

CONFIG = """<?php
unset($CFG);
global $CFG;
$CFG = new stdClass();
$CFG->dbtype    = 'pgsql';
$CFG->dblibrary = 'native';
$CFG->dbhost    = 'localhost';
$CFG->dbname    = 'moodle';
$CFG->dbuser    = 'moodle';
$CFG->dbpass    = '';
$CFG->prefix    = 'mdl_';
$CFG->dboptions = ['dbport' => {port}, 'dbsocket' => '{socket}'];
$CFG->wwwroot   = '{wwwroot}';
$CFG->dataroot  = '{dataroot}';
$CFG->directorypermissions = 02777;
require_once(__DIR__ . '/lib/setup.php');
"""

APACHE = """ServerRoot {dir}
ServerName 127.0.0.1
PidFile {dir}/apache.pid
Listen 127.0.0.1:{port}
{listen6}
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule php_module {php}
{user}
StartServers 2
MaxRequestWorkers 8
ErrorLog {dir}/error.log
LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
CustomLog {dir}/access.log combined
DocumentRoot {root}
DirectoryIndex index.php
<FilesMatch "\\.php$">
  SetHandler application/x-httpd-php
</FilesMatch>
php_admin_value max_input_vars 5000
php_admin_value opcache.revalidate_freq 0
<Directory {root}>
  Require all granted
  AcceptPathInfo On
</Directory>
"""


class MoodleSite:
    """Installs on construction (about a minute). `config` is its config.php, `access_log` the web
    server's log in the combined format; `postgres.sql()` reaches its database. `added` is a folder of
    code that is laid over Moodle's before the installation."""

    ADMIN_PASSWORD = "Throw-away-1"

    def __init__(self, added: Path | None = None):
        self.added = added
        source = os.environ.get("MOODLE_DIRROOT")
        if not source:
            raise unittest.SkipTest("MOODLE_DIRROOT names no Moodle")
        php_modules = sorted(APACHE_MODULES.glob("libphp*.so"))
        if not php_modules or not shutil.which("apache2"):
            raise unittest.SkipTest("Apache with mod_php is not installed")
        self.php_module = php_modules[-1]
        self.dir = Path(tempfile.mkdtemp(prefix="moodle-site-"))
        os.chmod(self.dir, 0o755)
        self.apache = None
        self.postgres = None
        try:
            self._set_up(Path(source))
        except BaseException:
            self.remove()
            raise

    def _set_up(self, source: Path):
        self.user = {}  # the web server's, for subprocess
        owner = None
        if os.geteuid() == 0:
            owner = pwd.getpwnam("www-data")
            self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self.port = free_port()
        self.wwwroot = f"http://127.0.0.1:{self.port}"
        self.root = self.dir / "code"
        self.dataroot = self.dir / "data"
        self.access_log = self.dir / "access.log"
        # Symbolic links will not do: PHP's __DIR__ resolves them, and finds the original config.php.
        if subprocess.run(["cp", "-al", source, self.root], stderr=subprocess.DEVNULL,
                          check=False).returncode:
            shutil.rmtree(self.root, ignore_errors=True)
            subprocess.run(["cp", "-a", "--reflink=auto", source, self.root], check=True)
        self.web = self.root / "public" if (self.root / "public/version.php").exists() else self.root
        self.config = self.root / "config.php"
        self.config.unlink(missing_ok=True)  # a hard link: writing to it would change the original
        if self.added:
            shutil.copytree(self.added, self.web, dirs_exist_ok=True)
        self.dataroot.mkdir()
        if owner:
            os.chown(self.dataroot, owner.pw_uid, owner.pw_gid)
        self.postgres = Postgres()
        self.config.write_text(CONFIG.format(port=self.postgres.port, socket=self.postgres.dir,
                                             wwwroot=self.wwwroot, dataroot=self.dataroot))
        self.cli("install_database", "--agree-license", f"--adminpass={self.ADMIN_PASSWORD}",
                 "--adminemail=admin@example.org", "--fullname=Test", "--shortname=test")
        self._serve(owner)

    def cli(self, script: str, *arguments: str) -> str:
        """Runs one of Moodle's admin/cli scripts as the web server's user."""
        return self.php(self.web / f"admin/cli/{script}.php", *arguments)

    def php(self, script: Path, *arguments: str) -> str:
        """Runs a script as the web server's user."""
        done = subprocess.run(["php", "-d", "max_input_vars=5000", script, *arguments],
                              capture_output=True, text=True, cwd=self.dir, check=False, **self.user)
        if done.returncode:
            raise AssertionError(f"{script}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def ask(self, code: str):
        """What Moodle says: runs PHP code with all of Moodle loaded, and gives the value that it
        returns."""
        script = self.dir / "ask.php"
        script.write_text(f"<?php define('CLI_SCRIPT', true); require '{self.config}';"
                          f"$answer = (function() {{ {code} }})();"
                          "echo \"\\n\", json_encode($answer, JSON_THROW_ON_ERROR);")
        return json.loads(self.php(script).splitlines()[-1])

    def _serve(self, owner):
        conf = self.dir / "apache.conf"
        conf.write_text(APACHE.format(
            dir=self.dir, port=self.port, modules=APACHE_MODULES, php=self.php_module, root=self.web,
            listen6=f"Listen [::1]:{self.port}" if Path("/proc/net/if_inet6").exists() else "",
            user="User www-data\nGroup www-data" if owner else ""))
        self.apache = subprocess.Popen(["apache2", "-f", conf, "-DFOREGROUND"], cwd=self.dir,
                                       start_new_session=True,  # it signals its whole group
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, "Apache answers")

    def _answers(self) -> bool:
        if self.apache.poll() is not None:
            raise AssertionError((self.dir / "error.log").read_text())
        try:
            Browser(self).get("/lib/ajax/index.html")
            return True
        except ConnectionError:  # refused, or reset while it starts
            return False

    def remove(self):
        try:
            if self.apache and self.apache.poll() is None:
                self.apache.terminate()
                self.apache.wait(60)
            if self.postgres:
                self.postgres.remove()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)


class Browser:
    """A browser with cookies that reaches the site from, or by, an address of its own: the site's
    REMOTE_ADDR is `source`, or with `server` "::1" that."""

    AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

    def __init__(self, site: MoodleSite, source: str = "127.0.0.1", server: str = "127.0.0.1"):
        self.site = site
        self.server = server
        self.source = None if ":" in server else (source, 0)
        self.cookies = SimpleCookie()
        self.url = ""

    def get(self, path: str) -> str:
        return self._request("GET", path, None)

    def post(self, path: str, fields: dict) -> str:
        return self._request("POST", path, urllib.parse.urlencode(fields))

    def login(self, user: str = "admin", password: str = MoodleSite.ADMIN_PASSWORD) -> bool:
        """Whether Moodle let the user in."""
        page = self.get("/login/index.php")
        token = re.search(r'name="logintoken" value="([^"]*)"', page)
        self.post("/login/index.php", {"username": user, "password": password,
                                       "logintoken": token.group(1) if token else ""})
        return "/login/" not in self.url

    def _request(self, method: str, path: str, body) -> str:
        """Follows redirects; `url` is then where it ended."""
        for _ in range(20):
            self.url = path
            connection = http.client.HTTPConnection(self.server, self.site.port, timeout=120,
                                                    source_address=self.source)
            headers = {"Host": urllib.parse.urlsplit(self.site.wwwroot).netloc,
                       "User-Agent": self.AGENT,
                       "Cookie": "; ".join(f"{m.key}={m.value}" for m in self.cookies.values())}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            page = answer.read().decode("utf-8", "replace")
            for header in answer.msg.get_all("Set-Cookie", []):
                self.cookies.load(header)
            location = answer.getheader("Location")
            connection.close()
            if answer.status not in (301, 302, 303, 307) or not location:
                return page
            parts = urllib.parse.urlsplit(urllib.parse.urljoin(self.site.wwwroot + path, location))
            path = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
            method, body = "GET", None
        raise AssertionError(f"too many redirects, the last to {path}")
