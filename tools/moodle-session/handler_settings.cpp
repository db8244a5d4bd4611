#include "handler_settings.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>

using cli::Error;
using cli::ExitCode;
using cli::shown;
using moodle::CacheProtocol;
using moodle::CacheServers;
using moodle::SessionSettings;
using moodle::Site;
using moodle::Version;
using php::Value;

namespace {

std::string class_of(const std::string& handler) {
  return "\\core\\session\\" + handler;
}

/// Collects keys for one handler, and refuses those that the site's Moodle does not read yet.
class Keys {
public:
  Keys(const Site& site, const std::string& handler)
      : site_(site), prefix_("session_" + handler + "_") {
    settings_.handler_class = class_of(handler);
  }

  void add(const char* key, Value value) {
    settings_.values.emplace_back(prefix_ + key, std::move(value));
  }

  void add_if_given(const char* key, const std::optional<std::uint64_t>& value, bool known,
                    const char* since) {
    if (value) {
      require(known, fmt::format("does not read {}{}", prefix_, key), since);
      add(key, static_cast<std::int64_t>(*value));
    }
  }

  /// Throws unless `known`: "Moodle 3.3 <what>".
  void require(bool known, const std::string& what, const std::string& hint) const {
    if (!known) {
      throw Error(ExitCode::config, fmt::format("{} {}", site_.name(), what), hint);
    }
  }

  /// The release that decides; for one that is not known, a later one than any. Asked for only when
  /// something depends on it: that takes a run of PHP.
  [[nodiscard]] Version release() const {
    if (!release_) {
      release_ = site_.version().value_or(Version{99, 0});
    }
    return *release_;
  }
  [[nodiscard]] bool since(const Version& version) const { return release() >= version; }
  [[nodiscard]] SessionSettings take() { return std::move(settings_); }

private:
  const Site& site_;
  mutable std::optional<Version> release_;
  std::string prefix_;
  SessionSettings settings_;
};

void refuse_ipv6(const net::Endpoint& server) {
  if (server.host.find(':') != std::string::npos) {
    throw Error(
        ExitCode::config,
        fmt::format("Moodle's session handlers cannot be given the IPv6 address {}", server.text()),
        "use the server's name");
  }
}

std::string comma_list(const std::vector<net::Endpoint>& servers) {
  std::vector<std::string> texts;
  for (const net::Endpoint& server : servers) {
    refuse_ipv6(server);
    texts.push_back(server.text());
  }
  return cli::join(texts, ",");
}

/// Options of PHP's TLS stream; the verification is PHP's default, and said all the same.
Value encryption(const net::Tls& tls) {
  php::Array options;
  options.set("verify_peer", true);
  options.set("verify_peer_name", true);
  options.set("cafile", moodle::authority_file(tls));
  return options;
}

/// Where Redis is, in the form that this Moodle reads.
void add_address(Keys& keys, const CacheServers& servers) {
  const bool encrypted = servers.access.tls.has_value();
  if (servers.is_cluster) {
    keys.require(keys.since({4, 4}), "cannot keep sessions in a Redis cluster",
                 "Moodle 4.4 and later can; earlier ones need a Redis with cluster mode off");
    if (servers.access.database != 0) {
      throw Error(ExitCode::config, "a Redis cluster has only the database 0",
                  "leave --database out");
    }
    std::vector<net::Endpoint> nodes = servers.servers;
    if (nodes.size() == 1) {
      nodes.push_back(nodes.front()); // Moodle takes two hosts or more for a cluster, one for none
    }
    keys.add("host", comma_list(nodes));
  } else {
    const net::Endpoint& server = servers.servers.front();
    refuse_ipv6(server);
    const bool by_scheme = encrypted && !keys.since({4, 3});
    keys.require(
        !by_scheme || !servers.access.tls->ca_file,
        "cannot be given a file of authorities for its session servers",
        "Moodle 4.3 and later can; earlier ones trust what openssl.cafile of php.ini names");
    keys.add("host", std::string(by_scheme ? moodle::tls_scheme : "") + server.host);
    keys.add("port", static_cast<std::int64_t>(server.port));
  }
  if (encrypted && keys.since({4, 3})) {
    keys.add("encrypt", encryption(*servers.access.tls));
  }
}

/// What keeps the sessions of several sites apart that share a server.
std::string default_prefix(const Site& site) {
  std::string prefix;
  for (const char c : site.text("dbname") + "_" + site.text("prefix") + "sess_") {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    prefix += plain ? c : '_';
  }
  return prefix;
}

} // namespace

