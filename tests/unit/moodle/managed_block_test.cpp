#include "cli/error.hpp"
#include "moodle/managed_block.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>

using moodle::ManagedBlock;

namespace {

constexpr std::chrono::milliseconds patience{60'000};
constexpr const char* path = "/tmp/site/config.php";

struct Fixture {
  php::Runtime php{patience};
  ManagedBlock block{"unit"};

  std::string insert(const std::string& content) {
    return block.insert(php, path, content, moodle::evaluate_config(php, path, content),
                        {"$CFG->x = 1;"});
  }
  std::string strip(const std::string& content) { return block.strip(php, path, content); }
};

const std::string begin =
    "// unit: begin. These lines belong to unit(1); 'unit unset' removes them.";
const std::string head = "<?php\n$CFG = new stdClass();\n";
const std::string require = "require_once(__DIR__ . '/lib/setup.php');\n";

} // namespace

TEST_CASE_FIXTURE(Fixture, "the block stands before the statement that requires lib/setup.php") {
  const std::string lines = begin + "\n$CFG->x = 1;\n// unit: end.\n";
  CHECK(insert(head + require) == head + lines + require);
  CHECK(insert(head + "  if (true) " + require) == head + lines + "  if (true) " + require);
  CHECK(insert(head + "/* a */ " + require) == head + "/* a */ " + lines + require);
  for (const std::string before :
       {"if (\"{$CFG->a}\" === '') ", "echo \"${a}\", ", "if (<<<X\n{$a};\nX === ';') "}) {
    const std::string given = "$a = $CFG->a = '';\n";
    CAPTURE(before);
    CHECK(insert(head + given + before + require) == head + given + lines + before + require);
  }
  CHECK(insert("<?php $CFG = new stdClass(); " + require)
        == "<?php $CFG = new stdClass(); " + lines + require);
  CHECK(insert(head + "?>\n<?php\n?>\n<?php\n" + require + "require 'x';\n")
        == head + "?>\n<?php\n?>\n<?php\n" + lines + require + "require 'x';\n");
}

TEST_CASE_FIXTURE(Fixture, "the block has the file's line ends") {
  std::string windows = "<?php\r\n$CFG = new stdClass();\r\nrequire 'lib/setup.php';\r\n";
  const std::string with = insert(windows);
  CHECK(with.find("$CFG->x = 1;\r\n// unit: end.\r\nrequire") != std::string::npos);
  CHECK(strip(with) == windows);
}

TEST_CASE_FIXTURE(Fixture, "what only looks like the block is left alone") {
  for (const std::string& text :
       {std::string("$x = '\n// unit: begin\n// unit: end.\n';\n"),
        "/*\n" + begin + "\n// unit: end.\n*/\n", std::string("# unit: end.\n"),
        std::string("// unit: begin of something\n"), "$x = <<<X\n" + begin + "\nX;\n"}) {
    CAPTURE(text);
    CHECK(strip(head + text + require) == head + text + require);
    CHECK(strip(insert(head + text + require)) == head + text + require);
  }
}

TEST_CASE_FIXTURE(Fixture, "a block that somebody changed is refused") {
  for (const std::string& text :
       {begin + "\n", std::string("// unit: end.\n"), begin + "\n" + begin + "\n// unit: end.\n",
        begin + "\n// unit: end.\n// unit: end.\n", "// unit: end.\n" + begin + "\n"}) {
    CAPTURE(text);
    try {
      strip(head + text + require);
      FAIL("not refused");
    } catch (const cli::Error& error) {
      CHECK(error.code() == cli::ExitCode::data);
      CHECK(error.message().starts_with("/tmp/site/config.php: line "));
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "literals mean in PHP what they were made from") {
  std::minstd_rand random(1);
  const std::string characters = "'\\\\\\''n$a{?>\n\"";
  std::vector<std::string> texts{
      "", "\\", "'", "\\'", "\\\\", "a\\", "?>", "<?php", std::string("\0", 1)};
  for (int i = 0; i < 300; ++i) {
    std::string& text = texts.emplace_back();
    for (auto length = random() % 8; length > 0; --length) {
      text += characters[random() % characters.size()];
    }
  }
  std::string script = "<?php $CFG = [";
  for (const std::string& text : texts) {
    script += moodle::php_literal(text) + ",";
  }
  const php::Run run = php.run({.path = path,
                                .content = script + "];",
                                .stop_at = {},
                                .stop_marker = {},
                                .constants = {},
                                .variables = {"CFG"}});
  REQUIRE(run.end == php::Run::End::finished);
  const auto& seen = run.variables.find("CFG")->array()->entries;
  REQUIRE(seen.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CHECK(*seen[i].second.string() == texts[i]);
  }
}

TEST_CASE("numbers as PHP literals") {
  CHECK(moodle::php_literal(-1) == "-1");
  CHECK(moodle::php_literal(std::numeric_limits<std::int64_t>::min()) == "PHP_INT_MIN");
}
