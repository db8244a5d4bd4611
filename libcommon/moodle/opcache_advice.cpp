#include "moodle/opcache_advice.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "io/lock.hpp"
#include "moodle/php_settings.hpp"

namespace moodle {

std::vector<OpcacheSettings> opcache_settings(php::Runtime& php, const std::string& etc) {
  std::vector<PhpService> services = find_php(etc);
  std::erase_if(services, [](const PhpService& service) { return !service.serves; });
  const std::vector<PhpSettings> settings = read_settings(php, services);
  std::vector<OpcacheSettings> all;
  for (std::size_t i = 0; i < services.size(); ++i) {
    const PhpSettings& one = settings[i];
    all.push_back({services[i].unit, one.opcache && one.on("opcache.enable"),
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

void ReloadAdvice::prepare() {
  wait();
  if (log_.verbosity() != cli::Verbosity::quiet) {
    const io::SignalsHeld inherited; // a Ctrl-C is not to reach the process through this thread
    settings_ = std::async(std::launch::async, [this] { return opcache_settings(php_, "/etc"); });
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
  for (const std::string& line : reload_advice(settings_.get(), path)) {
    log_.info(line);
  }
}

} // namespace moodle
