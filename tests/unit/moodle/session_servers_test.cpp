#include "cli/text.hpp"
#include "moodle/session_config.hpp"

#include <doctest/doctest.h>

namespace {

std::string servers(const std::string& handler, const std::string& key, const std::string& value,
                    const php::Value& port = {}) {
  php::Array cfg;
  cfg.set("session_handler_class", "\\core\\session\\" + handler);
  cfg.set(key, value);
  if (!port.is_null()) {
    cfg.set("session_redis_port", port);
  }
  std::vector<std::string> texts;
  for (const net::Endpoint& server : moodle::session_servers(cfg)) {
    texts.push_back(server.text());
  }
  return cli::join(texts, " ");
}

} // namespace

TEST_CASE("the servers of the session handler in force") {
  CHECK(servers("redis", "session_redis_host", "r") == "r:6379");
  CHECK(servers("redis", "session_redis_host", "r", 6380) == "r:6380");
  CHECK(servers("redis", "session_redis_host", "r", "6380") == "r:6380");
  CHECK(servers("redis", "session_redis_host", "tls://r", 6380) == "r:6380");
  CHECK(servers("redis", "session_redis_host", "tcp://r") == "r:6379");
  CHECK(servers("redis", "session_redis_host", "a:7001, b:7002") == "a:7001 b:7002");
  CHECK(servers("redis", "session_redis_host", "/run/redis.sock").empty());
  CHECK(servers("redis", "session_memcached_save_path", "m").empty());
  CHECK(servers("memcached", "session_memcached_save_path", "m,n:11212") == "m:11211 n:11212");
  CHECK(servers("database", "session_redis_host", "r").empty());
}
