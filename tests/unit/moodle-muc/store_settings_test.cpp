#include "cli/error.hpp"
#include "cli/text.hpp"
#include "moodle/managed_block.hpp"
#include "store_settings.hpp"

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
  return site;
}

CacheServers redis_at(std::vector<net::Endpoint> servers) {
  CacheServers chosen;
  chosen.protocol = CacheProtocol::redis;
  chosen.servers = std::move(servers);
  return chosen;
}

CacheServers with_tls(CacheServers servers) {
  servers.access.tls = net::Tls{"/etc/our-ca.pem"};
  return servers;
}

const std::vector<net::Endpoint> one{{"c.example.org", 6379}};
const std::vector<net::Endpoint> three{{"a", 7001}, {"b", 7002}, {"c", 7003}};

/// Keys, values and their types, in order: "server='c:6379' serializer=1".
std::string text(const php::Array& configuration) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : configuration.entries) {
    parts.push_back(std::get<std::string>(key) + "=" + moodle::php_literal(value));
  }
  return cli::join(parts, " ");
}

std::string redis(const std::string& release, const CacheServers& servers,
                  const StoreOptions& options = {}, const php::Array* existing = nullptr) {
  return text(redis_configuration(options, servers, site_of(release), existing));
}

/// The error's "message | hint".
std::string refusal(const std::function<void()>& act, cli::ExitCode code) {
  try {
    act();
  } catch (const cli::Error& error) {
    CHECK(error.code() == code);
    return error.message() + " | " + error.hint();
  }
  return "nothing was refused";
}

std::string redis_refusal(const std::string& release, const CacheServers& servers,
                          const StoreOptions& options = {}) {
  return refusal([&] { redis(release, servers, options); }, cli::ExitCode::config);
}

php::Array store_with(php::Array configuration) {
  php::Array store;
  store.set("name", "elasticache");
  store.set("configuration", std::move(configuration));
  return store;
}

} // namespace

TEST_CASE("every release gets the keys that its redis store reads, in its order") {
  const std::string oldest = "server='c.example.org:6379' prefix='' password='' serializer=1";
  const std::string compressor = " compressor=0";
  const std::string timeout = " connectiontimeout=3";
  const std::string read = " readtimeout=3";
  const std::string tls = " encryption=0 cafile=''";
  const std::string cluster = " clustermode=0";
  const std::vector<std::pair<std::vector<std::string>, std::string>> releases{
      {{"3.3", "3.3.9", "3.4", "3.5.18", "3.6", "3.7.9"}, oldest},
      {{"3.8", "3.9", "3.11.18", "4.0", "4.1.22", "4.2.11"}, oldest + compressor},
      {{"4.3", "4.3.12"}, oldest + compressor + tls},
      {{"4.4", "4.4.12", "4.5", "4.5.4"}, oldest + compressor + tls + cluster},
      {{"4.5.5", "4.5.6", "5.0.1", "5.1", "5.1.9"}, oldest + compressor + timeout + tls + cluster},
      {{"5.2", "5.2.1"}, oldest + compressor + timeout + read + tls + cluster}};
  for (const auto& [names, wanted] : releases) {
    for (const std::string& release : names) {
      CAPTURE(release);
      CHECK(redis(release, redis_at(one)) == wanted);
    }
  }
}

TEST_CASE("everything that can be set for a redis store") {
  StoreOptions options;
  options.prefix = "site1_";
  options.serialiser = "igbinary";
  options.compressor = "zstd";
  options.connect_timeout = 5;
  options.read_timeout = 7;
  CacheServers servers = with_tls(redis_at(three));
  servers.is_cluster = true;
  servers.access.password = "it's a secret";
  CHECK(
      redis("5.2", servers, options)
      == "server='a:7001\nb:7002\nc:7003' prefix='site1_' password='it\\'s a secret' serializer=2 "
         "compressor=2 connectiontimeout=5 readtimeout=7 encryption=1 cafile='/etc/our-ca.pem' "
         "clustermode=1");
}

TEST_CASE("TLS is never without a file of authorities, which would turn verification off") {
  CacheServers servers = redis_at(one);
  servers.access.tls = net::Tls{};
  const php::Array made = redis_configuration({}, servers, site_of("4.5.6"), nullptr);
  CHECK(*made.find("encryption") == php::Value(1));
  CHECK(made.find("cafile")->scalar_text().value_or("").starts_with('/'));
}

