#include "checks.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

using cli::shell_word;
using cli::shown;

namespace {

/// Gives the code to root, unless a folder that the web server has to write to is below it, or that
/// cannot be told.
std::string give_code_to_root(const Subject& subject) {
  const std::string root = subject.code_root();
  try {
    for (const Folder& folder : subject.folders) {
      if (is_below(folder.real_path->get(), root)) {
        return {};
      }
    }
  } catch (const cli::Error&) {
    return {};
  }
  return fmt::format("chown -R -h root {0} && chmod -R g+rX,go-w {0}", shell_word(root));
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
      return Outcome::found(
          {Severity::warning, path,
           fmt::format("is writable for {}, as whom the web server runs", subject.web_user->name),
           "a plugin that is installed in the browser gets to one of the web servers only, and a "
           "fault in any script can change the code",
           source::architecture, give_code_to_root(subject)});
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

bool is_copy_of(const std::string& name, const std::string& other) {
  return (other.starts_with(name) && other.size() > name.size()) || other.starts_with("." + name)
         || other == "#" + name + "#";
}

/// What editors and people leave beside config.php in the web root. The web server sends most of it
/// to whoever asks, because its name does not end in ".php".
Outcome has_no_copies(const Subject& subject) {
  namespace fs = std::filesystem;
  if (subject.site.dirroot.empty()) {
    return Outcome::not_applicable("the site's code is not on this host");
  }
  std::error_code error;
  const std::string web_root = fs::weakly_canonical(subject.site.dirroot, error).string();
  const fs::path config = subject.site.config_path; // to which a link in the web root may lead
  std::set<std::string> folders{web_root};
  if (is_below(config.parent_path().string(), web_root)) {
    folders.insert(config.parent_path().string());
  }
  std::vector<std::string> copies;
  for (const std::string& folder : folders) {
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      const std::string other = entry->path().filename().string();
      // The commands of this house write config.php by way of a file whose name ends in ".php".
      const bool edit = other.find(".moodle-aws-toolkit-") != std::string::npos;
      std::error_code gone; // a link to nothing, or a file that is there no more
      if ((is_copy_of("config.php", other) || is_copy_of(config.filename().string(), other))
          && !edit && entry->is_regular_file(gone)) {
        copies.push_back(entry->path().string());
      }
    }
    if (error) {
      return Outcome::not_possible(
          fmt::format("cannot read {}: {}", shown(folder), error.message()));
    }
  }
  Outcome outcome;
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
