#include "aws/json_documents.hpp"
#include "cli/error.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

std::vector<std::size_t> offsets(const std::string& text) {
  std::vector<std::size_t> out;
  aws::for_each_json_document(
      text, "in", [&](const nlohmann::json&, std::size_t offset) { out.push_back(offset); });
  return out;
}

/// The message of the error that parsing gives, or "" when it gives none.
std::string failure(const std::string& text) {
  try {
    offsets(text);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    return error.message();
  }
  return "";
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

} // namespace

TEST_CASE("documents stand one behind the other, with or without blanks between them") {
  CHECK(offsets(R"({"a":1})") == std::vector<std::size_t>{0});
  CHECK(offsets(R"({"a":"}{"}{"b":[{}]})") == std::vector<std::size_t>{0, 10});
  CHECK(offsets(" \r\n{}\n\t{} \n") == std::vector<std::size_t>{3, 7});
}

TEST_CASE("a byte-order mark is no part of a document") {
  CHECK(offsets("\xEF\xBB\xBF{}\n\xEF\xBB\xBF{}") == std::vector<std::size_t>{3, 9});
  CHECK(failure("\xFF\xFE{") == "in: byte 0: this is UTF-16, not UTF-8");
}

TEST_CASE("an input without documents is an error, because an earlier command failed") {
  CHECK(failure("") == "in: there is no JSON in it: the command before it failed");
  CHECK(failure(" \n\xEF\xBB\xBF") == "in: there is no JSON in it: the command before it failed");
}

TEST_CASE("a document that is cut short anywhere is an error") {
  const std::string text = R"({"Stacks": [{"a": "b\u00e9", "n": -1.5e3, "t": true}]})";
  CHECK(failure(text).empty());
  for (std::size_t length = 1; length < text.size(); ++length) {
    CHECK(failure(text.substr(0, length))
          == "in: the JSON stops early, at byte " + std::to_string(length)
                 + ": the command before it failed");
    CHECK(failure(text + text.substr(0, length)).starts_with("in: the JSON stops early, at byte "));
  }
}

TEST_CASE("what is not JSON is named by its offset in the whole input") {
  CHECK(failure("<?php") == "in: byte 0: this is not JSON: '<?php'");
  CHECK(failure("{} x") == "in: byte 3: this is not JSON: 'x'");
  CHECK(failure(R"({}{"a":'b'})") == "in: byte 7: this is not JSON: ''b'}'");
  CHECK(failure("{\"a\":\"\xFF\"}") == "in: byte 6: this is not JSON: '\\xff\"}'");
  CHECK(failure("{\"a\":\"\n\"}") == "in: byte 6: this is not JSON: '\\x0a\"}'");
  CHECK(failure(R"({"a":"\ud800"})").starts_with("in: byte 12: this is not JSON"));
  CHECK(failure(R"({"a":1e999})").starts_with("in: byte "));
  CHECK(failure("{}{}}") == "in: byte 4: this is not JSON: '}'");
  CHECK(failure(std::string("{}\0", 3)) == "in: byte 2: this is not JSON: '\\x00'");
}

TEST_CASE("only objects are documents") {
  CHECK(failure("[]") == "in: byte 0: an object was expected");
  CHECK(failure("{} \"text\"") == "in: byte 3: an object was expected");
  CHECK(failure("12") == "in: byte 0: this is not JSON: '12'");
}

TEST_CASE("the same key twice in one object is an error, in two objects it is not") {
  CHECK(failure(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})").empty());
  CHECK(failure(R"({"a":{"b":1,"b":2}})")
        == "in: byte 14: the key 'b' is there twice in one object");
}

TEST_CASE("nesting is bounded") {
  const auto nested = [](std::size_t arrays) {
    return R"({"a":)" + repeated("[", arrays) + repeated("]", arrays) + "}";
  };
  CHECK(failure(nested(aws::max_json_depth - 1)).empty());
  CHECK(failure(nested(aws::max_json_depth))
        == "in: byte 104: it is nested more than 100 levels deep");
  CHECK(
      failure(repeated("{\"a\":", 2'000'000)).ends_with("it is nested more than 100 levels deep"));
}

TEST_CASE("any single byte changed in a document gives a document or an error") {
  const std::string text = "{\"Stacks\": [{\"k\": [1, null, \"\xC3\xA9\"]}]}";
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      failure(changed); // an exception of another type fails the test
    }
  }
}
