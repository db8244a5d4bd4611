#include "watch.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

namespace lastip {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class Watch {
public:
  Watch(const Request& request, const cli::Log& log, Clock::time_point deadline)
      : request_(request), log_(log), deadline_(deadline), address_(request.ip) {
    if (!address_ && request.alb_ips.size() == 1) {
      address_ = request.alb_ips.front();
    }
    if (request.access_log) {
      access_log_.emplace(open_log(request));
      note(access_log_->newest(AccessLog::Missing::waits));
    }
    connect();
  }

  /// One look at the log and at the database; returns whether the installation has finished.
  bool step() {
    if (access_log_) {
      note(access_log_->poll());
      warn_of(access_log_->stranger());
    }
    try {
      if (!connection_) {
        connect();
        log_.info("the database is back");
      }
      return reconcile();
    } catch (const cli::Error& error) {
      if (error.code() != cli::ExitCode::unavailable && error.code() != cli::ExitCode::try_again) {
        throw;
      }
      if (connection_ || error.code() == cli::ExitCode::try_again) {
        log_.warning(error.message() + "; trying again");
      }
      connection_.reset();
      return false;
    }
  }

  [[nodiscard]] bool changed() const noexcept { return changed_; }

private:
  void note(std::optional<std::string> address) {
    if (address) {
      address_ = std::move(address);
    }
  }

  /// A load balancer that has grown since the facts were asked for would be passed over in silence.
  void warn_of(const std::optional<std::string>& stranger) {
    if (stranger && strangers_.insert(*stranger).second) {
      log_.warning(
          fmt::format("a browser asks for the site's /admin/ from {}, which is none of {} "
                      "(the alb-ip facts): if it is a new address of the load balancer, run "
                      "this again with facts that hold it",
                      *stranger, cli::join(request_.alb_ips, ", ")));
    }
  }

  void connect() {
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - Clock::now());
    connection_.emplace(request_.database, "moodle-lastip",
                        std::clamp(left, milliseconds(1), request_.db_timeout));
  }

  bool reconcile() {
    const database::InstallationState state = database::read_installation_state(*connection_);
    if (!state.pending_user_id) {
      return state.finished;
    }
    refuse_forwarded(request_, state);
    if (address_ && *address_ != state.pending_lastip
        && database::set_pending_lastip(*connection_, *state.pending_user_id, *address_)) {
      changed_ = true;
      log_.info(fmt::format("{} set to {} (was '{}')", subject(request_, state), *address_,
                            cli::shown(state.pending_lastip)));
    }
    return false;
  }

  const Request& request_;
  const cli::Log& log_;
  Clock::time_point deadline_;
  std::optional<std::string> address_;
  std::optional<AccessLog> access_log_;
  std::set<std::string> strangers_; ///< that were warned of
  std::optional<database::Connection> connection_;
  bool changed_ = false;
};

} // namespace

bool watch(const Request& request, const cli::Log& log, milliseconds interval, milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  Watch watch(request, log, deadline);
  log.info(fmt::format("waiting for the installation to finish, for at most {} s",
                       std::chrono::ceil<std::chrono::seconds>(limit).count()));
  while (!watch.step()) {
    const auto left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) {
      throw cli::Error(cli::ExitCode::try_again,
                       fmt::format("the installation has not finished within {} s{}",
                                   std::chrono::duration<double>(limit).count(),
                                   watch.changed() ? "; lastip was set" : ""));
    }
    std::this_thread::sleep_for(std::min<Clock::duration>(interval, left));
  }
  return watch.changed();
}

} // namespace lastip
