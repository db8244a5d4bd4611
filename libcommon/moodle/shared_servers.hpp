#pragma once

#include "cli/log.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/site.hpp"

namespace moodle {

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
