#pragma once

#include <string>

namespace database {

/// How to reach a site's PostgreSQL database, and where in it the site lives. An empty text means
/// "not said": libpq's environment and defaults decide.
struct Settings {
  std::string dsn; ///< a libpq connection string or URI; the fields below, where set, win over it
  std::string host;
  std::string port;   ///< as text; it is part of a socket's name, too
  std::string socket; ///< directory of the Unix socket; when set, `host` is not used
  std::string name;
  std::string user;
  std::string password; ///< never shown in any message
  std::string schema;   ///< a search_path, as Moodle's `dbschema`
  std::string sslmode;  ///< as libpq's keyword, Moodle's `dboptions['ssl']` (4.3 and later)
  std::string prefix = "mdl_";
};

/// Sets host, port and socket from `$CFG->dbhost` and from `dbsocket` and `dbport` of
/// `$CFG->dboptions`, given as PHP would print them (true is "1"; false, null and absent are
/// empty). As Moodle's driver does (Moodle 4.5 lib/dml/pgsql_native_moodle_database.php,
/// raw_connect): `dbsocket` counts only for the hosts "localhost" and "127.0.0.1"; one with a slash
/// is the socket's directory, any other true value means the default directory; over TCP the port
/// defaults to 5432.
inline void set_address(Settings& settings, const std::string& dbhost, const std::string& dbsocket,
                        const std::string& dbport) {
  const auto is_empty = [](const std::string& text) {
    return text.empty() || text == "0";
  }; // PHP's
  const bool by_socket = !is_empty(dbsocket) && (dbhost == "localhost" || dbhost == "127.0.0.1");
  settings.host = by_socket ? "" : dbhost;
  settings.socket = by_socket && dbsocket.find('/') != std::string::npos ? dbsocket : "";
  settings.port = !is_empty(dbport) ? dbport : by_socket ? "" : "5432";
}

/// Throws Error{usage} unless `dsn` is a database name, or a libpq connection string or URI without
/// a password in it.
void check_dsn(const std::string& dsn);

/// Throws Error{config} unless Moodle could use the prefix: `[a-z0-9_]`, in any case.
void check_prefix(const std::string& prefix);

} // namespace database
