#include "checks.hpp"
#include "cli/text.hpp"
#include "io/file.hpp"
#include "moodle/opcache_findings.hpp"
#include "moodle/session_config.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

using cli::shown;

namespace {

constexpr const char* nothing_serves = "no PHP serves pages on this host";

Outcome opcache_fits(const Subject& subject) {
  if (subject.php.empty()) {
    return Outcome::not_applicable(nothing_serves);
  }
  if (subject.site.dirroot.empty()) {
    return Outcome::not_applicable("the site's code is not on this host");
  }
  const moodle::OpcacheNeed need =
      moodle::estimate_need(moodle::find_php_code(subject.site.dirroot));
  const moodle::OpcacheSurroundings surroundings{
      .dirroot = subject.site.dirroot, .shared_type = [&](const std::string& path) {
        const std::string type = io::filesystem_type(path, subject.mounts);
        return io::is_shared_type(type) ? type : std::string();
      }};
  Outcome outcome;
  for (const moodle::ServingPhp& php : subject.php) {
    // 'moodle-opcache write --immutable' has switched the looks at a file's time off: that was
    // meant.
    const bool immutable =
        !php.settings.on("opcache.validate_timestamps")
        && php.settings.where("opcache.validate_timestamps").ends_with(moodle::opcache_ini_name);
    const moodle::OpcachePolicy policy{.immutable = immutable};
    for (const moodle::OpcacheFinding& finding :
         moodle::opcache_findings(php.settings, need, policy, surroundings)) {
      outcome.findings.push_back(
          {Severity::warning, fmt::format("{} of {}", finding.setting, php.service.name()),
           fmt::format("is {}, and should be {}",
                       finding.found.empty() ? "empty" : shown(finding.found),
                       finding.wanted.empty() ? "empty" : finding.wanted),
           finding.why, finding.source,
           moodle::mend_command(finding, php.service, subject.site.config_path,
                                subject.given.etc)});
    }
  }
  return outcome;
}

/// The extensions that the site's caches and sessions need.
std::set<std::string> needed_extensions(const Subject& subject) {
  std::set<std::string> needed;
  if (!subject.sessions.group.endpoints.empty()) {
    needed.insert(moodle::text(subject.sessions.group.protocol));
  }
  for (const Store& store : subject.caches.stores) {
    needed.insert(moodle::text(store.servers.protocol));
  }
  return needed;
}

/// Whether an .ini file of the folder, or php.ini, loads the extension.
bool loads(const moodle::PhpService& service, const std::string& extension) {
  constexpr std::size_t largest = 1U << 20U;
  std::vector<std::string> files{service.ini_file};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(service.ini_folder, error)) {
    files.push_back(entry.path().string());
  }
  return std::any_of(files.begin(), files.end(), [&](const std::string& file) {
    if (!file.ends_with(".ini") || !std::filesystem::exists(file, error)) {
      return false;
    }
    for (const std::string& line : cli::split(io::read_snapshot(file, largest).content, '\n')) {
      std::string words;
      for (const char c : line) {
        if (c != ' ' && c != '\t' && c != '"' && c != '\r') {
          words += c;
        }
      }
      if (words == "extension=" + extension || words == "extension=" + extension + ".so") {
        return true;
      }
    }
    return false;
  });
}

Outcome extensions_are_there(const Subject& subject) {
  if (subject.php.empty()) {
    return Outcome::not_applicable(nothing_serves);
  }
  const std::set<std::string> needed = needed_extensions(subject);
  if (needed.empty()) {
    return Outcome::not_applicable("neither sessions nor caches are in cache servers");
  }
  Outcome outcome;
  for (const moodle::ServingPhp& php : subject.php) {
    for (const std::string& extension : needed) {
      if (loads(php.service, extension)) {
        continue;
      }
      const std::string& version = php.service.version;
      outcome.findings.push_back(
          {Severity::error, php.service.name(),
           fmt::format("does not load the extension {}", extension),
           "with sessions in such servers every page fails; a cache store there is passed over "
           "without a word",
           "Moodle 4.5 lib/classes/session and cache/stores",
           version.empty()
               ? fmt::format("dnf install php-{} && systemctl reload {}", extension,
                             php.service.unit)
               : fmt::format(
                   "apt-get install php{0}-{1} && phpenmod -v {0} -s {2} {1} && systemctl "
                   "reload {3}",
                   version, extension, php.service.sapi, php.service.unit)});
    }
  }
  return outcome;
}

} // namespace

std::vector<Check> php_checks(const SharedSubject& subject) {
  return checks_of(subject,
                   {{"php-opcache", opcache_fits}, {"php-extensions", extensions_are_there}});
}
