"""moodle-lastip's options; nothing here reaches a database."""

from harness import CommandTest, facts, main

HELP = "moodle-lastip: hint: 'moodle-lastip --help' shows what it takes\n"


class Options(CommandTest):
    def refuse(self, *options, err, code=64, hint=HELP, **more):
        self.expect("moodle-lastip", *options, code=code, err=f"moodle-lastip: error: {err}\n{hint}", **more)

    def test_which_database(self):
        self.refuse(err="nothing says which database: --config or --dsn is missing")
        self.refuse("--config", "c.php", "--dsn", "", err="--config and --dsn exclude each other")
        self.refuse("--config", "c.php", "--prefix", "m_", err="--prefix and --schema go with --dsn only")
        self.refuse("--config", "DIR/none", "--ip", "10.0.1.15", code=66, hint="",
                    err="cannot read DIR/none: No such file or directory")

    def test_no_password_on_the_command_line(self):
        hint = "moodle-lastip: hint: put it into a file that PGPASSFILE names (or ~/.pgpass)\n"
        for dsn in ("host=db password=x", "postgresql://moodle:x@db/moodle"):
            self.refuse("--dsn", dsn, hint=hint,
                        err="--dsn holds a password, which every user of this machine can see")
        self.refuse("--dsn", "host=db password=x y",
                    err="the value of --dsn is neither a libpq connection string nor a URI",
                    hint="moodle-lastip: hint: for example: --dsn 'host=db.example.org dbname=moodle "
                         "user=moodle'\n")

    def test_addresses(self):
        wrong = ("'alb.example.org' is not a value for {}: it takes an IPv4 or IPv6 address, without port "
                 "or zone")
        self.refuse("--dsn", "", "--ip", "alb.example.org", err=wrong.format("ip"))
        self.refuse("--dsn", "", "--alb-ip", "alb.example.org", err=wrong.format("alb-ip"))
        self.refuse("--dsn", "", "-f", "-", stdin=facts("alb-ip=alb.example.org"), code=65, hint="",
                    err=wrong.format("alb-ip"))
        self.refuse("--dsn", "", "--ip", "10.0.1.15", "--access-log", "x",
                    err="--ip and --access-log exclude each other")

    def test_modes(self):
        self.refuse("--dsn", "", "-n", "--check", err="--dry-run and --check exclude each other")
        self.refuse("--dsn", "", "--diff", err="unknown option '--diff'")
        self.refuse("--dsn", "", "--timeout", "5", err="--interval and --timeout go with --watch only")

    def test_watch(self):
        self.refuse("--dsn", "", "--watch", "--ip", "10.0.1.15", "-n",
                    err="--watch excludes --dry-run and --check")
        self.refuse("--dsn", "", "--watch", "--access-log", "-",
                    err="--watch cannot follow standard input: give a log file")
        self.refuse("--dsn", "", "--watch", err="--watch needs --access-log, --ip, or one alb-ip fact")
        self.refuse("--dsn", "", "--watch", "-f", "-", code=64,
                    stdin=facts("alb-ip=10.0.1.15", "alb-ip=10.0.2.77"),
                    err="--watch needs --access-log to choose between 10.0.1.15, 10.0.2.77")


if __name__ == "__main__":
    main()
