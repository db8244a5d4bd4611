#include "cli/error.hpp"
#include "net/endpoint.hpp"

#include <doctest/doctest.h>

using net::Endpoint;
using net::parse_endpoint;

namespace {

std::string failure(std::string_view text, std::uint16_t default_port = 0) {
  try {
    parse_endpoint(text, default_port);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::usage);
    return error.message();
  }
  return "";
}

} // namespace

TEST_CASE("an endpoint is a host and a port") {
  CHECK(parse_endpoint("moodle-app.abc123.cfg.use1.cache.amazonaws.com:11211")
        == Endpoint{"moodle-app.abc123.cfg.use1.cache.amazonaws.com", 11211});
  CHECK(parse_endpoint("10.0.0.1:1") == Endpoint{"10.0.0.1", 1});
  CHECK(parse_endpoint("[2001:db8::1]:65535") == Endpoint{"2001:db8::1", 65535});
  CHECK(parse_endpoint("under_score-x.", 11211) == Endpoint{"under_score-x.", 11211});
  CHECK(parse_endpoint("[::1]", 6379) == Endpoint{"::1", 6379});
  CHECK(parse_endpoint("h:2", 1) == Endpoint{"h", 2});
}

TEST_CASE("an endpoint's text reads back as the same endpoint") {
  for (const Endpoint& endpoint : {Endpoint{"h", 11211}, Endpoint{"::1", 1}}) {
    CHECK(parse_endpoint(endpoint.text()) == endpoint);
  }
  CHECK(Endpoint{"::1", 1}.text() == "[::1]:1");
}

TEST_CASE("what is no endpoint is refused with its reason") {
  CHECK(failure("host") == "'host' is not HOST:PORT: the port is missing");
  CHECK(failure("[::1]") == "'[::1]' is not HOST:PORT: the port is missing");
  CHECK(failure("") == "'' is not HOST:PORT: the host is missing");
  CHECK(failure(":11211") == "':11211' is not HOST:PORT: the host is missing");
  CHECK(failure("::1", 11211)
        == "'::1' is not HOST:PORT: an IPv6 address stands in brackets, as in [::1]:11211");
  CHECK(failure("[::1") == "'[::1' is not HOST:PORT: ']' is missing");
  CHECK(failure("[h]:1")
        == "'[h]:1' is not HOST:PORT: what stands in brackets is not an IPv6 "
           "address");
  for (const char* text : {"h:", "h:0", "h:65536", "h:-1", "h:+1", "h: 1", "h:1 ", "h:1:2", "h:x",
                           "[::1]x", "[::1]11211", "[::1]:"}) {
    CHECK(failure(text, 11211).ends_with("the port is a number from 1 to 65535"));
  }
  for (const char* text : {"tls://h:1", "redis://h", "http://[::1]:1/"}) {
    CHECK(
        failure(text, 11211).ends_with("it takes a host and a port without a scheme before them"));
  }
  for (const char* text : {"-h:1", ".h:1"}) {
    CHECK(failure(text).ends_with("a host begins with a letter or a digit"));
  }
}

TEST_CASE("a host holds nothing that means something to a shell, PHP or a terminal") {
  for (const char* text : {"h'x", "h\"x", "h x", "$(id)", "`id`", "<?php", "a;b", "a|b", "a/b",
                           "a\\b", "a\nb", "a%b", "a@b", "h\xc3\xa9", "a,b"}) {
    CHECK(failure(std::string(text) + ":1")
              .ends_with("a host holds only letters, digits, '.', '-' and '_'"));
  }
  CHECK(failure("a\nb:1").starts_with("'a\\x0ab:1' is not"));
  CHECK(failure(std::string("h\0x:1", 5)).starts_with("'h\\x00x:1' is not"));
  CHECK(failure(std::string("[::1\0x]:1", 9)).ends_with("is not an IPv6 address"));
  CHECK(failure(std::string(254, 'a') + ":1")
            .ends_with("the host has 254 bytes; at most 253 are "
                       "allowed"));
  CHECK(parse_endpoint(std::string(253, 'a') + ":1").host.size() == 253);
  CHECK(failure(std::string(1'000'000, 'a')).size() < 400);
}
