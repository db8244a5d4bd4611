#pragma once

#include "cli/options.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/site.hpp"

#include <map>
#include <optional>
#include <string>

/// The settings of a memcached cache store, as on Moodle's page for it. What is not given keeps the
/// value that an existing store has, and else gets the page's default (Moodle 4.1
/// cache/stores/memcached/addinstanceform.php).
struct MemcachedStoreOptions {
  std::optional<std::string> prefix;
  std::string compression;
  std::string serialiser;
  std::vector<std::string> weights;

  void declare(cli::Options& options);
  /// Throws cli::Error{usage}.
  void validate() const;
};

/// Throws cli::Error{config} with the reason when this site's Moodle has no memcached cache store.
void require_memcached_store(const moodle::Site& site);

extern const moodle::StorePlugin memcached_plugin;

/// The `configuration` of the store: keys in the order of config_get_configuration_array
/// (Moodle 3.3 and 4.1 cache/stores/memcached/lib.php). With an endpoint, it is both the one server
/// to read from and the one to write to; with nodes, keys are spread over them. Throws
/// cli::Error{usage} for a weight of a server that is not there.
php::Array memcached_configuration(const MemcachedStoreOptions& options,
                                   const moodle::CacheServers& servers,
                                   const php::Array* existing_store);
