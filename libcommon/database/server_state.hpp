#pragma once

#include "database/connection.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace database {

/// How the server is, and what else than its installation a site's database tells of it.
struct ServerState {
  int version = 0; ///< PostgreSQL's server_version_num: 150004 is 15.4
  /// The shortest of a few statements that do nothing.
  std::chrono::microseconds round_trip{0};
  /// How far the server's clock is ahead of this host's; negative when it is behind. It is exact to
  /// half a round trip.
  std::chrono::milliseconds clock_ahead{0};
  /// The row `dbsessions`: whether the administration page has put sessions into the database.
  bool sessions_in_database = false;
  /// When cron last began, in seconds of the epoch by the web servers' clocks; nothing when it
  /// never did, or where the site does not keep it (Moodle before 3.9).
  std::optional<std::int64_t> last_cron;
};

/// Reads it in one read-only transaction. Throws what Connection says.
ServerState read_server_state(Connection& connection);

} // namespace database
