"""A stand-in for Moodle's code, as an archive: what a web server and the commands look at, one page, and
an installer that makes the few tables which the commands read. It says that it is a Moodle 4.1, the last
one with stores and sessions of both memcached and Redis."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

from harness import FIXTURES, SOURCE_DIR

VERSION = """<?php
defined('MOODLE_INTERNAL') || die();
$version  = 2022112810.00;
$release  = '4.1.10 (Build: 20240422)';
$branch   = '401';
$maturity = MATURITY_STABLE;
"""

# Connects as Moodle does. A page is answered only when all of config.php was right.
SETUP = r"""<?php
defined('CLI_SCRIPT') || define('CLI_SCRIPT', false);
function standin_database() {
    global $CFG;
    $quote = fn($text) => "'" . addcslashes($text, "'\\") . "'";
    return pg_connect("host=" . $quote($CFG->dbhost) . " port=" . $quote($CFG->dboptions['dbport'])
        . " dbname=" . $quote($CFG->dbname) . " user=" . $quote($CFG->dbuser)
        . " password=" . $quote($CFG->dbpass), PGSQL_CONNECT_FORCE_NEW);
}
"""

INDEX = r"""<?php
require(__DIR__ . '/config.php');
$database = standin_database();
$shared = [];
foreach (['dataroot', 'cachedir', 'tempdir', 'localcachedir'] as $name) {
    $shared[$name] = is_writable($CFG->$name);
}
header('Content-Type: application/json');
echo json_encode(['wwwroot' => $CFG->wwwroot, 'sslproxy' => $CFG->sslproxy ?? false, 'writable' => $shared,
    'code' => is_writable(__DIR__) || is_writable(__DIR__ . '/config.php'),
    'database' => pg_fetch_result(pg_query($database, 'SELECT current_user'), 0, 0),
    'tables' => pg_fetch_result(pg_query($database, "SELECT to_regclass('mdl_config') IS NOT NULL"), 0, 0),
    'address' => $_SERVER['REMOTE_ADDR'], 'path' => $_SERVER['PATH_INFO'] ?? '',
    'sapi' => PHP_SAPI, 'sessions' => $CFG->session_memcached_save_path ?? '',
    'inputs' => ini_get('max_input_vars')]);
"""

# Like Moodle's: it refuses a database with tables, takes its time, and says at the very end that it is done.
INSTALLER = r"""<?php
define('CLI_SCRIPT', true);
require(__DIR__ . '/../../config.php');
posix_geteuid() === 33 || die("not as the web server's user\n");
$options = [];
foreach (array_slice($_SERVER['argv'], 1) as $word) {
    [$name, $value] = explode('=', $word, 2) + [1 => ''];
    $options[$name] = $value;
}
$database = standin_database();
$tables = pg_query($database, "SELECT FROM pg_tables WHERE tablename LIKE 'mdl\_%'");
if (pg_num_rows($tables)) {
    fwrite(STDERR, "Database tables already present; CLI installation cannot continue.\n");
    exit(1);
}
foreach (explode(";\n", file_get_contents(__DIR__ . '/tables.sql')) as $statement) {
    if (trim($statement) !== '') {
        pg_query($database, $statement) or exit(1);
        usleep(60000);
    }
}
pg_query_params($database, "UPDATE mdl_user SET password = $1 WHERE username = 'admin'",
    [password_hash($options['--adminpass'], PASSWORD_DEFAULT)]);
@mkdir("$CFG->dataroot/muc");
copy(__DIR__ . '/muc.php', "$CFG->dataroot/muc/config.php");
pg_query($database, "INSERT INTO mdl_config (name, value) VALUES ('rolesactive', '1'), ('fullname', "
    . pg_escape_literal($options['--fullname']) . ")");
echo "Installation completed successfully.\n";
"""

COMPONENTS = '{"plugintypes": {"mod": "mod", "block": "blocks", "local": "local"}}'
PLACEHOLDER = "<?php\n// A placeholder.\n"


def files() -> dict[str, bytes]:
    tables = (SOURCE_DIR / "scripts" / "lib" / "tables.sql").read_text().replace("('rolesactive', '1'), ", "")
    found = {
        "version.php": VERSION, "index.php": INDEX, "composer.json": "{}", "lib/setup.php": SETUP,
        "lib/components.json": COMPONENTS, "admin/cli/install_database.php": INSTALLER,
        "admin/cli/tables.sql": tables, "admin/cli/cron.php": "<?php\n",
        "admin/cli/muc.php": (FIXTURES / "muc" / "moodle-4.1-before.php").read_bytes(),
        "theme/style.css": "body {}\n", "mod/upgrade.txt": "", "blocks/upgrade.txt": "", "local/upgrade.txt": "",
    }
    for store in ("file", "memcached", "redis", "session", "static"):
        found[f"cache/stores/{store}/lib.php"] = PLACEHOLDER
    for handler in ("database", "file", "memcached", "redis"):
        found[f"lib/classes/session/{handler}.php"] = PLACEHOLDER
    return {name: content if isinstance(content, bytes) else content.encode() for name, content in found.items()}


def moodle_archive(path: Path) -> str:
    """Writes the .tgz, and returns its SHA-256."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files().items():
            member = tarfile.TarInfo(f"moodle/{name}")
            # As whoever packed it had it: not how it may be on a web server.
            member.size, member.mode, member.uid, member.gid = len(content), 0o666, 1000, 1000
            archive.addfile(member, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def plugin_archive(path: Path, name: str) -> str:
    """Writes a .zip with one plugin, as the plugins directory has them, and returns its SHA-256."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/version.php", f"<?php\n$plugin->component = 'local_{name}';\n")
        archive.writestr(f"{name}/lib.php", "<?php\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()
