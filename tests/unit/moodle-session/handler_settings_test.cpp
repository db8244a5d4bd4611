#include "cli/error.hpp"
#include "cli/text.hpp"
#include "handler_settings.hpp"
#include "moodle/managed_block.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <utility>

using moodle::CacheProtocol;
using moodle::CacheServers;

namespace {

moodle::Site site_of(const std::string& release) {
  moodle::Site site;
  site.config_path = "/site/config.php";
  site.given_version = moodle::parse_version(release);
  REQUIRE(site.given_version);
  site.evaluation.cfg.set("dbname", "moodle-1");
  site.evaluation.cfg.set("prefix", "mdl_");
  return site;
}

CacheServers redis_at(std::vector<net::Endpoint> servers) {
  CacheServers chosen;
  chosen.protocol = CacheProtocol::redis;
  chosen.servers = std::move(servers);
  return chosen;
}

CacheServers with_tls(CacheServers servers, const std::optional<std::string>& ca_file) {
  servers.access.tls = net::Tls{ca_file};
  return servers;
}

CacheServers cluster_of(std::vector<net::Endpoint> nodes) {
  CacheServers chosen = redis_at(std::move(nodes));
  chosen.is_cluster = true;
  return chosen;
}

const std::vector<net::Endpoint> one{{"s.example.org", 6380}};

/// The class, then keys without "session_<handler>_", values and their types, in order.
std::string settings(const std::string& release, const CacheServers& servers,
                     const HandlerOptions& options = {}) {
  const moodle::SessionSettings made = options.settings(site_of(release), servers);
  const std::string prefix = std::string("session_") + text(servers.protocol) + "_";
  std::vector<std::string> parts{made.handler_class};
  for (const auto& [key, value] : made.values) {
    REQUIRE(key.starts_with(prefix));
    parts.push_back(key.substr(prefix.size()) + "=" + moodle::php_literal(value));
  }
  return cli::join(parts, " ");
}

/// The error's "message | hint".
std::string refusal(const std::function<void()>& act, cli::ExitCode code = cli::ExitCode::config) {
  try {
    act();
  } catch (const cli::Error& error) {
    CHECK(error.code() == code);
    return error.message() + " | " + error.hint();
  }
  return "nothing was refused";
}

std::string refusal_of(const std::string& release, const CacheServers& servers,
                       const HandlerOptions& options = {}) {
  return refusal([&] { settings(release, servers, options); });
}

constexpr const char* releases[] = {"3.3",    "3.8.9", "3.9",    "3.10.11", "3.11", "4.1.22",
                                    "4.2.11", "4.3",   "4.3.12", "4.4",     "4.5",  "4.5.4",
                                    "4.5.5",  "5.0.1", "5.1.9",  "5.2"};

/// One option, the release that it came with, its key, and the release before that.
struct Since {
  std::function<void(HandlerOptions&)> set;
  moodle::Version first;
  const char* key;
  const char* refusal; ///< without the release
};

const std::vector<Since> gates{
    {[](HandlerOptions& o) { o.lock_retry = 50; },
     {3, 9},
     " acquire_lock_retry=50",
     " does not read session_redis_acquire_lock_retry | leave --lock-retry-sleep out; it came with "
     "Moodle 3.9"},
    {[](HandlerOptions& o) { o.lock_warn = 10; },
     {3, 9},
     " acquire_lock_warn=10",
     " does not read session_redis_acquire_lock_warn | leave --lock-warn out; it came with Moodle "
     "3.9"},
    {[](HandlerOptions& o) { o.compressor = "gzip"; },
     {3, 11},
     " compressor='gzip'",
     " does not compress sessions in Redis | leave --compressor out; it came with Moodle 3.11"},
    {[](HandlerOptions& o) { o.connection_timeout = 4; },
     {4, 5, 5},
     " connection_timeout=4",
     " does not read session_redis_connection_timeout | leave --connection-timeout out; it came "
     "with Moodle 4.5.5"},
    {[](HandlerOptions& o) { o.max_retries = 2; },
     {4, 5, 5},
     " max_retries=2",
     " does not read session_redis_max_retries | leave --max-retries out; it came with Moodle "
     "4.5.5"},
    {[](HandlerOptions& o) { o.read_timeout = 6; },
     {5, 2},
     " read_timeout=6",
     " does not read session_redis_read_timeout | leave --read-timeout out; it came with Moodle "
     "5.2"}};

} // namespace

