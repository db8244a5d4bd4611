#pragma once

#include "cli/options.hpp"
#include "moodle/session_config.hpp"
#include "moodle/site.hpp"
#include "net/endpoint.hpp"

#include <optional>
#include <string>
#include <vector>

/// The options of a session handler, and what config.php gets for them.
struct HandlerOptions {
  std::optional<std::string> prefix;
  std::optional<std::uint64_t> lock_timeout;
  std::optional<std::uint64_t> lock_expire;
  std::optional<std::uint64_t> lock_retry_sleep;

  void declare(cli::Options& options);
  /// Throws cli::Error{usage}.
  void validate() const;

  /// The keys that Moodle's code reads (Moodle 3.3 to 4.5 lib/classes/session/memcached.php). The
  /// two lock times are always written, with Moodle's own defaults, so that the file says what is
  /// in force. Throws cli::Error{config} when this Moodle does not know a key.
  [[nodiscard]] moodle::SessionSettings memcached(const moodle::Site& site,
                                                  const std::vector<net::Endpoint>& servers) const;
};

/// Sessions in the database or in files: the class alone.
moodle::SessionSettings settings_of_plain_handler(const std::string& handler);

/// Throws cli::Error{config} when this site's Moodle has no such handler.
void require_handler(const moodle::Site& site, const std::string& handler);
