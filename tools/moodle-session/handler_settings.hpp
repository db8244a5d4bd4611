#pragma once

#include "cli/options.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/session_config.hpp"
#include "moodle/site.hpp"
#include "net/redis.hpp"

#include <optional>
#include <string>

/// The options of a session handler, and what config.php gets for them.
struct HandlerOptions {
  std::optional<std::string> prefix;
  std::optional<std::uint64_t> lock_timeout;       ///< seconds
  std::optional<std::uint64_t> lock_expire;        ///< seconds
  std::optional<std::uint64_t> lock_retry;         ///< milliseconds
  std::optional<std::uint64_t> lock_warn;          ///< seconds; Redis
  std::optional<std::uint64_t> database;           ///< Redis
  std::optional<std::uint64_t> connection_timeout; ///< seconds; Redis
  std::optional<std::uint64_t> read_timeout;       ///< seconds; Redis
  std::optional<std::uint64_t> max_retries;        ///< Redis
  std::string serialiser;                          ///< Redis
  std::string compressor;                          ///< Redis

  void declare(cli::Options& options);
  /// Throws cli::Error{usage} for what does not fit, or is for the other kind of servers.
  void validate(moodle::CacheProtocol protocol) const;

  /// The keys that this Moodle's code reads (Moodle 3.3 to 5.2 lib/classes/session/memcached.php
  /// and redis.php), in the form that it reads them in. Throws cli::Error{config} for what this
  /// Moodle cannot do, with what would work.
  [[nodiscard]] moodle::SessionSettings settings(const moodle::Site& site,
                                                 const moodle::CacheServers& servers) const;

private:
  [[nodiscard]] moodle::SessionSettings memcached(const moodle::Site& site,
                                                  const moodle::CacheServers& servers) const;
  [[nodiscard]] moodle::SessionSettings redis(const moodle::Site& site,
                                              const moodle::CacheServers& servers) const;
};

/// Sessions in the database or in files: the class alone.
moodle::SessionSettings settings_of_plain_handler(const std::string& handler);

/// Throws cli::Error{config} when the handler of this site's Moodle refuses a server of that
/// version.
void require_version(const moodle::Site& site, const net::Endpoint& server,
                     const net::RedisStatus& status);

/// Throws cli::Error{config} when this site's Moodle has no such handler.
void require_handler(const moodle::Site& site, const std::string& handler);
