#include "checks.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

using cli::shell_word;
using cli::shown;

namespace {

/// Where config.php is: the folder of the code, which from Moodle 5.1 on is not the web root.
std::string root_of(const Subject& subject) {
  return std::filesystem::path(subject.site.config_path).parent_path().string();
}

Outcome is_local(const Subject& subject) {
  if (subject.site.dirroot.empty()) {
    return Outcome::not_applicable("the site's code is not on this host");
  }
  const std::string type = io::filesystem_type(subject.site.dirroot, subject.mounts);
  if (!io::is_shared_type(type)) {
    return Outcome::good();
  }
  return Outcome::found({Severity::warning, subject.site.dirroot, fmt::format("is on {}", type),
                         "Moodle reads hundreds of its files for a page, and from a shared file "
                         "system that is slow",
                         source::architecture, ""});
}

/// The folders in which Moodle's web page would put a plugin, and the code's own.
Outcome is_read_only(const Subject& subject) {
  if (subject.site.dirroot.empty()) {
    return Outcome::not_applicable("the site's code is not on this host");
  }
  if (!subject.given.several_web_servers()) {
    return Outcome::not_applicable("there is no more than one web server, as far as the facts say "
                                   "(web-asg-max)");
  }
  if (!subject.web_user) {
    return Outcome::not_applicable(subject.no_web_user);
  }
  constexpr unsigned may_write = 2;
  constexpr std::array<const char*, 7> places{"",       "/version.php", "/lib",       "/mod",
                                              "/local", "/theme",       "/admin/tool"};
  for (const char* const place : places) {
    const std::string path = subject.site.dirroot + place;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && subject.web_user->may(status, may_write)) {
      const std::string root = shell_word(root_of(subject));
      return Outcome::found(
          {Severity::warning, path,
           fmt::format("is writable for {}, as whom the web server runs", subject.web_user->name),
           "a plugin that is installed in the browser gets to one of the web servers only, and a "
           "fault in any script can change the code",
           source::architecture,
           fmt::format("chown -R -h root {0} && chmod -R g+rX,go-w {0}", root)});
    }
  }
  return Outcome::good();
}

Outcome config_is_private(const Subject& subject) {
  if (subject.site.text("dbpass").empty()) {
    return Outcome::not_applicable("config.php holds no password");
  }
  if (!subject.web_user) {
    return Outcome::not_applicable(subject.no_web_user);
  }
  const std::string& path = subject.site.config_path;
  struct stat status {};
  constexpr unsigned others = 07;
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & others) == 0) {
    return Outcome::good();
  }
  // The web server has to be able to read it without the others' rights.
  struct stat without = status;
  without.st_mode &= ~others;
  constexpr unsigned may_read = 4;
  const std::string word = shell_word(path);
  const std::string group =
      subject.web_user->may(without, may_read)
          ? std::string()
          : fmt::format("chgrp \"$(id -gn {})\" {} && ", shell_word(subject.web_user->name), word);
  return Outcome::found({Severity::warning, path, "can be read by every user of this host",
                         "it holds the database's password", source::security,
                         fmt::format("{}chmod u+r,g+r,o-rwx {}", group, word)});
}

/// What editors, people and killed runs leave beside config.php. The web server sends most of it to
/// whoever asks, because its name does not end in ".php".
Outcome has_no_copies(const Subject& subject) {
  Outcome outcome;
  const std::string folder = root_of(subject);
  const std::string name = std::filesystem::path(subject.site.config_path).filename().string();
  std::error_code error;
  std::vector<std::string> copies;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string other = entry.path().filename().string();
    const bool copy = (other.starts_with(name) && other.size() > name.size())
                      || other.starts_with("." + name) || other == "#" + name + "#";
    if (copy && entry.is_regular_file(error)) {
      copies.push_back(entry.path().string());
    }
  }
  if (error) {
    return Outcome::not_possible(fmt::format("cannot read {}: {}", shown(folder), error.message()));
  }
  std::sort(copies.begin(), copies.end());
  for (const std::string& copy : copies) {
    outcome.findings.push_back({Severity::warning, copy, "is a copy of config.php",
                                "a web server sends it to whoever asks for it, with the database's "
                                "password",
                                source::security, "rm -f -- " + shell_word(copy)});
  }
  return outcome;
}

} // namespace

std::vector<Check> code_checks(const SharedSubject& subject) {
  return checks_of(subject, {{"code-local", is_local},
                             {"code-readonly", is_read_only},
                             {"code-config", config_is_private},
                             {"code-copies", has_no_copies}});
}
