<?php
// install-moodle.php HTML EMAIL FULLNAME SHORTNAME, as the web server's user: runs Moodle's installer
// admin/cli/install_database.php with the administrator's password from standard input. The installer
// itself takes it as an argument, where everybody on the host could read it.
[, $html, $email, $fullname, $shortname] = $argv;
$password = stream_get_contents(STDIN);
if ($password === '' || $password === false) {
    fwrite(STDERR, "there is no password on standard input\n");
    exit(64);
}
$installer = is_file("$html/admin/cli/install_database.php")
    ? "$html/admin/cli/install_database.php" : "$html/public/admin/cli/install_database.php";
$_SERVER['argv'] = $argv = [$installer, '--agree-license', "--adminpass=$password", "--adminemail=$email",
    "--fullname=$fullname", "--shortname=$shortname"];
$_SERVER['argc'] = $argc = count($argv);
unset($html, $email, $fullname, $shortname, $password);
require($installer);