TEST_CASE("one plain redis is the same for every release") {
  for (const char* release : releases) {
    CAPTURE(release);
    CHECK(settings(release, redis_at(one))
          == "\\core\\session\\redis host='s.example.org' port=6380 prefix='moodle_1_mdl_sess_' "
             "acquire_lock_timeout=120");
  }
}

TEST_CASE("TLS: by the host's scheme up to 4.2, by stream options from 4.3 on") {
  const std::string rest = " port=6380 prefix='moodle_1_mdl_sess_' acquire_lock_timeout=120";
  for (const char* release : releases) {
    CAPTURE(release);
    if (*moodle::parse_version(release) < moodle::Version{4, 3}) {
      CHECK(settings(release, with_tls(redis_at(one), std::nullopt))
            == "\\core\\session\\redis host='tls://s.example.org'" + rest);
      CHECK(refusal_of(release, with_tls(redis_at(one), "/our.pem"))
            == std::string("Moodle ") + release
                   + " cannot be given a file of authorities for its session servers | Moodle 4.3 "
                     "and later can; earlier ones trust what openssl.cafile of php.ini names");
    } else {
      CHECK(settings(release, with_tls(redis_at(one), "/our.pem"))
            == "\\core\\session\\redis host='s.example.org' port=6380 encrypt=['verify_peer' => "
               "true, 'verify_peer_name' => true, 'cafile' => '/our.pem'] "
               "prefix='moodle_1_mdl_sess_' acquire_lock_timeout=120");
    }
  }
}

TEST_CASE("a cluster: a list of hosts from 4.4 on, and no database but 0") {
  const std::vector<net::Endpoint> nodes{{"a", 7001}, {"b", 7002}};
  for (const char* release : releases) {
    CAPTURE(release);
    if (*moodle::parse_version(release) < moodle::Version{4, 4}) {
      CHECK(refusal_of(release, cluster_of(nodes))
            == std::string("Moodle ") + release
                   + " cannot keep sessions in a Redis cluster | Moodle 4.4 and later can; earlier "
                     "ones need a Redis with cluster mode off");
    } else {
      CHECK(settings(release, cluster_of(nodes))
            == "\\core\\session\\redis host='a:7001,b:7002' prefix='moodle_1_mdl_sess_' "
               "acquire_lock_timeout=120");
      // One host alone would be no cluster to Moodle.
      CHECK(settings(release, with_tls(cluster_of({nodes[0]}), "/our.pem"))
            == "\\core\\session\\redis host='a:7001,a:7001' encrypt=['verify_peer' => true, "
               "'verify_peer_name' => true, 'cafile' => '/our.pem'] prefix='moodle_1_mdl_sess_' "
               "acquire_lock_timeout=120");
    }
  }
  CacheServers cluster = cluster_of(nodes);
  cluster.access.database = 2;
  CHECK(refusal_of("5.2", cluster)
        == "a Redis cluster has only the database 0 | leave --database out");
}

TEST_CASE("every option is written from its release on, and refused before") {
  for (const Since& gate : gates) {
    for (const char* release : releases) {
      CAPTURE(release);
      CAPTURE(gate.key);
      HandlerOptions options;
      gate.set(options);
      if (*moodle::parse_version(release) < gate.first) {
        CHECK(refusal_of(release, redis_at(one), options)
              == std::string("Moodle ") + release + gate.refusal);
      } else {
        CHECK(settings(release, redis_at(one), options).ends_with(gate.key));
      }
    }
  }
}

