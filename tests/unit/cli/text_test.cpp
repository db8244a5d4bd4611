#include "cli/text.hpp"

#include <doctest/doctest.h>

TEST_CASE("a word for a shell is quoted only where it has to be") {
  CHECK(cli::shell_word("/var/www/moodle/html/config.php") == "/var/www/moodle/html/config.php");
  CHECK(cli::shell_word("10.0.0.1:11211") == "10.0.0.1:11211");
  CHECK(cli::shell_word("") == "''");
  CHECK(cli::shell_word("a b") == "'a b'");
  CHECK(cli::shell_word("$(x)") == "'$(x)'");
  CHECK(cli::shell_word("it's") == R"('it'\''s')");
  CHECK(cli::shell_word("~root") == "'~root'");
  CHECK(cli::shell_quoted("plain") == "'plain'");
}
