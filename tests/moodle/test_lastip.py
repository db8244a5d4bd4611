"""moodle-lastip against a real Moodle, its database and its web server."""

import json
import re
import subprocess
import unittest

from harness import CommandTest, main, tool
from moodle_site import Browser, MoodleSite
from postgres import wait_until

REFUSAL = "Installation must be finished from the original IP address"


class RealMoodle(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.site = MoodleSite()
        cls.addClassCleanup(cls.site.remove)

    def make_pending(self):
        """The state after the wizard created the tables from another address."""
        self.site.postgres.sql(
            "UPDATE mdl_user SET password = 'adminsetuppending', lastip = '10.9.9.9' WHERE id = 2;"
            "DELETE FROM mdl_config WHERE name = 'adminsetuppending';"
            "INSERT INTO mdl_config (name, value) VALUES ('adminsetuppending', '1')")
        self.site.cli("purge_caches")

    def finish(self):
        self.site.postgres.sql("UPDATE mdl_user SET password = 'set' WHERE id = 2")

    def assertRefused(self, browser):
        self.assertIn(REFUSAL, browser.get("/admin/index.php"))

    def assertLetIn(self, browser):
        page = browser.get("/admin/index.php")
        self.assertNotIn(REFUSAL, page)
        self.assertTrue(browser.url.startswith("/user/editadvanced.php?id=2"), browser.url)

    def test_the_page_lets_in_after_the_address_came_from_the_log(self):
        self.make_pending()
        self.assertRefused(Browser(self.site, "127.0.0.5"))
        self.expect("moodle-lastip", "--config", self.site.config, "--access-log",
                    self.site.access_log, out="#facts 1\nlastip-result=changed\n#end\n",
                    err="moodle-lastip: lastip of user 2 ('admin') in mdl_user set to 127.0.0.5 "
                        "(was '10.9.9.9')\n")
        self.assertRefused(Browser(self.site, "127.0.0.6"))
        self.assertLetIn(Browser(self.site, "127.0.0.5"))

    def test_the_page_lets_in_over_ipv6(self):
        self.make_pending()
        browser = Browser(self.site, server="::1")
        try:
            self.assertRefused(browser)
        except OSError as error:
            self.skipTest(f"no IPv6 loopback: {error}")
        self.expect("moodle-lastip", "--config", self.site.config, "--ip", "::1",
                    out="#facts 1\nlastip-result=changed\n#end\n", err=re.compile(".*\n"))
        self.assertLetIn(Browser(self.site, server="::1"))

    def test_watching_lets_every_address_in_and_ends_with_the_installation(self):
        self.make_pending()
        watch = subprocess.Popen(
            [tool("moodle-lastip"), "--config", self.site.config, "--access-log",
             self.site.access_log, "--watch", "--interval", "0.05", "--timeout", "300"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: watch.poll() is None and watch.kill())
        for address in ("127.0.0.7", "127.0.0.8", "127.0.0.7"):
            Browser(self.site, address).get("/admin/index.php")
            wait_until(lambda a=address: self.site.postgres.sql(
                "SELECT lastip FROM mdl_user WHERE id = 2") == a, f"lastip is {address}")
            self.assertLetIn(Browser(self.site, address))
        self.finish()
        out, err = watch.communicate(timeout=60)
        self.assertEqual((watch.returncode, out),
                         (0, "#facts 1\nlastip-result=changed\n#end\n"), err)

    def test_addresses_are_written_as_moodle_compares_them(self):
        addresses = ["10.0.1.15", "::1", "2001:db8::1", "2001:DB8:0:0:1::1", "fe80::a:b:c:d",
                     "::ffff:10.0.1.15", "::10.0.1.15", "::ffff:255.0.16.1", "1::", "64:ff9b::a00:1",
                     "1:2:3:4:5:6:7:8", "0:0:1::"]
        script = self.write("clean.php", "<?php define('CLI_SCRIPT', true);"
                            f"require '{self.site.config}';"
                            "foreach (json_decode($argv[1]) as $a) {"
                            "$_SERVER['REMOTE_ADDR'] = inet_ntop(inet_pton($a));"
                            "echo getremoteaddr(), PHP_EOL; }")
        wanted = subprocess.run(["php", script, json.dumps(addresses)], check=True, text=True,
                                capture_output=True).stdout.split()
        self.assertEqual(len(wanted), len(addresses))
        self.make_pending()
        for address, moodle in zip(addresses, wanted):
            self.expect("moodle-lastip", "--config", self.site.config, "--ip", address,
                        out="#facts 1\nlastip-result=changed\n#end\n", err=re.compile(".*\n"))
            self.assertEqual(self.site.postgres.sql("SELECT lastip FROM mdl_user WHERE id = 2"),
                             moodle, address)


if __name__ == "__main__":
    main()
