#include "cli/error.hpp"
#include "net/discovery.hpp"

#include <doctest/doctest.h>

using net::Endpoint;
using net::parse_configuration;

namespace {

std::string failure(std::string_view payload) {
  try {
    parse_configuration(payload);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    return error.message();
  }
  return "";
}

const std::vector<Endpoint> two_nodes{{"h1", 11211}, {"h2", 11211}};

} // namespace

TEST_CASE("the payload is a version and a line of nodes") {
  const auto cluster = parse_configuration("12\nh1|10.82.235.120|11211 h2|10.80.249.27|11211\n\n");
  CHECK(cluster.version == 12);
  CHECK(cluster.nodes == two_nodes);
}

TEST_CASE("line ends and blanks may differ") {
  for (const char* payload :
       {"12\r\nh1|10.82.235.120|11211 h2|10.80.249.27|11211\r\n\r\n",
        "12\nh1|10.82.235.120|11211 h2|10.80.249.27|11211", "\r\n12 \n h1||11211  h2||11211 \n",
        "12\nh1||11211\nh2||11211\n", "12\nh1||11211 h2||11211 h1||11211\n"}) {
    CHECK(parse_configuration(payload).nodes == two_nodes);
  }
}

TEST_CASE("a node is known by its name, or else by its address") {
  CHECK(parse_configuration("1\nh1||1\n").nodes == std::vector<Endpoint>{{"h1", 1}});
  CHECK(parse_configuration("1\n|10.0.0.1|1\n").nodes == std::vector<Endpoint>{{"10.0.0.1", 1}});
  CHECK(parse_configuration("1\n|2001:db8::1|1\n").nodes
        == std::vector<Endpoint>{{"2001:db8::1", 1}});
}

TEST_CASE("300 nodes are read in their order") {
  std::string payload = "18446744073709551615\n";
  for (int i = 0; i < 300; ++i) {
    payload +=
        "moodle-app.abc123." + std::to_string(i) + ".use1.cache.amazonaws.com|10.0.0.1|11211 ";
  }
  const auto cluster = parse_configuration(payload + "\n\r\n");
  CHECK(cluster.version == 18446744073709551615ULL);
  REQUIRE(cluster.nodes.size() == 300);
  CHECK(cluster.nodes[299].host == "moodle-app.abc123.299.use1.cache.amazonaws.com");
}

TEST_CASE("what does not fit is named") {
  CHECK(failure("") == "the configuration is empty");
  CHECK(failure("\r\n\n") == "the configuration is empty");
  CHECK(failure("12\n\n") == "the configuration lists no nodes");
  CHECK(failure("h1||1\n") == "'h1||1' is not the version of a configuration, a number");
  CHECK(failure("12\nh1|11211\n") == "'h1|11211' is not a node, NAME|ADDRESS|PORT");
  CHECK(failure("12\nh1||1|2\n") == "'h1||1|2' is not a node, NAME|ADDRESS|PORT");
  CHECK(failure("12\n||1\n") == "the node '||1': ':1' is not HOST:PORT: the host is missing");
  CHECK(failure("12\nh||70000\n")
        == "the node 'h||70000': 'h:70000' is not HOST:PORT: the port is "
           "a number from 1 to 65535");
  CHECK(failure("12\n$(id)|10.0.0.1|1\n")
            .ends_with("a host holds only letters, digits, '.', '-' "
                       "and '_'"));
}
