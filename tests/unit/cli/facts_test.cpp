#include "cli/error.hpp"
#include "cli/facts.hpp"

#include <doctest/doctest.h>

using cli::Facts;

namespace {

/// The message of the error that parsing gives, or "" when it gives none.
std::string failure(std::string_view text, Facts::Ending ending = Facts::Ending::required) {
  try {
    Facts::parse(text, "in", ending);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    return error.message();
  }
  return "";
}

} // namespace

TEST_CASE("a stream is kept as it is, comments and order included") {
  const std::string text = "#facts 1\nstack-name=Moodle\n# note\nalb-ip=10.0.1.15\nempty=\n"
                           "alb-ip=10.0.2.77\nequation=a=b\n#end\n";
  const Facts facts = Facts::parse(text, "in", Facts::Ending::required);
  CHECK(facts.all("alb-ip") == std::vector<std::string>{"10.0.1.15", "10.0.2.77"});
  CHECK(facts.all("empty") == std::vector<std::string>{""});
  CHECK(facts.all("equation") == std::vector<std::string>{"a=b"});
  CHECK(facts.all("absent").empty());
  CHECK(facts.list().size() == 5);
  CHECK(facts.text(true) == text);
}

TEST_CASE("a pipe has to close with #end, a file need not") {
  CHECK(failure("") == "in: the facts stopped early: an earlier command failed");
  CHECK(failure("#facts 1\na=b\n") == "in: the facts stopped early: an earlier command failed");
  CHECK(failure("#facts 1\na=b\n#end") == "in: the facts stopped early: an earlier command failed");
  CHECK(failure("#facts 1\na=b\n", Facts::Ending::optional).empty());
  CHECK(failure("#facts 1\na=b", Facts::Ending::optional).empty());
  CHECK(failure("#facts 1\n#end\na=b\n") == "in: line 3: there is more after '#end'");
}

TEST_CASE("a byte outside the grammar is an error that names its line") {
  CHECK(failure("a=b\n#end\n")
        == "in: line 1: 'a=b' is not the beginning of facts, which is '#facts 1'");
  CHECK(failure("#facts 2\n#end\n")
        == "in: line 1: '#facts 2' is not the beginning of facts, which is '#facts 1'");
  CHECK(failure("#facts 1\n\n#end\n") == "in: line 2: '' is not name=value");
  CHECK(failure("#facts 1\nname\n#end\n") == "in: line 2: 'name' is not name=value");
  CHECK(failure("#facts 1\nA=b\n#end\n") == "in: line 2: 'A' is not the name of a fact");
  CHECK(failure("#facts 1\n1a=b\n#end\n") == "in: line 2: '1a' is not the name of a fact");
  CHECK(failure("#facts 1\n=b\n#end\n") == "in: line 2: '' is not the name of a fact");
  CHECK(failure("#facts 1\na=b\r\n#end\n")
        == "in: line 2: the value of 'a' holds a control character or a byte that is not UTF-8 "
           "(\\x0d at byte 1)");
  CHECK(failure("#facts 1\na=\xff\n#end\n")
        == "in: line 2: the value of 'a' holds a control character or a byte that is not UTF-8 "
           "(\\xff at byte 0)");
  CHECK(failure("#facts 1\na=\xc2\x85\n#end\n").starts_with("in: line 2: the value of 'a' holds"));
  CHECK(failure("#facts 1\na=\xed\xa0\x80\n#end\n").starts_with("in: line 2:"));
  CHECK(failure("#facts 1\n# \x1b[31m\n#end\n")
        == "in: line 2: the comment holds a control character or a byte that is not UTF-8");
  CHECK(failure("#facts 1\na=" + std::string(Facts::max_value_bytes + 1, 'x') + "\n#end\n")
        == "in: line 2: the value of 'a' has 65537 bytes; at most 65536 are allowed");
}

TEST_CASE("values may hold any printable UTF-8") {
  const Facts facts =
      Facts::parse("#facts 1\na='; $(rm) `x` \"<?php ?>\" \xc3\xa9\xe2\x82\xac\n#end\n", "in",
                   Facts::Ending::required);
  CHECK(facts.all("a")[0] == "'; $(rm) `x` \"<?php ?>\" \xc3\xa9\xe2\x82\xac");
}
