#include "store_settings.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <map>

using cli::Error;
using cli::ExitCode;
using cli::shown;
using moodle::CacheProtocol;
using moodle::Version;
using php::Value;

namespace {

// Memcached::SERIALIZER_* and Redis::SERIALIZER_* agree on these.
const std::map<std::string, std::int64_t> serialisers{{"php", 1}, {"igbinary", 2}};
// cachestore_redis::COMPRESSOR_*.
const std::map<std::string, std::int64_t> compressors{{"none", 0}, {"gzip", 1}, {"zstd", 2}};

struct Weight {
  net::Endpoint server;
  std::uint64_t weight = 0;
};

Weight parse_weight(const std::string& text) {
  const std::size_t equals = text.rfind('=');
  const auto number =
      equals == std::string::npos ? std::nullopt : cli::parse_unsigned(text.substr(equals + 1));
  if (!number || *number < 1 || *number > 1'000'000) {
    throw Error(
        ExitCode::usage,
        fmt::format("'{}' is not a value for --weight: it takes HOST:PORT=WEIGHT, the weight "
                    "being a whole number from 1 to 1000000",
                    shown(text)));
  }
  return {
      net::parse_endpoint(text.substr(0, equals), moodle::default_port(CacheProtocol::memcached)),
      *number};
}

std::vector<Weight> parse_weights(const StoreOptions& options,
                                  const std::vector<net::Endpoint>& servers) {
  std::vector<Weight> weights;
  for (const std::string& text : options.weights) {
    weights.push_back(parse_weight(text));
    if (std::find(servers.begin(), servers.end(), weights.back().server) == servers.end()) {
      throw Error(ExitCode::usage, fmt::format("--weight names {}, which is none of the servers",
                                               weights.back().server.text()));
    }
  }
  return weights;
}

/// The weight of a server in a list of entries; nothing when it has none there.
const Value* weight_in(const Value& entries, const net::Endpoint& server) {
  if (entries.array() == nullptr) {
    return nullptr;
  }
  for (const auto& [key, entry] : entries.array()->entries) {
    const auto* const parts = entry.array() == nullptr ? nullptr : &entry.array()->entries;
    if (parts != nullptr && parts->size() > 2 && (*parts)[0].second.scalar_text() == server.host
        && (*parts)[1].second.scalar_text() == std::to_string(server.port)) {
      return &(*parts)[2].second;
    }
  }
  return nullptr;
}

/// Moodle splits at ':' into host, port and weight (config_get_configuration_array). A weight that
/// is not given is that of the entries before.
Value server_entry(const net::Endpoint& server, const std::vector<Weight>& weights,
                   const Value& before) {
  php::Array entry;
  entry.push(server.host);
  entry.push(std::to_string(server.port));
  const auto given = std::find_if(weights.begin(), weights.end(),
                                  [&](const Weight& weight) { return weight.server == server; });
  if (given != weights.end()) {
    entry.push(std::to_string(given->weight));
  } else if (const Value* const kept = weight_in(before, server)) {
    entry.push(*kept);
  }
  return entry;
}

/// The setting of the store that is there, or else the default. Null is none: Moodle would make 0
/// of it, and with a timeout of 0 wait for ever.
class Kept {
public:
  explicit Kept(const php::Array* store)
      : configuration_(store == nullptr ? nullptr : store->find("configuration")) {}

  [[nodiscard]] Value operator()(const char* key, const Value& otherwise) const {
    const Value* const value = configuration_ == nullptr || configuration_->array() == nullptr
                                   ? nullptr
                                   : configuration_->array()->find(key);
    return value == nullptr || value->is_null() ? otherwise : *value;
  }

private:
  const Value* configuration_;
};

Value serialiser_of(const StoreOptions& options, const Kept& kept, const char* key) {
  return options.serialiser.empty() ? kept(key, serialisers.at("php"))
                                    : Value(serialisers.at(options.serialiser));
}

/// `what` is a clause: "has no TLS in its Redis store".
void refuse_unknown(bool wanted, const char* what, const moodle::Site& site, const Version& since,
                    const char* instead) {
  if (wanted && *site.version() < since) {
    throw Error(ExitCode::config, fmt::format("{} {}", site.name(), what),
                fmt::format("it came with Moodle {}; {}", since.text(), instead));
  }
}

std::string server_lines(const moodle::CacheServers& servers) {
  std::vector<std::string> lines;
  for (const net::Endpoint& server : servers.servers) {
    if (server.host.find(':') != std::string::npos) {
      throw Error(
          ExitCode::config,
          fmt::format("Moodle's Redis store cannot be given the IPv6 address {}", server.text()),
          "use the server's name");
    }
    lines.push_back(server.text());
  }
  return cli::join(lines, "\n");
}

} // namespace

