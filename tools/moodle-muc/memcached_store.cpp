#include "memcached_store.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>

using cli::Error;
using cli::ExitCode;
using cli::shown;

// get_supported_features: SUPPORTS_NATIVE_TTL (4) + DEREFERENCES_OBJECTS (16).
const moodle::StorePlugin memcached_plugin{"memcached", 20,
                                           static_cast<int>(moodle::CacheMode::application)};

namespace {

// Memcached::SERIALIZER_PHP and SERIALIZER_IGBINARY.
const std::map<std::string, std::int64_t> serialisers{{"php", 1}, {"igbinary", 2}};

constexpr std::uint16_t default_port = 11211;

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
  return {net::parse_endpoint(text.substr(0, equals), default_port), *number};
}

/// Moodle splits at ':' into host, port and weight (config_get_configuration_array).
php::Value server_entry(const net::Endpoint& server, const std::vector<Weight>& weights) {
  php::Array entry;
  entry.push(server.host);
  entry.push(std::to_string(server.port));
  for (const Weight& weight : weights) {
    if (weight.server == server) {
      entry.push(std::to_string(weight.weight));
    }
  }
  return entry;
}

} // namespace

void MemcachedStoreOptions::declare(cli::Options& options) {
  options.group("Memcached store");
  options.text("prefix", prefix, "TEXT",
               "what every key begins with: letters, digits, '-' and '_'");
  options.choice("compression", compression, {"on", "off"}, "compress large values (default on)");
  options.choice("serialiser", serialiser, {"php", "igbinary"},
                 "how values become bytes (default php)");
  options.list("weight", weights, "HOST:PORT=WEIGHT", "a node's share of the keys");
}

void MemcachedStoreOptions::validate() const {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_';
  };
  constexpr std::size_t longest = 128; // MEMCACHED_PREFIX_KEY_MAX_SIZE of libmemcached
  if (prefix
      && (!std::all_of(prefix->begin(), prefix->end(), allowed) || prefix->size() >= longest)) {
    throw Error(
        ExitCode::usage,
        fmt::format("'{}' is not a value for --prefix: it takes at most {} letters, digits, "
                    "'-' and '_'",
                    shown(*prefix), longest - 1));
  }
  for (const std::string& weight : weights) {
    parse_weight(weight);
  }
}

void require_memcached_store(const moodle::Site& site) {
  const std::string file = "cache/stores/memcached/lib.php";
  const std::string hint =
      "Moodle 4.2 and later cache in Redis or Valkey; 'moodle-session set' can "
      "still keep sessions in memcached";
  if (const auto there = site.has_file(file)) {
    if (!*there) {
      throw Error(ExitCode::config,
                  fmt::format("{} has no memcached cache store: {}/{} is not there (Moodle 4.2 "
                              "removed it, MDL-77161)",
                              site.name(), shown(site.dirroot), file),
                  hint);
    }
    return;
  }
  const auto version = site.version();
  if (!version) {
    throw Error(
        ExitCode::config,
        fmt::format("cannot tell whether the site's Moodle has a memcached cache store: its "
                    "code is not beside {}",
                    shown(site.config_path)),
        "name its release with --moodle-version");
  }
  if (*version >= moodle::Version{4, 2}) {
    throw Error(ExitCode::config,
                fmt::format("{} has no memcached cache store (Moodle 4.2 removed it, MDL-77161)",
                            site.name()),
                hint);
  }
}

php::Array memcached_configuration(const MemcachedStoreOptions& options,
                                   const moodle::CacheServers& servers,
                                   const php::Array* existing_store) {
  const php::Value* const kept =
      existing_store == nullptr ? nullptr : existing_store->find("configuration");
  const auto keep = [&](const char* key, const php::Value& otherwise) {
    const php::Value* const value =
        kept == nullptr || kept->array() == nullptr ? nullptr : kept->array()->find(key);
    return value == nullptr ? otherwise : *value;
  };
  std::vector<Weight> weights;
  for (const std::string& text : options.weights) {
    weights.push_back(parse_weight(text));
    if (std::find(servers.servers.begin(), servers.servers.end(), weights.back().server)
        == servers.servers.end()) {
      throw Error(ExitCode::usage, fmt::format("--weight names {}, which is none of the servers",
                                               weights.back().server.text()));
    }
  }
  php::Array get_servers;
  php::Array set_servers;
  for (const net::Endpoint& server : servers.servers) {
    get_servers.push(server_entry(server, weights));
    if (servers.is_endpoint) {
      set_servers.push(server_entry(server, {}));
    }
  }
  php::Array configuration;
  configuration.set("servers", std::move(get_servers));
  configuration.set("compression", options.compression.empty()
                                       ? keep("compression", 1)
                                       : php::Value(options.compression == "on" ? 1 : 0));
  configuration.set("serialiser", options.serialiser.empty()
                                      ? keep("serialiser", serialisers.at("php"))
                                      : php::Value(serialisers.at(options.serialiser)));
  configuration.set("prefix", options.prefix ? php::Value(*options.prefix) : keep("prefix", ""));
  configuration.set("hash", keep("hash", 0));
  configuration.set("bufferwrites", keep("bufferwrites", 0));
  configuration.set("clustered", servers.is_endpoint);
  configuration.set("setservers", std::move(set_servers));
  configuration.set("isshared", keep("isshared", 0));
  return configuration;
}
