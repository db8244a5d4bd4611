#pragma once

#include "database/settings.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace database {

/// An open connection to a site's database. The only thing between the commands and libpqxx.
///
/// No call on it, or on a transaction, waits much longer than `timeout`, whatever the server does;
/// only the resolver's own time for a host name comes on top. Failures are Error{unavailable}
/// (down, hung, lost), Error{no_permission} (refused user, missing rights), Error{config} (no such
/// database, a read-only replica, a bad setting) or Error{try_again} (locked by someone else); no
/// message holds the password.
class Connection {
public:
  /// Connects. The application name is what the server's activity list shows.
  Connection(const Settings& settings, const std::string& application_name,
             std::chrono::milliseconds timeout);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  /// The site's table with the prefix before it, as Moodle names it.
  [[nodiscard]] std::string table(const std::string& name) const;
  /// Database and server, for messages: "database 'moodle' on db.example.org:5432".
  [[nodiscard]] std::string where() const;

private:
  friend class Transaction;
  class Link;

  Settings settings_;
  std::chrono::milliseconds timeout_;
  std::unique_ptr<Link> link_;
};

} // namespace database
