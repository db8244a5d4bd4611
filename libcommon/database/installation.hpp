#pragma once

#include "database/connection.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace database {

/// How far a site's installation has come. Read from `config` by its unique name and from `user` by
/// its primary key, so it costs the same whatever the size of the site.
struct InstallationState {
  bool has_tables = false;        ///< whether both tables exist; when not, all else here is empty
  bool has_administrator = false; ///< whether the first id in `siteadmins` is a user
  /// The first administrator's password is set, and `rolesactive` is 1.
  bool finished = false;
  /// The first id in `siteadmins`, while that user's password is 'adminsetuppending'.
  std::optional<std::int64_t> pending_user_id;
  std::string pending_username;
  std::string pending_lastip;
  /// The row `getremoteaddrconf`, where there is one that is a number. config.php wins over it.
  std::optional<int> getremoteaddrconf;
  /// The row `version`, for example 2024100700; 0 where there is none yet.
  std::int64_t version = 0;
  /// The same as it stands there, with its fraction: "2024100706.01"; empty where there is none.
  std::string version_text;
};

/// Reads it in one read-only transaction. Throws what Connection says, and Error{data} when
/// `siteadmins` does not begin with a number.
InstallationState read_installation_state(Connection& connection);

/// Sets `lastip` of that user in one transaction that reads the state again. Returns whether it had
/// to be changed. Throws Error{try_again} when the user is no longer the pending administrator.
bool set_pending_lastip(Connection& connection, std::int64_t user_id, const std::string& address);

} // namespace database
