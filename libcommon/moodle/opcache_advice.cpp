#include "moodle/opcache_advice.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "io/lock.hpp"
#include "moodle/php_settings.hpp"

namespace moodle {

std::vector<OpcacheSettings> opcache_settings(php::Runtime& php, const std::string& etc) {
  std::vector<OpcacheSettings> all;
  for (const auto& [service, one] : read_serving_php(php, etc)) {
    all.push_back({service.unit, one.opcache && one.on("opcache.enable"),
                   one.on("opcache.validate_timestamps"), one.number("opcache.revalidate_freq")});
  }
  return all;
}

std::vector<std::string> reload_advice(const std::vector<OpcacheSettings>& settings,
                                       const std::string& path) {
  const std::string file = cli::shown(path);
  if (settings.empty()) {
    return {fmt::format("no PHP serves pages on this host: on each web server, reload PHP so that "
                        "its OPcache sees the new {}",
                        file)};
  }
  std::vector<std::string> advice;
  for (const OpcacheSettings& one : settings) {
    const std::string who = one.service + " on this host";
    if (!one.enabled) {
      advice.push_back(fmt::format("{} sees the new {} at once (no OPcache)", who, file));
    } else if (!one.validates) {
      advice.push_back(fmt::format("{} does not see the new {} until 'systemctl reload {}' "
                                   "(opcache.validate_timestamps is 0)",
                                   who, file, one.service));
    } else {
      advice.push_back(fmt::format("{} sees the new {} within {} s (opcache.revalidate_freq), or "
                                   "after 'systemctl reload {}'",
                                   who, file, one.seconds, one.service));
    }
  }
  advice.emplace_back("the other web servers keep the file in an OPcache of their own, each");
  return advice;
}

void ReloadAdvice::prepare_within(io::Edit& edit, const cli::EditMode& mode) {
  edit.plan = [this, plan = std::move(edit.plan)](const std::string& before) {
    wait(); // the file moved meanwhile
    return plan(before);
  };
  edit.verify = [this, writes = mode.writes(),
                 verify = std::move(edit.verify)](const std::string& after) {
    verify(after);
    if (writes) {
      prepare();
    }
  };
}

void ReloadAdvice::prepare() {
  wait();
  if (log_.verbosity() != cli::Verbosity::quiet) {
    const io::SignalsHeld inherited; // a Ctrl-C is not to reach the process through this thread
    settings_ = std::async(std::launch::async, [this] { return opcache_settings(php_, etc_); });
  }
}

void ReloadAdvice::wait() {
  if (settings_.valid()) {
    settings_.wait();
  }
}

void ReloadAdvice::give(const std::string& path) {
  if (!settings_.valid()) {
    prepare();
  }
  if (!settings_.valid()) {
    return; // nobody wants to read it
  }
  try {
    for (const std::string& line : reload_advice(settings_.get(), path)) {
      log_.info(line);
    }
  } catch (const cli::Error& error) {
    log_.warning("cannot read the settings of this host's PHP: " + error.message());
    log_.info(fmt::format("on each web server, reload PHP so that its OPcache sees the new {}",
                          cli::shown(path)));
  }
}

} // namespace moodle