void StoreOptions::declare(cli::Options& options) {
  options.group("Store settings");
  options.text("prefix", prefix, "TEXT",
               "what every key begins with: letters, digits, '-' and '_'");
  options.choice("serialiser", serialiser, {"php", "igbinary"},
                 "how values become bytes (default php)");
  options.choice("compression", compression, {"on", "off"},
                 "memcached: compress large values (default on)");
  options.list("weight", weights, "HOST:PORT=WEIGHT", "memcached: a node's share of the keys");
  options.choice("compressor", compressor, {"none", "gzip", "zstd"},
                 "Redis: how values are compressed (default none)");
  options.number("connection-timeout", connect_timeout, 1, 3600,
                 "Redis: seconds that Moodle waits for the server (default 3)");
  options.number("read-timeout", read_timeout, 1, 3600,
                 "Redis: seconds that Moodle waits for an answer (default 3)");
}

void StoreOptions::validate(CacheProtocol protocol) const {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_';
  };
  constexpr std::size_t longest =
      127; // MEMCACHED_PREFIX_KEY_MAX_SIZE of libmemcached, less the end
  if (prefix
      && (!std::all_of(prefix->begin(), prefix->end(), allowed) || prefix->size() > longest)) {
    throw Error(
        ExitCode::usage,
        fmt::format("'{}' is not a value for --prefix: it takes at most {} letters, digits, "
                    "'-' and '_'",
                    shown(*prefix), longest));
  }
  for (const std::string& weight : weights) {
    parse_weight(weight);
  }
  const bool for_memcached = !compression.empty() || !weights.empty();
  const bool for_redis = !compressor.empty() || connect_timeout || read_timeout;
  if (protocol == CacheProtocol::memcached ? for_redis : for_memcached) {
    throw Error(
        ExitCode::usage,
        protocol == CacheProtocol::memcached
            ? "--compressor, --connection-timeout and --read-timeout are for Redis and Valkey"
            : "--compression and --weight are for memcached",
        "--app-cache-engine says what the servers are");
  }
}

const moodle::StorePlugin& store_plugin(CacheProtocol protocol) {
  // get_supported_features: NATIVE_TTL 4 + DEREFERENCES_OBJECTS 16; DATA_GUARANTEE 2 +
  // DEREFERENCES_OBJECTS 16 + IS_SEARCHABLE 8.
  static const moodle::StorePlugin memcached{"memcached", 20, 1};
  static const moodle::StorePlugin redis{"redis", 26, 1 + 2};
  return protocol == CacheProtocol::memcached ? memcached : redis;
}

void require_store(const moodle::Site& site, CacheProtocol protocol) {
  const std::string file = fmt::format("cache/stores/{}/lib.php", text(protocol));
  const bool memcached = protocol == CacheProtocol::memcached;
  const std::string reason = memcached ? " (Moodle 4.2 removed it, MDL-77161)" : "";
  const std::string hint = memcached ? "Moodle 4.2 and later cache in Redis or Valkey; "
                                       "'moodle-session set' can still keep sessions in memcached"
                                     : "";
  if (const auto there = site.has_file(file); there && !*there) {
    throw Error(ExitCode::config,
                fmt::format("{} has no {} cache store: {}/{} is not there{}", site.name(),
                            text(protocol), shown(site.dirroot), file, reason),
                hint);
  }
  if (site.dirroot.empty() && !site.version()) {
    throw Error(
        ExitCode::config,
        fmt::format("cannot tell whether the site's Moodle has a {} cache store: its code is "
                    "not beside {}",
                    text(protocol), shown(site.config_path)),
        "name its release with --moodle-version");
  }
  if (memcached && site.dirroot.empty() && *site.version() >= Version{4, 2}) {
    throw Error(ExitCode::config,
                fmt::format("{} has no memcached cache store{}", site.name(), reason), hint);
  }
}

