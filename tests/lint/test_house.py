"""The one dependency rule: a libcommon folder includes only itself and the folders above it in
libcommon/CMakeLists.txt, and no folder includes a tool's files."""

import re
import unittest

from harness import SOURCE_DIR, main
from sources import cpp_files

LIBCOMMON = SOURCE_DIR / "libcommon"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def order() -> list[str]:
    """The folders, top first."""
    text = (LIBCOMMON / "CMakeLists.txt").read_text()
    return re.findall(r"^\s*common_library\((\w+)", text, re.MULTILINE)


class House(unittest.TestCase):
    def test_every_folder_is_in_the_order(self):
        folders = {path.name for path in LIBCOMMON.iterdir() if path.is_dir()}
        self.assertEqual(folders, set(order()))

    def test_nobody_includes_downwards(self):
        folders = order()
        for path in cpp_files():
            if not path.is_relative_to(LIBCOMMON):
                continue
            own = path.relative_to(LIBCOMMON).parts[0]
            for include in INCLUDE.findall(path.read_text()):
                with self.subTest(file=str(path.relative_to(SOURCE_DIR)), include=include):
                    self.assertIn("/", include, "an include names its folder")
                    used = include.split("/")[0]
                    self.assertIn(used, folders)
                    self.assertLessEqual(folders.index(used), folders.index(own))

    def test_libraries_have_one_namespace(self):
        for path in cpp_files():
            if not path.is_relative_to(LIBCOMMON) or path.suffix != ".hpp":
                continue
            own = path.relative_to(LIBCOMMON).parts[0]
            with self.subTest(file=str(path.relative_to(SOURCE_DIR))):
                self.assertRegex(path.read_text(), rf"(?m)^namespace {own}\b")

    def test_zend_and_pqxx_are_seen_in_one_folder_each(self):
        homes = {"php": r"<(sapi/embed|zend|Zend|main/php|php)[^>]*>", "database": r"<pqxx[^>]*>"}
        for folder, header in homes.items():
            includes = re.compile(rf"^\s*#\s*include\s+{header}", re.MULTILINE)
            for path in cpp_files():
                if path.is_relative_to(LIBCOMMON / folder) or path.is_relative_to(SOURCE_DIR / "tests"):
                    continue
                with self.subTest(file=str(path.relative_to(SOURCE_DIR)), home=folder):
                    self.assertNotRegex(path.read_text(), includes)


if __name__ == "__main__":
    main()
