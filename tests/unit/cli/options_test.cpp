#include "cli/error.hpp"
#include "cli/options.hpp"

#include <doctest/doctest.h>

namespace {

/// One option of every kind.
struct Sample {
  bool flag = false;
  std::optional<std::string> text;
  std::vector<std::string> list;
  std::string choice = "auto";
  std::optional<std::uint64_t> number;
  std::chrono::milliseconds wait{1000};
  std::vector<std::string> rest;
  cli::Options options;

  Sample() {
    options.flag("dry-run,n", flag, "help");
    options.text("app-endpoint", text, "HOST", "help", cli::From::facts);
    options.list("alb-ip", list, "IP", "help", cli::From::facts);
    options.choice("servers", choice, {"auto", "nodes"}, "help");
    options.number("count", number, 1, 10, "help");
    options.seconds("timeout", wait, "help");
  }

  std::string failure(const std::vector<std::string>& arguments) {
    try {
      options.parse(arguments);
    } catch (const cli::Error& error) {
      CHECK(error.code() == cli::ExitCode::usage);
      return error.message();
    }
    return "";
  }
};

} // namespace

TEST_CASE("every kind of option is read") {
  Sample sample;
  sample.options.parse({"-n", "--app-endpoint=h:1", "--alb-ip", "a", "--alb-ip", "b", "--servers",
                        "nodes", "--count", "10", "--timeout", "0.25"});
  CHECK(sample.flag);
  CHECK(sample.text == "h:1");
  CHECK(sample.list == std::vector<std::string>{"a", "b"});
  CHECK(sample.choice == "nodes");
  CHECK(sample.number == 10);
  CHECK(sample.wait == std::chrono::milliseconds(250));
  CHECK(sample.options.given("alb-ip"));
}

TEST_CASE("an empty value is a value, however it is written") {
  Sample first;
  first.options.parse({"--app-endpoint="});
  CHECK(first.text == "");
  Sample second;
  second.options.parse({"--app-endpoint", ""});
  CHECK(second.text == "");
}

TEST_CASE("what does not fit is refused by name") {
  CHECK(Sample().failure({"--dry"}) == "unknown option '--dry'");
  CHECK(Sample().failure({"--app"}) == "unknown option '--app'");
  CHECK(Sample().failure({"stray"}) == "unexpected argument 'stray'");
  CHECK(Sample().failure({"--", "--flag"}) == "unexpected argument '--flag'");
  CHECK(Sample().failure({"--app-endpoint"}) == "option '--app-endpoint' needs a value");
  CHECK(Sample().failure({"--dry-run=1"}) == "option '--dry-run' takes no value");
  CHECK(Sample().failure({"--app-endpoint", "a", "--app-endpoint", "b"})
        == "option '--app-endpoint' is given more than once");
  CHECK(Sample().failure({"--servers", "x"})
        == "'x' is not a value for --servers: choose one of auto, nodes");
  for (const char* text : {"0", "11", "-1", "1.5", "", " 1", "1e1", "99999999999999999999"}) {
    CHECK(Sample().failure({"--count", text})
          == fmt::format("'{}' is not a value for --count: it takes a whole number from 1 to 10",
                         text));
  }
  for (const char* text : {"0", "-1", "nan", "inf", "1e9", "86401", "", "1s", "0.0001"}) {
    CHECK(Sample().failure({"--timeout", text}).ends_with("above 0 and at most 86400"));
  }
  CHECK(Sample().failure({"--app-endpoint", "a\nb"}).starts_with("the value of 'app-endpoint'"));
}

TEST_CASE("facts fill what the command line left open") {
  const cli::Facts facts = cli::Facts::parse(
      "#facts 1\napp-endpoint=fact:1\nalb-ip=x\nalb-ip=y\nother=z\nservers=bad\n#end\n", "in",
      cli::Facts::Ending::required);
  Sample sample;
  sample.options.parse({"--app-endpoint", "line:1"});
  sample.options.apply(facts);
  CHECK(sample.text == "line:1");
  CHECK(sample.list == std::vector<std::string>{"x", "y"});
  CHECK(sample.choice == "auto"); // not an option that takes facts
}

TEST_CASE("a fact that is there twice cannot fill an option that takes one value") {
  const cli::Facts facts = cli::Facts::parse("#facts 1\napp-endpoint=a\napp-endpoint=b\n#end\n",
                                             "in", cli::Facts::Ending::required);
  Sample sample;
  CHECK_THROWS_WITH_AS(sample.options.apply(facts),
                       "the fact 'app-endpoint' is there 2 times; only one can be used",
                       cli::Error);
}

TEST_CASE("standard input is for one option only") {
  std::optional<std::string> facts;
  std::optional<std::string> password;
  cli::Options options;
  options.input("facts,f", facts, "help");
  options.input("password-file", password, "help");
  options.parse({"-f", "-", "--password-file", "p"});
  CHECK(options.standard_input() == "--facts");
  CHECK(password == "p");
  cli::Options both;
  both.input("facts,f", facts, "help");
  both.input("password-file", password, "help");
  CHECK_THROWS_WITH_AS(
      both.parse({"--password-file", "-", "-f", "-"}),
      "standard input can be read only once, but --facts and --password-file both name it",
      cli::Error);
}

TEST_CASE("a parsed value is refused by name, as usage or as data") {
  const auto refuse = [](const std::string&) {
    throw cli::Error(cli::ExitCode::usage, "why not", "do this");
  };
  cli::Options line;
  line.parsed("port", "N", "help", refuse, cli::From::facts);
  CHECK_THROWS_WITH_AS(line.parse({"--port", "x"}), "--port: why not", cli::Error);
  cli::Options stream;
  stream.parsed("port", "N", "help", refuse, cli::From::facts);
  const cli::Facts facts =
      cli::Facts::parse("#facts 1\nport=x\n#end\n", "in", cli::Facts::Ending::required);
  try {
    stream.apply(facts);
    FAIL("nothing was refused");
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    CHECK(error.message() == "in the facts: --port: why not");
    CHECK(error.hint() == "do this");
  }
}
