#pragma once

#include "cli/error.hpp"
#include "database/connection.hpp"

#include <pqxx/pqxx>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Inside libcommon/database only: what the public headers hide of libpqxx and libpq.

namespace database {

/// Keywords and values for libpq. When there is a connection string it stands in the first entry,
/// as "dbname", for libpq to expand; what follows wins.
using Parameters = std::vector<std::pair<std::string, std::string>>;

/// Opens a connection within a time limit, which libpq itself knows only in whole seconds, at least
/// two, and for each address anew.
class BoundedConnect : public pqxx::connectionpolicy {
public:
  BoundedConnect(Parameters parameters, bool expand, std::chrono::milliseconds timeout)
      : pqxx::connectionpolicy(""), parameters_(std::move(parameters)), expand_(expand),
        timeout_(timeout) {}

  handle do_startconnect(handle orig) override;

private:
  Parameters parameters_;
  bool expand_;
  std::chrono::milliseconds timeout_;
  bool used_ = false; ///< libpqxx would connect again by itself; see do_startconnect
};

class Connection::Link : public pqxx::connection_base {
public:
  Link(Parameters parameters, bool expand, std::chrono::milliseconds timeout)
      : pqxx::connection_base(policy_), policy_(std::move(parameters), expand, timeout) {
    init();
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { close(); }

private:
  BoundedConnect policy_;
};

/// What went wrong, in libpq's words. Every connection is set to the verbose form of them, because
/// libpq gives the SQLSTATE of a failed connection, and libpqxx 6 that of many failed statements,
/// in no other way: "FATAL:  28P01: password authentication failed", then a line on where in the
/// server's source that was.
struct Failure {
  std::string state;  ///< the last SQLSTATE; empty when the server had no part in it
  std::string reason; ///< one line, without the SQLSTATEs
};

/// Reads a message of libpq. Each attempt to connect has a line of its own.
Failure explain(std::string_view message);

/// The exit code for a SQLSTATE (PostgreSQL 15, appendix A).
cli::ExitCode code_for_sqlstate(const std::string& state) noexcept;

/// An Error for a failed statement or connection: `what` failed with the server's own words.
cli::Error server_error(const std::string& what, const std::string& state,
                        const std::string& reason);

} // namespace database