TEST_CASE("what a release cannot do is refused, with what would work") {
  CHECK(redis_refusal("4.2.11", with_tls(redis_at(one)))
        == "Moodle 4.2.11 has no TLS in its Redis store | it came with Moodle 4.3; use a Redis or "
           "Valkey without in-transit encryption");
  CacheServers cluster = redis_at(three);
  cluster.is_cluster = true;
  CHECK(redis_refusal("4.3.12", cluster)
        == "Moodle 4.3.12 has no Redis cluster mode in its store | it came with Moodle 4.4; use a "
           "Redis or Valkey with cluster mode off");
  StoreOptions options;
  options.compressor = "gzip";
  CHECK(redis_refusal("3.7.9", redis_at(one), options)
        == "Moodle 3.7.9 does not compress what it keeps in Redis | it came with Moodle 3.8; leave "
           "--compressor out");
  options = {};
  options.connect_timeout = 3;
  CHECK(redis_refusal("4.5.4", redis_at(one), options)
        == "Moodle 4.5.4 has no connection timeout in its Redis store | it came with Moodle 4.5.5; "
           "leave --connection-timeout out");
  options = {};
  options.read_timeout = 3;
  CHECK(redis_refusal("5.1.9", redis_at(one), options)
        == "Moodle 5.1.9 has no read timeout in its Redis store | it came with Moodle 5.2; leave "
           "--read-timeout out");
}

TEST_CASE("an IPv6 address cannot be said to the redis store, which splits at ':'") {
  CHECK(redis_refusal("5.2", redis_at({{"::1", 6379}}))
        == "Moodle's Redis store cannot be given the IPv6 address [::1]:6379 | use the server's "
           "name");
}

TEST_CASE("a release that is not known is asked for") {
  const moodle::Site site;
  CHECK(
      refusal([&] { redis_configuration({}, redis_at(one), site, nullptr); }, cli::ExitCode::config)
          .ends_with("its release is unknown | name it with --moodle-version"));
}

TEST_CASE("a store that is there keeps its settings, but for where its servers are") {
  php::Array old;
  old.set("server", "elsewhere");
  old.set("prefix", "kept_");
  old.set("password", "old");
  old.set("serializer", "2"); // as Moodle's page leaves it
  old.set("compressor", 1);
  old.set("connectiontimeout", php::Value());
  old.set("encryption", 1);
  old.set("cafile", "/old.pem");
  old.set("clustermode", 1);
  const php::Array store = store_with(old);
  CHECK(redis("4.5.6", redis_at(one), {}, &store)
        == "server='c.example.org:6379' prefix='kept_' password='' serializer='2' compressor=1 "
           "connectiontimeout=3 encryption=0 cafile='' clustermode=0");
}

TEST_CASE("the memcached store") {
  CacheServers servers;
  servers.servers = {{"a", 11211}, {"b", 11212}};
  StoreOptions options;
  options.weights = {"b:11212=3"};
  CHECK(text(memcached_configuration(options, servers, nullptr))
        == "servers=[['a', '11211'], ['b', '11212', '3']] compression=1 serialiser=1 prefix='' "
           "hash=0 bufferwrites=0 clustered=false setservers=[] isshared=0");
  // Later, without --weight, with another node, and with another weight.
  const php::Array store = store_with(memcached_configuration(options, servers, nullptr));
  servers.servers = {{"b", 11212}, {"c", 11212}};
  CHECK(text(memcached_configuration({}, servers, &store))
            .starts_with("servers=[['b', '11212', '3'], ['c', '11212']] "));
  options.weights = {"b:11212=5"};
  CHECK(text(memcached_configuration(options, servers, &store))
            .starts_with("servers=[['b', '11212', '5'], ['c', '11212']] "));
  servers.servers = {{"cfg", 11211}};
  servers.is_endpoint = true;
  CHECK(text(memcached_configuration({}, servers, nullptr))
        == "servers=[['cfg', '11211']] compression=1 serialiser=1 prefix='' hash=0 bufferwrites=0 "
           "clustered=true setservers=[['cfg', '11211']] isshared=0");
}

TEST_CASE("there is no memcached store from 4.2 on") {
  for (const char* release : {"3.3", "3.11.18", "4.1.22"}) {
    CHECK_NOTHROW(require_store(site_of(release), CacheProtocol::memcached));
  }
  for (const char* release : {"4.2", "4.5.6", "5.2"}) {
    const moodle::Site site = site_of(release);
    CHECK(refusal([&] { require_store(site, CacheProtocol::memcached); }, cli::ExitCode::config)
          == std::string("Moodle ") + release
                 + " has no memcached cache store (Moodle 4.2 removed it, MDL-77161) | Moodle 4.2 "
                   "and later cache in Redis or Valkey; 'moodle-session set' can still keep "
                   "sessions in memcached");
    CHECK_NOTHROW(require_store(site, CacheProtocol::redis));
  }
}

TEST_CASE("options of the other kind of servers are refused") {
  StoreOptions redis_only;
  redis_only.compressor = "none";
  StoreOptions memcached_only;
  memcached_only.compression = "on";
  const auto usage = cli::ExitCode::usage;
  CHECK(refusal([&] { redis_only.validate(CacheProtocol::memcached); }, usage)
        == "--compressor, --connection-timeout and --read-timeout are for Redis and Valkey | "
           "--app-cache-engine says what the servers are");
  CHECK(refusal([&] { memcached_only.validate(CacheProtocol::redis); }, usage)
        == "--compression and --weight are for memcached | --app-cache-engine says what the "
           "servers are");
  CHECK_NOTHROW(redis_only.validate(CacheProtocol::redis));
  CHECK_NOTHROW(memcached_only.validate(CacheProtocol::memcached));
}
