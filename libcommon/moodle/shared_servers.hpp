#pragma once

#include "cli/log.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/site.hpp"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace moodle {

/// Servers that one part of a site uses, and how it talks to them.
struct ServerGroup {
  CacheProtocol protocol = CacheProtocol::memcached;
  std::vector<net::Endpoint> endpoints;
  net::RedisAccess access;
  bool cluster_client = false; ///< Redis: whether Moodle talks to it as to a cluster
};

/// What the site's session handler uses, as config.php says; no endpoints for files and database.
ServerGroup session_server_group(const Site& site);
/// What an entry of the cache configuration uses; no endpoints for a store without servers.
ServerGroup store_server_group(const php::Array& store);

/// Everything by which one server can be known: its name, its addresses, its Redis run_id, the
/// nodes of its cluster. Two servers that share any of them are one.
using Identities = std::set<std::string>;

/// Of each server of each group, all at once, within `timeout` each; one that does not answer is
/// known by name and address alone, and so are all without `probes`.
std::vector<std::vector<Identities>> identify(const std::vector<ServerGroup>& groups,
                                              std::chrono::milliseconds timeout, bool probes);

/// The first server of the group, whose servers are `known`, that is one of the others.
std::optional<net::Endpoint> shared_server(const ServerGroup& group,
                                           const std::vector<Identities>& known,
                                           const std::vector<Identities>& others);

/// Throws cli::Error{config} when one of the servers also holds the site's sessions, whatever name,
/// address or node of a cluster either is given by: purging a memcached store flushes the whole
/// server, and on Redis the two compete for the same memory under one eviction policy. Warns when
/// sessions live in another database of the same Redis. Names are resolved and servers asked,
/// within the options' timeout; one that does not answer is compared by name and address alone, and
/// all are with
/// --no-probe.
void refuse_session_servers(const Site& site, const CacheServers& servers,
                            const CacheServerOptions& options, const cli::Log& log);

/// The same for a server that one of the site's cache stores uses. `database` is the Redis database
/// that sessions are to live in.
void refuse_store_servers(const CacheConfig& config, const CacheServers& servers,
                          std::uint64_t database, const CacheServerOptions& options,
                          const cli::Log& log);

} // namespace moodle
