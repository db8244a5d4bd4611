"""Commands that only write down that they were called, on a PATH of their own."""

from pathlib import Path

SYSTEM = "/usr/bin:/bin"
SYSTEMD = """case $1 in
  list-units) echo 'php8.2-fpm.service loaded active running The PHP 8.2 FastCGI Process Manager' ;;
esac
"""


class Stubs:
    """A folder of commands. Each appends its name and arguments to `log`, a line each, and then does
    what its `body`, in sh, says."""

    def __init__(self, folder: Path, *names: str):
        self.folder = folder
        self.log = folder / "calls.log"
        folder.mkdir()
        for name in names:
            self.add(name)

    def add(self, name: str, body: str = ""):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >>'{self.log}'\n{body}")
        path.chmod(0o755)

    def link(self, command: str):
        (self.folder / Path(command).name).symlink_to(command)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def path(self) -> str:
        return f"{self.folder}:{SYSTEM}"
