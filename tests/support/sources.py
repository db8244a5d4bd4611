"""The project's own source files, by kind."""

from pathlib import Path

from harness import SOURCE_DIR


def cpp_files() -> list[Path]:
    folders = ("libcommon", "tools", "tests")
    return sorted(path for folder in folders for path in (SOURCE_DIR / folder).rglob("*")
                  if path.suffix in (".cpp", ".hpp"))


def shell_scripts() -> list[Path]:
    """Every file under scripts/ and .ci/ that is bash, and no other file with a #! line for it."""
    found = sorted((SOURCE_DIR / "scripts").rglob("*.sh")) + [SOURCE_DIR / ".ci" / "run"]
    return [path for path in found if path.is_file()]