TEST_CASE("everything that can be set for redis, in order") {
  HandlerOptions options;
  options.prefix = "mine:";
  options.lock_timeout = 60;
  options.lock_expire = 7200;
  options.lock_retry = 50;
  options.lock_warn = 10;
  options.database = 2;
  options.serialiser = "igbinary";
  options.compressor = "zstd";
  options.connection_timeout = 4;
  options.max_retries = 2;
  options.read_timeout = 6;
  CacheServers servers = redis_at(one);
  servers.access.password = "it's";
  CHECK(settings("5.2", servers, options)
        == "\\core\\session\\redis host='s.example.org' port=6380 auth='it\\'s' database=2 "
           "prefix='mine:' acquire_lock_timeout=60 lock_expire=7200 acquire_lock_retry=50 "
           "acquire_lock_warn=10 serializer_use_igbinary=true compressor='zstd' "
           "connection_timeout=4 max_retries=2 read_timeout=6");
}

TEST_CASE("memcached") {
  CacheServers servers;
  servers.servers = {{"a", 11211}, {"b", 11212}};
  const std::string plain =
      "\\core\\session\\memcached save_path='a:11211,b:11212' acquire_lock_timeout=120 "
      "lock_expire=7200";
  for (const char* release : {"3.3", "3.3.3", "4.5.6", "5.1"}) {
    CHECK(settings(release, servers) == plain);
  }
  HandlerOptions options;
  options.lock_retry = 100;
  for (const char* release : {"3.2.6", "3.3.3", "4.5.6"}) {
    CHECK(settings(release, servers, options) == plain + " lock_retry_sleep=100");
  }
  for (const char* release : {"3.2.5", "3.3", "3.3.2"}) {
    CHECK(refusal_of(release, servers, options).ends_with("it came with Moodle 3.2.6 and 3.3.3"));
  }
}

TEST_CASE("IPv6 addresses cannot be said to Moodle's handlers") {
  const std::string wanted = "Moodle's session handlers cannot be given the IPv6 address "
                             "[::1]:6379 | use the server's name";
  CHECK(refusal_of("5.2", redis_at({{"::1", 6379}})) == wanted);
  CHECK(refusal_of("5.2", cluster_of({{"a", 6379}, {"::1", 6379}})) == wanted);
  CacheServers memcached;
  memcached.servers = {{"::1", 6379}};
  CHECK(refusal_of("4.5", memcached) == wanted);
}

TEST_CASE("a Moodle without the handler is refused") {
  CHECK_NOTHROW(require_handler(site_of("5.1"), "memcached"));
  CHECK_NOTHROW(require_handler(site_of("5.2"), "redis"));
  CHECK(refusal([] { require_handler(site_of("5.2"), "memcached"); })
        == "Moodle 5.2 has no session handler memcached | Moodle 5.2 and later keep sessions in "
           "Redis or Valkey, in the database or in files");
}

TEST_CASE("a Redis that Moodle's handler refuses is refused") {
  const auto try_version = [](const std::string& release, const std::string& version) {
    net::RedisStatus status;
    status.version = "8.0.1";
    status.redis_version = version;
    require_version(site_of(release), one.front(), status);
  };
  for (const char* version : {"5.0.0", "4.0.10", "3.2.6"}) {
    CHECK_NOTHROW(try_version("4.4.12", version));
    CHECK(refusal([&] { try_version("4.5", version); })
          == std::string("s.example.org:6380 is Redis ") + version
                 + ", and Moodle 4.5 keeps sessions only in one above 5.0.0 | upgrade the server's "
                   "engine");
  }
  for (const char* version : {"5.0.3", "6.2.6", "7.2.4", ""}) {
    CHECK_NOTHROW(try_version("4.5.6", version));
  }
}

TEST_CASE("options of redis are refused for memcached") {
  for (const Since& gate : gates) {
    HandlerOptions options;
    gate.set(options);
    if (!options.lock_retry) { // which both have
      CHECK(refusal([&] { options.validate(CacheProtocol::memcached); }, cli::ExitCode::usage)
                .ends_with("are for Redis and Valkey | --session-cache-engine says what the "
                           "servers are"));
    }
    CHECK_NOTHROW(options.validate(CacheProtocol::redis));
  }
}
