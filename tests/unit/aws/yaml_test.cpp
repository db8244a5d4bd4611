#include "aws/yaml.hpp"
#include "cli/error.hpp"

#include <doctest/doctest.h>

namespace {

std::string failure(const std::string& text) {
  try {
    (void)aws::Document::parse(text, "t.yaml");
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    return error.message();
  }
  return "";
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

} // namespace

TEST_CASE("a short tag is the long form, and every value knows its line") {
  const auto document = aws::Document::parse(
      "A: !Sub 'x'\nB:\n  - !Ref C\n  - !If [D, !GetAtt E.F, '']\nG: {\"Fn::Sub\": y}\n", "t");
  const aws::YamlNode& root = document.root();
  CHECK(root.find("A")->text_of("Fn::Sub") == "x");
  CHECK(root.find("B")->items[0]->text_of("Ref") == "C");
  const aws::YamlNode& choice = *root.find("B")->items[1]->find("Fn::If");
  CHECK(choice.items[1]->text_of("Fn::GetAtt") == "E.F");
  CHECK(choice.items[1]->line == 4);
  CHECK(root.find("G")->text_of("Fn::Sub") == "y");
  CHECK(root.find("nothing") == nullptr);
}

TEST_CASE("JSON is read as well, tabs and all") {
  const auto document =
      aws::Document::parse("{\n\t\"A\": {\n\t\t\"B\": [1,\t\"2\"]\n\t}\n}\n", "t");
  const aws::YamlNode& list = *document.root().find("A")->find("B");
  REQUIRE(list.items.size() == 2);
  CHECK(list.items[1]->text == "2");
  CHECK(list.items[1]->line == 3);
}

TEST_CASE("an unquoted boolean is the text that CloudFormation makes of it") {
  const auto document = aws::Document::parse("A: True\nB: 'True'\nC: FALSE\n", "t");
  CHECK(document.root().text_of("A") == "true");
  CHECK(document.root().text_of("B") == "True");
  CHECK(document.root().text_of("C") == "false");
}

TEST_CASE("a tagged block scalar may stand as far left as its tag") {
  const auto document = aws::Document::parse("A:\n"
                                             "  - !Sub |\n"
                                             "    one\n"
                                             "\n"
                                             "      two\n"
                                             "  - &x >-\n"
                                             "   three\n"
                                             "  - four\n"
                                             "B:\n"
                                             "  !Sub |\n"
                                             "  #!/bin/sh\n"
                                             "  five\n"
                                             "C: 1\n",
                                             "t");
  const auto& items = document.root().find("A")->items;
  REQUIRE(items.size() == 3);
  CHECK(items[0]->text_of("Fn::Sub") == "one\n\n  two\n");
  CHECK(items[1]->text == "three");
  CHECK(items[2]->text == "four");
  CHECK(document.root().find("B")->text_of("Fn::Sub") == "#!/bin/sh\nfive\n");
  CHECK(document.root().find("C")->line == 13);
}

TEST_CASE("an empty tagged block scalar takes nothing from what follows") {
  const auto document = aws::Document::parse("A:\n  - !Sub |\n  - b\nC:\n  !Sub |\nD: 1\n", "t");
  CHECK(document.root().find("A")->items.size() == 2);
  CHECK(document.root().text_of("D") == "1");
}

TEST_CASE("what is no template is refused with its line") {
  CHECK(failure("A:\n\tB: 1\n") == "t.yaml:2: a tab indents this line");
  CHECK(failure("A:\n  B: 1\n\tC: 2\n") == "t.yaml:3: a tab indents this line");
  CHECK(failure("A: 1\nB: !Nope x\n") == "t.yaml:2: unknown tag '!Nope'");
  CHECK(failure("A: !!binary eA==\n") == "t.yaml:1: unknown tag 'tag:yaml.org,2002:binary'");
  CHECK(failure("A: 1\nB: 2\nA: 3\n") == "t.yaml:3: the key 'A' is there twice");
  CHECK(failure("A: 1\n---\nB: 2\n").find("t.yaml:2: a second document") == 0);
  CHECK(failure("? [a]\n: b\n") == "t.yaml:1: a key is not a plain text");
  CHECK(failure("A: &x {b: 1}\nC:\n  <<: *x\n").find("t.yaml:3: a merge key") == 0);
  CHECK(failure("") == "t.yaml:1: the file is empty");
  CHECK(failure("A: [1, 2\nB: 3\n").find("t.yaml:") == 0);
  CHECK(failure("A: \"\\q\"\n").find("t.yaml:1: not YAML") == 0);
}

TEST_CASE("depth is bounded, in blocks, in flows and through aliases") {
  std::string block;
  for (int i = 0; i < 100; ++i) {
    block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  }
  CHECK(failure(block) == "t.yaml:65: nested more than 64 levels deep");
  CHECK(failure("A: " + repeated("[", 100) + repeated("]", 100))
        == "t.yaml:1: nested more than 64 levels deep");
  CHECK(failure("A: " + repeated("[", 100'000)) == "t.yaml:1: nested more than 64 levels deep");
  const std::string ladder = "A: &a " + repeated("[", 40) + "1" + repeated("]", 40)
                             + "\nB: " + repeated("[", 40) + "*a" + repeated("]", 40) + "\n";
  CHECK(failure(ladder) == "t.yaml:2: nested more than 64 levels deep");
}

TEST_CASE("an alias is its value, but never a bomb or a ring") {
  const auto document = aws::Document::parse("A: &a [x, y]\nB: *a\n", "t");
  CHECK(document.root().find("B")->items.size() == 2);
  CHECK(failure("A: &a [*a]\n") == "t.yaml:1: an alias refers to the value it stands in");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i) + repeated(fmt::format("*a{}, ", i - 1), 10) + "]\n";
  }
  CHECK(failure(bomb) == "t.yaml:6: more than 200000 values, counting what aliases repeat");
}
