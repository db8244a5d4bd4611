"""moodle-discover: what it refuses before it touches the network."""

import re

from harness import CommandTest, facts, main

HINT = "moodle-discover: hint: 'moodle-discover --help' shows what it takes\n"
NOT_A_HOST = "a host holds only letters, digits, '.', '-' and '_'"


class Refusals(CommandTest):
    def refused(self, *arguments, code, message, hint="", **options):
        self.expect("moodle-discover", *arguments, code=code,
                    err=f"moodle-discover: error: {message}\n{hint}", **options)

    def test_nothing_to_ask(self):
        self.refused(code=64, message="no endpoint is given", hint=HINT)
        self.refused("-f", "-", stdin=facts("region=eu-west-1"), code=65,
                     message="the facts name no app-cache-endpoint and no session-cache-endpoint")

    def test_a_listing_and_facts_do_not_mix(self):
        hint = ("moodle-discover: hint: name it with --app-cache-endpoint or "
                "--session-cache-endpoint\n")
        message = "'h:1' is asked for a listing, which cannot be mixed with facts"
        self.refused("h:1", "-f", "-", stdin=facts(), code=64, message=message, hint=hint)
        self.refused("h:1", "--app-cache-endpoint", "g:1", code=64, message=message, hint=hint)

    def test_hostile_endpoints(self):
        for text, seen in (("a'b:1", "a'b:1"), ('a"b', 'a"b'), ("$(id):1", "$(id):1"),
                           ("a b", "a b"), ("a\nb:1", "a\\x0ab:1"), ("<?php", "<?php"),
                           ("\x1b[31m", "\\x1b[31m")):
            self.refused(text, code=64, message=f"'{seen}' is not HOST:PORT: {NOT_A_HOST}", hint=HINT)
        self.refused("--app-cache-endpoint", "$(id):1", code=64, hint=HINT,
                     message=f"--app-cache-endpoint: '$(id):1' is not HOST:PORT: {NOT_A_HOST}")

    def test_hostile_facts(self):
        self.refused("-f", "-", stdin=facts("app-cache-endpoint=$(id):1"), code=65,
                     message="in the facts: --app-cache-endpoint: '$(id):1' is not HOST:PORT: "
                             + NOT_A_HOST)
        self.refused("-f", "-", stdin=facts("session-cache-endpoint=" + "h" * 60_000), code=65,
                     message="in the facts: --session-cache-endpoint: '" + "h" * 200
                             + "… (60000 bytes in all)' is not HOST:PORT: the host has 60000 bytes; "
                               "at most 253 are allowed")
        self.expect("moodle-discover", "-f", "-", stdin=facts("app-cache-endpoint=" + "h" * 1_000_000),
                    code=65, err=re.compile(r"moodle-discover: error: .*1000000 bytes; at most 65536 "
                                            r"are allowed\n"))

    def test_a_pipe_that_stopped_early_is_not_acted_on(self):
        self.refused("-f", "-", stdin="#facts 1\napp-cache-endpoint=h:1\n", code=65,
                     message="standard input: the facts stopped early: an earlier command failed")

    def test_engines_and_tls_have_few_values(self):
        for name, value, fault in (("engine", "mongo", "'mongo' is none of memcached, redis, valkey"),
                                   ("tls", "yes", "'yes' is neither true nor false")):
            for role in ("app-cache", "session-cache"):
                option = f"--{role}-{name}"
                self.refused(option, value, code=64, message=f"{option}: {fault}", hint=HINT)
                self.refused("-f", "-", stdin=facts(f"{role}-{name}={value}"), code=65,
                             message=f"in the facts: {option}: {fault}")

    def test_options_that_mean_nothing_alone(self):
        self.refused("h:1", "--ca-file=ca.pem", code=64, message="--ca-file means nothing without TLS",
                     hint="moodle-discover: hint: add --tls\n")
        self.refused("h:1", "--user=moodle", code=64, hint=HINT,
                     message="--user means nothing without --password-file")

    def test_files_that_do_not_serve(self):
        self.refused("h:1", "--password-file=gone", code=66,
                     message="cannot read gone: No such file or directory")
        self.write("empty", "\nsecret\n")
        self.refused("h:1", "--password-file=empty", code=65,
                     message="empty has no password in its first line")
        self.refused("h:1", "--tls", "--ca-file=gone", code=66,
                     message="cannot read the CA file gone: No such file or directory")
        self.write("none.pem", "no certificate\n")
        self.refused("h:1", "--tls", "--ca-file=none.pem", code=65,
                     message="the CA file none.pem holds no certificates that can be read: no certificate or crl found",
                     hint="moodle-discover: hint: it has to be in PEM form, with "
                          "'-----BEGIN CERTIFICATE-----'\n")


if __name__ == "__main__":
    main()
