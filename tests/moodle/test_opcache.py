"""moodle-opcache on a real Moodle: the number of files is exact, and the memory is what PHP-FPM reports
when it runs with the planned settings and has compiled all of them."""

import os
import subprocess
import unittest
from pathlib import Path

from fpm import PHP_FPM, Fpm
from harness import CommandTest, main

CODE = os.environ.get("MOODLE_DIRROOT")


@unittest.skipUnless(CODE, "MOODLE_DIRROOT names no Moodle")
@unittest.skipUnless(PHP_FPM, "php-fpm8.2 is not installed")
class RealMoodle(CommandTest):
    def test_plan(self):
        code = Path(CODE)
        root = code / "public" if (code / "public/version.php").exists() else code
        config = self.write("config.php", f"<?php $CFG = new stdClass(); require '{root}/lib/setup.php';\n")
        found = subprocess.run(["find", root, "-name", "*.php", "-type", "f", "-print0"], check=True,
                               capture_output=True).stdout.decode("utf-8", "surrogateescape")
        files = [name for name in found.split("\0") if name]
        estimated = self.plan(config)
        self.assertEqual(estimated["opcache-need"], "estimated")
        plan = self.plan(config, "--measure", "--sapi", "fpm")
        self.assertEqual(plan["opcache-need"], "measured")
        for one in (estimated, plan):
            self.assertEqual(one["opcache-files"], str(len(files)))
        names = ("memory-consumption", "interned-strings-buffer", "max-accelerated-files")
        fpm = Fpm(self.dir / "fpm", {f"opcache.{name.replace('-', '_')}": plan[f"opcache-{name}"] for name in names}
                  | {"opcache.file_update_protection": "0"})
        try:
            status = fpm.compile(files)
        finally:
            fpm.stop()
        reported = status["memory_usage"]["used_memory"]
        ratios = {kind: int(one["opcache-used-bytes"]) / reported
                  for kind, one in (("measured", plan), ("estimated", estimated))}
        print(f"{len(files)} files, PHP-FPM uses {reported} bytes; "
              + ", ".join(f"{kind} {ratio:.4f} x" for kind, ratio in ratios.items()))
        self.assertFalse(status["cache_full"], "the plan's settings have room for all")
        self.assertEqual(status["opcache_statistics"]["oom_restarts"], 0)
        self.assertAlmostEqual(ratios["measured"], 1, delta=0.01)
        self.assertEqual(str(len(status["failed"])), plan["opcache-failed"])
        # The test's own script is the one more.
        self.assertEqual(status["opcache_statistics"]["num_cached_scripts"], int(plan["opcache-scripts"]) + 1)
        self.assertGreater(status["interned_strings_usage"]["free_memory"], 0)
        self.assertAlmostEqual(ratios["estimated"], 1, delta=0.4)

    def plan(self, config, *options) -> dict:
        result = self.run_tool("moodle-opcache", "plan", "--config", config, *options, timeout=900)
        self.assertEqual(result.code, 0, result.err)
        self.assertNotIn("warning", result.err)
        return dict(line.split("=", 1) for line in result.out.splitlines() if "=" in line)


if __name__ == "__main__":
    main()
