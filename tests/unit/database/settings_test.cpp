#include "cli/error.hpp"
#include "database/settings.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

database::Settings address(const std::string& host, const std::string& socket,
                           const std::string& port) {
  database::Settings settings;
  database::set_address(settings, host, socket, port);
  return settings;
}

std::string refusal(const std::string& dsn) {
  try {
    database::check_dsn(dsn);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::usage);
    return error.message();
  }
  return "";
}

} // namespace

TEST_CASE("over TCP the port defaults to 5432") {
  CHECK(address("db.example.org", "", "").host == "db.example.org");
  CHECK(address("db.example.org", "", "").port == "5432");
  CHECK(address("db.example.org", "", "0").port == "5432");
  CHECK(address("db.example.org", "", "6432").port == "6432");
}

TEST_CASE("dbsocket counts for the local host only") {
  CHECK(address("db.example.org", "/run/pg", "").host == "db.example.org");
  CHECK(address("db.example.org", "/run/pg", "").socket.empty());
  CHECK(address("localhost", "0", "").host == "localhost");
}

TEST_CASE("a socket is a directory, or the default one; its port is not filled in") {
  const auto named = address("localhost", "/run/pg", "");
  CHECK(named.socket == "/run/pg");
  CHECK(named.host.empty());
  CHECK(named.port.empty());
  const auto standard = address("127.0.0.1", "1", "6432");
  CHECK(standard.socket.empty());
  CHECK(standard.host.empty());
  CHECK(standard.port == "6432");
}

TEST_CASE("a connection string holds no password, and no message repeats one") {
  CHECK(refusal("") == "");
  CHECK(refusal("moodle") == "");
  CHECK(refusal("host=db dbname='a b' user=moodle") == "");
  CHECK(refusal("postgresql://moodle@db:5432/moodle") == "");
  for (const char* dsn : {"host=db password=s3cret", "postgresql://moodle:s3cret@db/moodle",
                          "password=x s3cret", "password='s3cret", "postgres://u:s3cret@[::1/x",
                          "s3cret=1", "host=db sslpassword=s3cret"}) {
    CAPTURE(dsn);
    const std::string message = refusal(dsn);
    CHECK(message != "");
    CHECK(message.find("s3cret") == std::string::npos);
  }
}

TEST_CASE("a prefix is what Moodle takes for one") {
  for (const char* prefix : {"", "mdl_", "m2_", "MDL_"}) {
    CHECK_NOTHROW(database::check_prefix(prefix));
  }
  for (const std::string& prefix : {std::string("m-"), std::string("m\""), std::string("m\0", 2),
                                    std::string("mé"), std::string(58, 'm')}) {
    CHECK_THROWS_AS(database::check_prefix(prefix), cli::Error);
  }
}
