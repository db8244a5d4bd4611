#include "cli/error.hpp"
#include "moodle/opcache_plan.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t mib = 1U << 20U;

class Tree {
public:
  Tree() : path_(fs::temp_directory_path() / ("opcache-plan-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { fs::remove_all(path_); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

std::string value(const std::vector<moodle::OpcacheSetting>& plan, const std::string& name) {
  for (const moodle::OpcacheSetting& setting : plan) {
    if (setting.name == name) {
      return setting.value;
    }
  }
  return "(none)";
}

} // namespace

TEST_CASE("files are counted as find counts regular files") {
  const Tree tree;
  tree.write("index.php", "<?php\n");
  tree.write("mod/x/lang/en/x.php", "<?php // ten");
  tree.write("node_modules/a/b.php", "");
  tree.write(".git/hidden.php", "");
  tree.write(".php", "");
  tree.write("upper.PHP", "");
  tree.write("a.phpt", "");
  tree.write("templates/a.mustache", "");
  fs::create_directory(tree.path() / "folder.php");
  fs::create_symlink("index.php", tree.path() / "link.php");
  fs::create_directory_symlink("mod", tree.path() / "again");
  fs::create_directory_symlink(".", tree.path() / "loop");
  const moodle::PhpCode code = moodle::find_php_code(tree.path());
  std::vector<std::string> names;
  for (const std::string& path : code.paths) {
    names.push_back(fs::relative(path, tree.path()));
  }
  CHECK(names
        == std::vector<std::string>{".git/hidden.php", ".php", "index.php", "mod/x/lang/en/x.php",
                                    "node_modules/a/b.php"});
  CHECK(code.bytes == 18);
  CHECK(code.lang_bytes == 12);
  CHECK(code.largest == 12);
  CHECK(code.templates == 1);
  CHECK(code.unreadable.empty());
}

TEST_CASE("the folder itself may be a link, and has to be there") {
  const Tree tree;
  tree.write("code/a.php", "");
  fs::create_directory_symlink("code", tree.path() / "link");
  CHECK(moodle::find_php_code(tree.path() / "link").paths
        == std::vector<std::string>{(tree.path() / "code/a.php").string()});
  CHECK_THROWS_AS(moodle::find_php_code(tree.path() / "absent"), cli::Error);
}

TEST_CASE("the table of scripts has the size of one of PHP's primes") {
  CHECK(moodle::table_size(1) == 223);
  CHECK(moodle::table_size(223) == 223);
  CHECK(moodle::table_size(224) == 463);
  CHECK(moodle::table_size(10'000) == 16'229);
  CHECK(moodle::table_size(16'230) == 32'531);
  CHECK(moodle::table_size(524'522) == 1'048'793);
  CHECK(moodle::table_size(9'999'999) == 1'048'793);
}

TEST_CASE("the buffer for strings holds its table, too") {
  // Seen in opcache_get_status() of PHP 8.2 with these settings.
  CHECK(moodle::usable_strings(8) == 6 * mib);
  CHECK(moodle::usable_strings(16) == 12 * mib);
  CHECK(moodle::usable_strings(24) == 20 * mib);
  CHECK(moodle::usable_strings(100) == 84 * mib);
  CHECK(moodle::usable_strings(128) == 96 * mib);
  CHECK(moodle::usable_strings(0) == 0);
}

TEST_CASE("a plan has room for the code, and says on what ground") {
  moodle::OpcacheNeed need;
  need.files = 17'577;
  need.templates = 1255;
  need.script_bytes = 403'116'848;
  need.string_bytes = 35'643'792;
  for (const std::uint64_t headroom : {0U, 20U, 100U}) {
    CAPTURE(headroom);
    const auto plan = moodle::opcache_plan(need, {.headroom_percent = headroom});
    const std::uint64_t memory = std::stoull(value(plan, "opcache.memory_consumption")) * mib;
    const std::uint64_t buffer = std::stoull(value(plan, "opcache.interned_strings_buffer"));
    CHECK(memory - buffer * mib >= need.script_bytes * (100 + headroom) / 100);
    CHECK(memory >= moodle::planned_memory(need, plan));
    CHECK(moodle::usable_strings(buffer) >= need.string_bytes * (100 + headroom) / 100);
    const std::uint64_t files = std::stoull(value(plan, "opcache.max_accelerated_files"));
    CHECK(files == moodle::table_size(files));
    CHECK(files >= need.files);
  }
  CHECK(value(moodle::opcache_plan(need, {}), "opcache.validate_timestamps") == "1");
  CHECK(value(moodle::opcache_plan(need, {}), "opcache.revalidate_freq") == "60");
  CHECK(value(moodle::opcache_plan(need, {.revalidate_seconds = 5}), "opcache.revalidate_freq")
        == "5");
  CHECK(value(moodle::opcache_plan(need, {.immutable = true}), "opcache.validate_timestamps")
        == "0");
}

TEST_CASE("a plan is never below PHP's own defaults, nor above its limits") {
  const auto small = moodle::opcache_plan({}, {});
  CHECK(value(small, "opcache.memory_consumption") == "128");
  CHECK(value(small, "opcache.interned_strings_buffer") == "8");
  CHECK(value(small, "opcache.max_accelerated_files") == "16229");
  CHECK(value(small, "realpath_cache_size") == "4M");
  moodle::OpcacheNeed huge;
  huge.files = 2'000'000;
  CHECK(value(moodle::opcache_plan(huge, {}), "opcache.max_accelerated_files") == "1000000");
}

TEST_CASE("an estimate is by bytes, and text takes less than code") {
  moodle::PhpCode code;
  code.paths = {"/a.php"};
  code.bytes = 1'000'000;
  const moodle::OpcacheNeed all_code = moodle::estimate_need(code);
  code.lang_bytes = 1'000'000;
  const moodle::OpcacheNeed all_text = moodle::estimate_need(code);
  CHECK(all_code.files == 1);
  CHECK_FALSE(all_code.measured);
  CHECK(all_code.script_bytes > 2'000'000);
  CHECK(all_text.script_bytes < 1'000'000);
  CHECK(all_code.string_bytes == all_text.string_bytes);
}
