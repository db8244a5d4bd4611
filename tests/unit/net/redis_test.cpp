#include "cli/error.hpp"
#include "net/redis.hpp"

#include <doctest/doctest.h>

using net::Endpoint;
using net::parse_cluster_nodes;
using net::parse_redis_info;
using net::RedisStatus;

namespace {

std::string failure(std::string_view answer) {
  try {
    parse_cluster_nodes(answer, "self");
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    return error.message();
  }
  return "";
}

std::string node(const std::string& address, const std::string& flags) {
  return "07c37dfeb235213a872192d90877d0cd55635b91 " + address + " " + flags
         + " - 0 1426238317239 4 connected 0-5460\n";
}

} // namespace

TEST_CASE("INFO says what the server is and how it is") {
  const auto status =
      parse_redis_info("# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:abc\r\n"
                       "uptime_in_seconds:61\r\nrole:slave\r\nused_memory:10\r\nmaxmemory:20\r\n"
                       "maxmemory_policy:volatile-lru\r\nkeyspace_hits:3\r\nkeyspace_misses:1\r\n"
                       "evicted_keys:5\r\nevicted_keys:\r\nnonsense\r\n");
  CHECK(status.engine == "redis");
  CHECK(status.version == "7.0.15");
  CHECK(status.mode == RedisStatus::Mode::cluster);
  CHECK(status.role == RedisStatus::Role::replica);
  CHECK(status.run_id == "abc");
  CHECK(status.uptime == std::chrono::seconds(61));
  CHECK(status.used_bytes == 10);
  CHECK(status.limit_bytes == 20);
  CHECK(status.eviction_policy == "volatile-lru");
  CHECK(status.hit_rate() == 0.75);
  CHECK(status.evictions == 5);
}

TEST_CASE("Valkey has a version of its own, in whatever order it says so") {
  for (const char* info : {"redis_version:7.2.4\nserver_name:valkey\nvalkey_version:8.0.1\n",
                           "server_name:valkey\nvalkey_version:8.0.1\nredis_version:7.2.4\n"}) {
    CHECK(parse_redis_info(info).engine == "valkey");
    CHECK(parse_redis_info(info).version == "8.0.1");
    CHECK(parse_redis_info(info).redis_version == "7.2.4");
  }
}

TEST_CASE("what a server does not tell is not made up") {
  const auto status = parse_redis_info("redis_version:7.1\n");
  CHECK(status.mode == RedisStatus::Mode::standalone);
  CHECK(status.role == RedisStatus::Role::primary);
  CHECK(status.limit_bytes == 0);
  CHECK_FALSE(status.hit_rate());
  CHECK_THROWS_WITH(parse_redis_info("hello"), "its answer to INFO names no version");
}

TEST_CASE("the nodes of a cluster, in every form of their addresses") {
  CHECK(parse_cluster_nodes(node("10.0.0.1:6379", "master") + node("10.0.0.2:6379@16379", "slave"),
                            "self")
        == std::vector<Endpoint>{{"10.0.0.1", 6379}, {"10.0.0.2", 6379}});
  CHECK(parse_cluster_nodes(node("10.0.0.1:6379@16379,n1.example.org", "myself,master"), "self")
        == std::vector<Endpoint>{{"n1.example.org", 6379}});
  CHECK(parse_cluster_nodes(node("10.0.0.1:6379@16379,,shard-id=69bc", "master"), "self")
        == std::vector<Endpoint>{{"10.0.0.1", 6379}});
  CHECK(
      parse_cluster_nodes(node("10.0.0.1:6379@16379,h,tls-port=1,shard-id=69bc", "master"), "self")
      == std::vector<Endpoint>{{"h", 6379}});
  CHECK(parse_cluster_nodes(node("2001:db8::1:6379@16379", "master"), "self")
        == std::vector<Endpoint>{{"2001:db8::1", 6379}});
  CHECK(parse_cluster_nodes(node(":6379@16379", "myself,master"), "self")
        == std::vector<Endpoint>{{"self", 6379}});
}

TEST_CASE("primaries come first, each group in its order, and what failed is left out") {
  CHECK(parse_cluster_nodes(node("a:1@2", "slave") + node("d:1@2", "master")
                                + node("c:1@2", "myself,master") + node("b:1@2", "slave,fail")
                                + node(":0@0", "master,noaddr") + node("e:1@2", "handshake")
                                + node("f:1@2", "slave,fail?") + node("c:1@2", "master"),
                            "self")
        == std::vector<Endpoint>{{"c", 1}, {"d", 1}, {"a", 1}, {"f", 1}});
}

TEST_CASE("what is no list of nodes is refused") {
  CHECK(failure("") == "its answer to CLUSTER NODES lists no node that can be used");
  CHECK(failure("hello") == "'hello' is not a line of CLUSTER NODES");
  CHECK(failure(node("nowhere", "master")).ends_with("is not a line of CLUSTER NODES"));
  CHECK(failure(node("$(id):1@2", "master"))
        == "a line of CLUSTER NODES names a node that is none: '$(id):1' is not HOST:PORT: a host "
           "holds only letters, digits, '.', '-' and '_'");
}