php::Array memcached_configuration(const StoreOptions& options, const moodle::CacheServers& servers,
                                   const php::Array* existing) {
  const Kept kept(existing);
  const std::vector<Weight> weights = parse_weights(options, servers.servers);
  const Value before = kept("servers", {});
  php::Array get_servers;
  php::Array set_servers;
  for (const net::Endpoint& server : servers.servers) {
    get_servers.push(server_entry(server, weights, before));
    if (servers.is_endpoint) {
      set_servers.push(server_entry(server, {}, {}));
    }
  }
  php::Array configuration;
  configuration.set("servers", std::move(get_servers));
  configuration.set("compression", options.compression.empty()
                                       ? kept("compression", 1)
                                       : Value(options.compression == "on" ? 1 : 0));
  configuration.set("serialiser", serialiser_of(options, kept, "serialiser"));
  configuration.set("prefix", options.prefix ? Value(*options.prefix) : kept("prefix", ""));
  configuration.set("hash", kept("hash", 0));
  configuration.set("bufferwrites", kept("bufferwrites", 0));
  configuration.set("clustered", servers.is_endpoint);
  configuration.set("setservers", std::move(set_servers));
  configuration.set("isshared", kept("isshared", 0));
  return configuration;
}

php::Array redis_configuration(const StoreOptions& options, const moodle::CacheServers& servers,
                               const moodle::Site& site, const php::Array* existing) {
  const Kept kept(existing);
  const auto release = site.version();
  if (!release) {
    throw Error(
        ExitCode::config,
        "cannot tell which settings the site's Moodle has for Redis: its release is unknown",
        "name it with --moodle-version");
  }
  const bool encrypted = servers.access.tls.has_value();
  refuse_unknown(!options.compressor.empty(), "does not compress what it keeps in Redis", site,
                 {3, 8}, "leave --compressor out");
  refuse_unknown(encrypted, "has no TLS in its Redis store", site, {4, 3},
                 "use a Redis or Valkey without in-transit encryption");
  refuse_unknown(servers.is_cluster, "has no Redis cluster mode in its store", site, {4, 4},
                 "use a Redis or Valkey with cluster mode off");
  refuse_unknown(options.connect_timeout.has_value(),
                 "has no connection timeout in its Redis store", site, {4, 5, 5},
                 "leave --connection-timeout out");
  refuse_unknown(options.read_timeout.has_value(), "has no read timeout in its Redis store", site,
                 {5, 2}, "leave --read-timeout out");
  const auto seconds = [&](const std::optional<std::uint64_t>& given, const char* key) {
    return given ? Value(static_cast<std::int64_t>(*given)) : kept(key, 3);
  };
  php::Array configuration;
  configuration.set("server", server_lines(servers));
  configuration.set("prefix", options.prefix ? Value(*options.prefix) : kept("prefix", ""));
  configuration.set("password", servers.access.password.value_or(""));
  configuration.set("serializer", serialiser_of(options, kept, "serializer"));
  if (*release >= Version{3, 8}) {
    configuration.set("compressor", options.compressor.empty()
                                        ? kept("compressor", 0)
                                        : Value(compressors.at(options.compressor)));
  }
  if (*release >= Version{4, 5, 5}) {
    configuration.set("connectiontimeout", seconds(options.connect_timeout, "connectiontimeout"));
  }
  if (*release >= Version{5, 2}) {
    configuration.set("readtimeout", seconds(options.read_timeout, "readtimeout"));
  }
  if (*release >= Version{4, 3}) {
    // Without a file of authorities, Moodle would turn the verification of the server off.
    configuration.set("encryption", encrypted ? 1 : 0);
    configuration.set("cafile", encrypted ? moodle::authority_file(*servers.access.tls) : "");
  }
  if (*release >= Version{4, 4}) {
    configuration.set("clustermode", servers.is_cluster ? 1 : 0);
  }
  return configuration;
}
