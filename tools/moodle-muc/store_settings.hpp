#pragma once

#include "cli/options.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/site.hpp"

#include <optional>
#include <string>
#include <vector>

/// The settings of a cache store, as on Moodle's page for it. What is not given keeps the value
/// that an existing store has, and else gets the page's default.
struct StoreOptions {
  std::optional<std::string> prefix;
  std::string serialiser;
  // memcached
  std::string compression;
  std::vector<std::string> weights;
  // Redis and Valkey
  std::string compressor;
  std::optional<std::uint64_t> connect_timeout; ///< seconds
  std::optional<std::uint64_t> read_timeout;    ///< seconds

  void declare(cli::Options& options);
  /// Throws cli::Error{usage} for what does not fit, or is for the other kind of store.
  void validate(moodle::CacheProtocol protocol) const;
};

/// What Moodle's plugin for the protocol says of itself.
const moodle::StorePlugin& store_plugin(moodle::CacheProtocol protocol);

/// Throws cli::Error{config} with the reason when this site's Moodle has no such cache store.
void require_store(const moodle::Site& site, moodle::CacheProtocol protocol);

/// The `configuration` of a store. `existing` is the whole entry of the store that is there, if
/// any.
///
/// memcached: keys in the order of config_get_configuration_array (Moodle 3.3 and 4.1
/// cache/stores/memcached/lib.php). With an endpoint, it is both the one server to read from and
/// the one to write to; with nodes, keys are spread over them. Throws cli::Error{usage} for a
/// weight of a server that is not there.
php::Array memcached_configuration(const StoreOptions& options, const moodle::CacheServers& servers,
                                   const php::Array* existing);

/// Redis: the keys that this Moodle's code has, in its order (cache/stores/redis/lib.php of
/// Moodle 3.3, 4.5 and 5.2). Throws cli::Error{config} for what this Moodle cannot do, with what
/// would work.
php::Array redis_configuration(const StoreOptions& options, const moodle::CacheServers& servers,
                               const moodle::Site& site, const php::Array* existing);
