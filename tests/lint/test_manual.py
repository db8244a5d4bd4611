"""Every command has a manual page; a page documents exactly the options that --help shows, and man
renders it without a warning."""

import os
import re
import subprocess
import unittest

from harness import SOURCE_DIR, TOOLS_DIR, main
from interface import TOOLS, long_options, verbs

PAGES = sorted((SOURCE_DIR / "man").glob("*.scd"))
BUILT = TOOLS_DIR.parent / "man"
# An option is documented by a line that starts with it: *-n*, *--dry-run*, or *--config* _FILE_.
ENTRY = re.compile(r"^\*-.*$", re.MULTILINE)
LONG_OPTION = re.compile(r"--([a-z0-9][a-z0-9-]*)")


def documented(page) -> set[str]:
    return {name for entry in ENTRY.findall(page.read_text()) for name in LONG_OPTION.findall(entry)}


class Manual(unittest.TestCase):
    def test_every_command_documents_its_options(self):
        for name in TOOLS:
            page = SOURCE_DIR / "man" / f"{name}.1.scd"
            with self.subTest(command=name):
                self.assertTrue(page.is_file(), f"there is no {page.name}")
                shown = set().union(*(long_options(name, *verb) for verb in verbs(name)))
                self.assertEqual(documented(page), shown)

    def test_every_verb_is_documented(self):
        for name in TOOLS:
            page = SOURCE_DIR / "man" / f"{name}.1.scd"
            for verb in filter(None, (" ".join(verb) for verb in verbs(name))):
                with self.subTest(command=name, verb=verb):
                    self.assertIn(f"*{verb}*", page.read_text())

    def test_every_page_of_section_1_is_of_a_command(self):
        pages = {page.name.removesuffix(".1.scd") for page in PAGES if page.name.endswith(".1.scd")}
        self.assertEqual(pages, set(TOOLS))

    def test_man_has_no_complaint(self):
        for page in PAGES:
            built = BUILT / f"man{page.stem[-1]}" / page.stem
            with self.subTest(page=page.name):
                done = subprocess.run(["man", "--warnings", "-l", built], text=True, check=False,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
                self.assertEqual((done.stderr, done.returncode), ("", 0))
                self.assertIn(page.stem.rpartition(".")[0].upper(), done.stdout.upper())


if __name__ == "__main__":
    main()