void HandlerOptions::declare(cli::Options& options) {
  options.text(
      "prefix", prefix, "TEXT",
      "what the key of every session begins with; one of its own for each site that shares "
      "the servers (default: memcached: PHP's memcached.sess_prefix; Redis: made of the "
      "database's name and table prefix)");
  options.number("acquire-lock-timeout", lock_timeout, 1, 86'400,
                 "seconds that a request waits for its session (default 120)");
  options.number(
      "lock-expire", lock_expire, 1, 2'592'000,
      "seconds after which a lock is given up (default: memcached: 7200; Redis: Moodle's)");
  options.number("lock-retry-sleep", lock_retry, 1, 60'000,
                 "milliseconds between two tries for a lock (default: Moodle's)");
  options.number("lock-warn", lock_warn, 1, 86'400,
                 "Redis: seconds of waiting for a lock after which Moodle logs it");
  options.number("database", database, 0, 15, "Redis: number of the database (default 0)");
  options.number("connection-timeout", connection_timeout, 1, 3600,
                 "Redis: seconds that Moodle waits for the server (default: Moodle's)");
  options.number("read-timeout", read_timeout, 1, 3600,
                 "Redis: seconds that Moodle waits for an answer (default: Moodle's)");
  options.number("max-retries", max_retries, 1, 100,
                 "Redis: how often Moodle tries to connect (default: Moodle's)");
  options.choice("serialiser", serialiser, {"php", "igbinary"},
                 "Redis: how sessions become bytes (default php)");
  options.choice("compressor", compressor, {"none", "gzip", "zstd"},
                 "Redis: how sessions are compressed (default none)");
}

void HandlerOptions::validate(CacheProtocol protocol) const {
  // memcached keys hold no blanks; PHP's extension refuses longer prefixes (memcached.sess_prefix).
  constexpr std::size_t longest = 200;
  const auto fits = [](char c) { return c > ' ' && c < 0x7F; };
  if (prefix
      && (prefix->empty() || prefix->size() > longest
          || !std::all_of(prefix->begin(), prefix->end(), fits))) {
    throw Error(ExitCode::usage,
                fmt::format("'{}' is not a value for --prefix: it takes 1 to {} ASCII characters "
                            "without blanks",
                            shown(*prefix), longest));
  }
  if (protocol == CacheProtocol::memcached
      && (lock_warn || database || connection_timeout || read_timeout || max_retries
          || !serialiser.empty() || !compressor.empty())) {
    throw Error(ExitCode::usage,
                "--lock-warn, --database, --connection-timeout, --read-timeout, --max-retries, "
                "--serialiser and --compressor are for Redis and Valkey",
                "--session-cache-engine says what the servers are");
  }
}

SessionSettings HandlerOptions::settings(const Site& site, const CacheServers& servers) const {
  return servers.protocol == CacheProtocol::memcached ? memcached(site, servers)
                                                      : redis(site, servers);
}

