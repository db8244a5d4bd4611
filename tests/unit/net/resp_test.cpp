#include "cli/error.hpp"
#include "net/resp.hpp"

#include <doctest/doctest.h>

using net::resp::parse;
using net::resp::Reply;

namespace {

Reply whole(std::string_view bytes) {
  const auto parsed = parse(bytes);
  REQUIRE(parsed);
  CHECK(parsed->length == bytes.size());
  return parsed->reply;
}

std::string failure(std::string_view bytes) {
  try {
    parse(bytes);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    return error.message();
  }
  return "";
}

Reply bulk(std::string text) {
  return {.kind = Reply::Kind::bulk, .text = std::move(text)};
}

} // namespace

TEST_CASE("every kind of reply is read") {
  CHECK(whole("+OK\r\n") == Reply{.kind = Reply::Kind::status, .text = "OK"});
  CHECK(whole("-ERR no\r\n") == Reply{.kind = Reply::Kind::error, .text = "ERR no"});
  CHECK(whole(":42\r\n") == Reply{.kind = Reply::Kind::number, .number = 42});
  CHECK(whole(":-7\r\n") == Reply{.kind = Reply::Kind::number, .number = -7});
  CHECK(whole("$0\r\n\r\n") == bulk(""));
  CHECK(whole("$4\r\na\r\nb\r\n") == bulk("a\r\nb"));
  CHECK(whole("$-1\r\n") == Reply{});
  CHECK(whole("*-1\r\n") == Reply{});
  CHECK(whole("*0\r\n") == Reply{.kind = Reply::Kind::list});
  CHECK(whole("*2\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n")
        == Reply{.kind = Reply::Kind::list,
                 .items = {bulk("a"), Reply{.kind = Reply::Kind::list, .items = {bulk("b")}}}});
}

TEST_CASE("a reply that is not there as a whole is waited for") {
  const std::string_view bytes = "*2\r\n$5\r\nhello\r\n:12\r\n";
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    CHECK_FALSE(parse(bytes.substr(0, length)));
  }
  CHECK(whole(bytes).items.size() == 2);
}

TEST_CASE("what follows a reply is left alone") {
  const auto parsed = parse("+OK\r\n+NEXT\r\n");
  REQUIRE(parsed);
  CHECK(parsed->length == 5);
  CHECK(parsed->reply.text == "OK");
}

TEST_CASE("what is no reply is shown") {
  CHECK(failure("HTTP/1.1 400\r\n")
        == "it does not answer as Redis or Valkey does, but 'HTTP/1.1 400'");
  CHECK(failure("\x15\x03") == "it does not answer as Redis or Valkey does, but '\\x15\\x03'");
  for (const char* bytes :
       {":x\r\n", ":\r\n", "$-2\r\n", "*-2\r\n", "$+1\r\n", ":9223372036854775808\r\n",
        "$99999999999999999999\r\n", "*1\r\n\r\n", "*1\r\nx\r\n"}) {
    CHECK(failure(bytes).starts_with("it does not answer as Redis or Valkey does"));
  }
  CHECK(failure("$1\r\nab\r\n") == "its answer is longer or shorter than it says");
}

TEST_CASE("size and depth are bounded") {
  std::string nested;
  for (std::size_t i = 0; i < net::resp::max_depth; ++i) {
    nested += "*1\r\n";
  }
  CHECK(whole(nested + ":1\r\n").kind == Reply::Kind::list);
  CHECK(failure(nested + "*1\r\n:1\r\n") == "its answer is nested more than 8 deep");
  CHECK(failure("$1048577\r\n") == "its answer has more than 1048576 bytes");
  CHECK(failure("*1048577\r\n") == "its answer has more than 1048576 bytes");
  CHECK(failure("+" + std::string(2'000'000, 'x')) == "its answer has more than 1048576 bytes");
}

TEST_CASE("a command is a list of bulk strings") {
  CHECK(net::resp::command({"SET", "a b", ""}) == "*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$0\r\n\r\n");
}
