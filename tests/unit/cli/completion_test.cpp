#include "cli/completion.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a completion proposes the options, and values where the metavar says what fits") {
  const std::string script =
      cli::bash_completion("moodle-muc", {{.name = "",
                                           .options = {{"config", "c", "FILE"},
                                                       {"output", "", "DIR"},
                                                       {"format", "", "json|shell"},
                                                       {"store", "", "NAME"},
                                                       {"check", "", ""}},
                                           .arguments = ""}});
  CHECK(has(script, "words='--config --output --format --store --check'"));
  CHECK(has(script, "--config | -c) words='' paths='default' ;;"));
  CHECK(has(script, "--output) words='' paths='dirnames' ;;"));
  CHECK(has(script, "--format) words='json shell' paths='' ;;"));
  CHECK(has(script, "--store) words='' paths='' ;;"));
  CHECK_FALSE(has(script, "--check)")); // a flag has no value
  CHECK(has(script, "complete -F _moodle_muc moodle-muc\n"));
}

TEST_CASE("a completion knows the verbs") {
  const std::string script = cli::bash_completion(
      "moodle-muc", {{.name = "show", .options = {{"config", "", "FILE"}}, .arguments = ""},
                     {.name = "set", .options = {{"check", "", ""}}, .arguments = "DIR|FILE..."}});
  CHECK(has(script, "words='show set --completion --help --version'"));
  CHECK(has(script, "    show)\n      words='--config'\n"));
  CHECK(has(script, "    set)\n      words='--check'\n"
                    "      [[ $current == -* ]] || words='' paths='default'\n"));
}

TEST_CASE("the shapes of options are in the order of the help") {
  bool flag = false;
  std::string choice;
  cli::Options options;
  options.group("First");
  options.flag("one,o", flag, "help");
  options.group("Second");
  options.choice("two", choice, {"a", "b"}, "help");
  options.group("First");
  options.flag("three", flag, "help");
  const auto shapes = options.shapes();
  REQUIRE(shapes.size() == 3);
  CHECK(shapes[0].long_name == "one");
  CHECK(shapes[0].short_name == "o");
  CHECK(shapes[0].metavar.empty());
  CHECK(shapes[1].long_name == "three");
  CHECK(shapes[2].long_name == "two");
  CHECK(shapes[2].metavar == "a|b");
}
