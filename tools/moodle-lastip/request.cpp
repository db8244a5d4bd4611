#include "request.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

namespace lastip {

namespace {

// Moodle 4.5 lib/moodlelib.php: GETREMOTEADDR_SKIP_HTTP_X_FORWARDED_FOR, …_SKIP_DEFAULT.
constexpr int skip_forwarded_for = 2;
constexpr int skip_default = 3;

constexpr const char* how_to_choose =
    "choose with --ip, or let --access-log FILE tell which one the "
    "browser's requests come through";

cli::Error log_does_not_tell(const Request& request, const std::optional<std::string>& stranger) {
  const std::string from = request.alb_ips.empty() ? ""
                                                   : fmt::format(" from {} (the alb-ip facts)",
                                                                 cli::join(request.alb_ips, ", "));
  return {
      cli::ExitCode::try_again,
      fmt::format("{} holds no browser's request below {}/admin/{}{}",
                  *request.access_log == "-" ? "standard input" : cli::shown(*request.access_log),
                  cli::shown(request.site_path), from,
                  stranger ? ", but one from " + *stranger : ""),
      stranger ? fmt::format("if the load balancer has new addresses, ask AWS for them again; or "
                             "give --ip {}",
                             *stranger)
               : "open the site's /admin/ page in the browser, then run the command again"};
}

} // namespace

AccessLog open_log(const Request& request) {
  return {request.access_log.value(),
          LogFilter{.site_path = request.site_path, .addresses = request.alb_ips}};
}

std::string choose_address(const Request& request) {
  if (request.ip) {
    return *request.ip;
  }
  if (request.access_log) {
    AccessLog log = open_log(request);
    if (auto address = log.newest(AccessLog::Missing::is_an_error)) {
      return *address;
    }
    throw log_does_not_tell(request, log.stranger());
  }
  if (request.alb_ips.size() > 1) {
    throw cli::Error(cli::ExitCode::data,
                     fmt::format("the load balancer has several addresses: {}",
                                 cli::join(request.alb_ips, ", ")),
                     how_to_choose);
  }
  if (request.alb_ips.empty()) {
    throw cli::Error(cli::ExitCode::usage, "nothing says which address to write",
                     "give --ip, --access-log, or facts with alb-ip "
                     "(from 'aws ec2 describe-network-interfaces', through moodle-facts)");
  }
  return request.alb_ips.front();
}

void refuse_forwarded(const Request& request, const database::InstallationState& state) {
  const auto setting =
      request.getremoteaddrconf ? request.getremoteaddrconf : state.getremoteaddrconf;
  if (request.ip || (setting.value_or(skip_default) & skip_forwarded_for) != 0) {
    return;
  }
  throw cli::Error(
      cli::ExitCode::config,
      fmt::format("Moodle looks at X-Forwarded-For here (getremoteaddrconf is {} in {}), so it "
                  "compares lastip with the browser's own address, not with the load balancer's",
                  *setting, request.getremoteaddrconf ? "config.php" : "the database"),
      "give --ip with the public address of the browser that finishes the installation, as "
      "https://checkip.amazonaws.com shows it there");
}

std::string subject(const Request& request, const database::InstallationState& state) {
  return fmt::format("lastip of user {} ('{}') in {}user", state.pending_user_id.value(),
                     cli::shown(state.pending_username), request.database.prefix);
}

} // namespace lastip