SessionSettings HandlerOptions::memcached(const Site& site, const CacheServers& servers) const {
  Keys keys(site, "memcached");
  keys.add("save_path", comma_list(servers.servers));
  if (prefix) {
    keys.add("prefix", *prefix);
  }
  // Moodle's own defaults, written so that the file says what is in force.
  keys.add("acquire_lock_timeout", static_cast<std::int64_t>(lock_timeout.value_or(120)));
  keys.add("lock_expire", static_cast<std::int64_t>(lock_expire.value_or(7200)));
  if (lock_retry) {
    keys.add_if_given("lock_retry_sleep", lock_retry,
                      keys.since({3, 3, 3})
                          || (keys.since({3, 2, 6}) && keys.release() < Version{3, 3}),
                      "leave --lock-retry-sleep out; it came with Moodle 3.2.6 and 3.3.3");
  }
  return keys.take();
}

SessionSettings HandlerOptions::redis(const Site& site, const CacheServers& servers) const {
  Keys keys(site, "redis");
  if (!site.version()) {
    throw Error(
        ExitCode::config,
        "cannot tell which settings the site's Moodle has for Redis: its release is unknown",
        "name it with --moodle-version");
  }
  add_address(keys, servers);
  if (servers.access.password) {
    keys.add("auth", *servers.access.password);
  }
  keys.add_if_given("database", database, true, "");
  keys.add("prefix", prefix.value_or(default_prefix(site)));
  keys.add("acquire_lock_timeout", static_cast<std::int64_t>(lock_timeout.value_or(120)));
  keys.add_if_given("lock_expire", lock_expire, true, "");
  keys.add_if_given("acquire_lock_retry", lock_retry, keys.since({3, 9}),
                    "leave --lock-retry-sleep out; it came with Moodle 3.9");
  keys.add_if_given("acquire_lock_warn", lock_warn, keys.since({3, 9}),
                    "leave --lock-warn out; it came with Moodle 3.9");
  if (serialiser == "igbinary") {
    keys.add("serializer_use_igbinary", true);
  }
  if (!compressor.empty()) {
    keys.require(keys.since({3, 11}), "does not compress sessions in Redis",
                 "leave --compressor out; it came with Moodle 3.11");
    keys.add("compressor", compressor);
  }
  keys.add_if_given("connection_timeout", connection_timeout, keys.since({4, 5, 5}),
                    "leave --connection-timeout out; it came with Moodle 4.5.5");
  keys.add_if_given("max_retries", max_retries, keys.since({4, 5, 5}),
                    "leave --max-retries out; it came with Moodle 4.5.5");
  keys.add_if_given("read_timeout", read_timeout, keys.since({5, 2}),
                    "leave --read-timeout out; it came with Moodle 5.2");
  return keys.take();
}

SessionSettings settings_of_plain_handler(const std::string& handler) {
  return {class_of(handler), {}};
}

void require_version(const Site& site, const net::Endpoint& server,
                     const net::RedisStatus& status) {
  // Moodle 4.5 lib/classes/session/redis.php calls 5.0.0 the minimum and refuses it, too
  // (version_compare() <= 0); earlier ones do not look.
  const auto version = moodle::parse_version(status.redis_version);
  if (!version || *version > Version{5, 0, 0}) {
    return;
  }
  if (const auto release = site.version(); release && *release >= Version{4, 5}) {
    throw Error(ExitCode::config,
                fmt::format("{} is Redis {}, and {} keeps sessions only in one above 5.0.0",
                            server.text(), shown(status.redis_version), site.name()),
                "upgrade the server's engine");
  }
}

void require_handler(const Site& site, const std::string& handler) {
  const std::string file = fmt::format("lib/classes/session/{}.php", handler);
  if (const auto there = site.has_file(file)) {
    if (!*there) {
      throw Error(ExitCode::config, fmt::format("{} has no session handler {}: {}/{} is not there",
                                                site.name(), handler, shown(site.dirroot), file));
    }
    return;
  }
  const auto version = site.version();
  if (handler == "memcached" && version && *version >= Version{5, 2}) {
    throw Error(
        ExitCode::config, fmt::format("{} has no session handler memcached", site.name()),
        "Moodle 5.2 and later keep sessions in Redis or Valkey, in the database or in files");
  }
}
