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

constexpr std::size_t largest_ini = 1U << 20U;

/// What 'moodle-opcache write' was told when it wrote the file that PHP reads.
std::optional<moodle::WrittenOpcache> written_for(const moodle::PhpService& service) {
  const std::string path = moodle::opcache_ini(service);
  std::error_code error;
  return std::filesystem::exists(path, error)
             ? moodle::read_written(io::read_snapshot(path, largest_ini).content)
             : std::nullopt;
}

/// Whether it is about a size that was measured, in a file of moodle-opcache's, for no less files
/// than there are now: an estimate is no better.
bool was_measured(const moodle::OpcacheFinding& finding, const moodle::ServingPhp& php,
                  const moodle::OpcacheNeed& need, const moodle::WrittenOpcache& written) {
  const auto files = php.settings.number("opcache.max_accelerated_files");
  const bool size = finding.setting == "opcache.memory_consumption"
                    || finding.setting == "opcache.interned_strings_buffer";
  return size && written.measured && finding.where == moodle::opcache_ini(php.service) && files > 0
         && moodle::table_size(static_cast<std::uint64_t>(files)) >= need.files;
}

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
    const moodle::WrittenOpcache written =
        written_for(php.service).value_or(moodle::WrittenOpcache{});
    const std::string options =
        moodle::write_options(written.policy) + (written.measured ? " --measure" : "");
    for (const moodle::OpcacheFinding& finding :
         moodle::opcache_findings(php.settings, need, written.policy, surroundings)) {
      if (was_measured(finding, php, need, written)) {
        continue;
      }
      outcome.findings.push_back(
          {Severity::warning, fmt::format("{} of {}", finding.setting, php.service.name()),
           fmt::format("is {}, and should be {}",
                       finding.found.empty() ? "empty" : shown(finding.found),
                       finding.wanted.empty() ? "empty" : finding.wanted),
           finding.why, finding.source,
           moodle::mend_command(finding, php.service, subject.site.config_path, options,
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

/// The extension that a line of an .ini file loads: "redis" for "extension = /usr/lib/redis.so ;".
std::string loaded_by(const std::string& line) {
  const std::string code = line.substr(0, line.find(';'));
  const std::size_t equals = code.find('=');
  if (equals == std::string::npos || cli::trim(code.substr(0, equals)) != "extension") {
    return {};
  }
  std::string name(cli::trim(code.substr(equals + 1)));
  std::erase_if(name, [](char c) { return c == '"' || c == '\''; });
  name.erase(0, name.rfind('/') + 1);
  if (name.ends_with(".so")) {
    name.erase(name.size() - 3);
  }
  return name == "amazon-elasticache-cluster-client" ? "memcached" : name; // Amazon's own client
}

/// Whether an .ini file of the folder, or php.ini, loads the extension.
bool loads(const moodle::PhpService& service, const std::string& extension) {
  std::vector<std::string> files{service.ini_file};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(service.ini_folder, error)) {
    files.push_back(entry.path().string());
  }
  return std::any_of(files.begin(), files.end(), [&](const std::string& file) {
    if (!file.ends_with(".ini") || !std::filesystem::exists(file, error)) {
      return false;
    }
    const auto lines = cli::split(io::read_snapshot(file, largest_ini).content, '\n');
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return loaded_by(line) == extension; });
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
               ? fmt::format("dnf install -y php-{} && systemctl reload {}", extension,
                             php.service.unit)
               : fmt::format(
                   "apt-get install -y php{0}-{1} && phpenmod -v {0} -s {2} {1} && systemctl "
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
