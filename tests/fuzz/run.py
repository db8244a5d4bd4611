"""Builds the fuzz targets with clang, or runs one of them:

    run.py BUILD-DIR build
    run.py BUILD-DIR run TARGET

FUZZ_SECONDS says for how long (20), FUZZ_SEED with which inputs (1): the tests try the same ones each
time, so that they fail for what was changed and not by chance. Seed 0 takes others, and goes on from
what was found before below BUILD-DIR. An input that breaks something is kept there, and named. Without
clang and its libFuzzer the tests are skipped, except under CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE_DIR = HERE.parents[1]
COMPILER = "clang++-14"
SKIPPED = 77


def no_fuzzer() -> str | None:
    """Why there is no libFuzzer here."""
    if not shutil.which(COMPILER):
        return f"{COMPILER} is not installed"
    program = "#include <cstddef>\nextern \"C\" int LLVMFuzzerTestOneInput(const unsigned char*, std::size_t) { return 0; }"
    done = subprocess.run([COMPILER, "-x", "c++", "-fsanitize=fuzzer,address,undefined", "-o", os.devnull, "-"],
                          input=program, text=True, check=False, capture_output=True)
    return None if done.returncode == 0 else f"{COMPILER} has no libFuzzer: install libclang-rt-14-dev"


def build(build_dir: Path) -> int:
    subprocess.run(["cmake", "-S", SOURCE_DIR, "-B", build_dir, "-G", "Ninja", "-DFUZZ=ON", "-DWARNINGS_AS_ERRORS=OFF",
                    f"-DCMAKE_CXX_COMPILER={COMPILER}"], check=True)
    # One compiler at a time: other tests run beside it.
    return subprocess.run(["cmake", "--build", build_dir, "--parallel", "1", "--target", "fuzz-targets"],
                          check=False).returncode


def run(build_dir: Path, target: str) -> int:
    found = build_dir / "found" / target
    seconds = os.environ.get("FUZZ_SECONDS", "20")
    seed = os.environ.get("FUZZ_SEED", "1")
    if seed != "0":
        shutil.rmtree(found, ignore_errors=True)
    found.mkdir(parents=True, exist_ok=True)
    return subprocess.run([build_dir / "bin" / f"fuzz-{target}", f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10",
                           "-error_exitcode=1",  # libFuzzer's own, 77, says to ctest that a test was skipped
                           "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={found}-broken-",
                           found, HERE / "corpus" / target], check=False).returncode


def main(build_dir: str, action: str, *target: str) -> int:
    if reason := no_fuzzer():
        print(f"{'FAILED' if os.environ.get('CI') else 'SKIPPED'}: {reason}", file=sys.stderr)
        return 1 if os.environ.get("CI") else SKIPPED
    return build(Path(build_dir)) if action == "build" else run(Path(build_dir), *target)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
