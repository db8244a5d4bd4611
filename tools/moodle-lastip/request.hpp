#pragma once

#include "access_log.hpp"
#include "database/installation.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace lastip {

/// What the command was asked for, with every address as Moodle writes it.
struct Request {
  database::Settings database;
  /// From config.php; it wins over the site's own setting.
  std::optional<int> getremoteaddrconf;
  std::optional<std::string> ip;
  std::vector<std::string> alb_ips; ///< each once
  std::optional<std::string> access_log;
  std::string site_path; ///< the path in the site's address: "" or "/moodle"
  std::chrono::milliseconds db_timeout{10'000};
};

/// The log of the request, set to what may count in it. Only with `access_log`.
AccessLog open_log(const Request& request);

/// The address to write: --ip, else the newest in the log, else the only load balancer's. Throws
/// Error{data} when there are several to choose from, Error{usage} when there is none, and
/// Error{try_again} when the log does not tell (yet).
std::string choose_address(const Request& request);

/// Throws Error{config} when Moodle would compare lastip with an address that only the browser's
/// user can know, and no --ip names it.
void refuse_forwarded(const Request& request, const database::InstallationState& state);

/// "lastip of user 2 ('admin') in mdl_user".
std::string subject(const Request& request, const database::InstallationState& state);

} // namespace lastip
