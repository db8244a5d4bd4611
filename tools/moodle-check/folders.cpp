#include "checks.hpp"
#include "cli/size.hpp"
#include "cli/text.hpp"
#include "io/file.hpp"
#include "moodle/cache_lock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <sys/statvfs.h>

using cli::shell_word;
using cli::shown;

namespace {

constexpr unsigned may_write = 2;
constexpr unsigned may_write_and_enter = 3;

/// Makes the folder for the web server. Nothing where the web server's user is not known, and for a
/// dataroot on storage that may only have to be mounted.
std::string make_folder(const Subject& subject, const Folder& folder) {
  const bool may_be_mounted = subject.given.efs_id || subject.given.several_web_servers();
  if (!subject.web_user || (folder.setting == "dataroot" && may_be_mounted)) {
    return {};
  }
  return fmt::format("install -d -m 2770 -o {0} -g \"$(id -gn {0})\" {1}",
                     shell_word(subject.web_user->name), shell_word(folder.path));
}

Outcome is_there(const Subject& subject, const Folder& folder) {
  const Folder& dataroot = subject.folder("dataroot");
  const bool is_dataroot = folder.setting == "dataroot";
  if (folder.path.empty()) {
    return is_dataroot ? Outcome::found({Severity::error, "$CFG->dataroot", "is not set",
                                         "Moodle does not start without it",
                                         "Moodle 4.5 lib/setup.php", ""})
                       : Outcome::not_applicable("dataroot is not set");
  }
  struct stat status {};
  try {
    status = folder.status->get();
  } catch (const cli::Error& error) {
    if (error.code() == cli::ExitCode::unavailable) {
      return Outcome::found({Severity::error, folder.path, "does not answer: " + error.message(),
                             "every request that needs the folder waits for its file system",
                             source::architecture, ""});
    }
    const bool missing = error.code() == cli::ExitCode::no_input;
    if (error.code() == cli::ExitCode::no_permission) {
      return Outcome::not_possible(error.message());
    }
    if (missing && !is_dataroot && is_below(folder.path, dataroot.path)) {
      return Outcome::not_applicable("Moodle makes " + shown(folder.path) + " by itself");
    }
    return Outcome::found({Severity::error, folder.path, missing ? "is not there" : error.message(),
                           fmt::format("it is $CFG->{}: without it every page fails; is its file "
                                       "system mounted?",
                                       folder.setting),
                           "Moodle 4.5 lib/setup.php",
                           missing ? make_folder(subject, folder) : ""});
  }
  if (!S_ISDIR(status.st_mode)) {
    return Outcome::found(
        {Severity::error, folder.path, "is no folder",
         fmt::format("it is $CFG->{}: without it every page fails", folder.setting),
         "Moodle 4.5 lib/setup.php", ""});
  }
  return Outcome::good();
}

/// All folders that are there, by the web server's rights.
template <typename Judge>
Outcome judge_folders(const Subject& subject, const Judge& judge) {
  if (!subject.web_user) {
    return Outcome::not_applicable(subject.no_web_user);
  }
  Outcome outcome;
  for (const Folder& folder : subject.folders) {
    try {
      judge(folder, folder.status->get(), outcome);
    } catch (const cli::Error& error) {
      if (error.code() != cli::ExitCode::no_input) {
        throw; // a folder that is not there has a check of its own
      }
    }
  }
  return outcome;
}

Outcome is_writable(const Subject& subject) {
  return judge_folders(
      subject, [&](const Folder& folder, const struct stat& status, Outcome& outcome) {
        const WebUser& user = *subject.web_user;
        if (S_ISDIR(status.st_mode) && !user.may(status, may_write_and_enter)) {
          outcome.findings.push_back(
              {Severity::error, folder.path,
               fmt::format("is not writable for {}, as whom the web server runs", user.name),
               fmt::format("it is $CFG->{}: Moodle cannot keep files there", folder.setting),
               "Moodle 4.5 lib/setup.php",
               fmt::format("chown {0}: {1} && chmod u+rwx {1}", shell_word(user.name),
                           shell_word(folder.path))});
        }
      });
}

/// Below dataroot Moodle makes the folders itself, with the mode that the site has set for that.
Outcome is_private(const Subject& subject) {
  return judge_folders(subject, [&](const Folder& folder, const struct stat& status,
                                    Outcome& outcome) {
    const bool made_by_moodle =
        folder.setting != "dataroot" && is_below(folder.path, subject.folder("dataroot").path);
    constexpr unsigned others_write = 02;
    constexpr unsigned sticky = 01000;
    if (!made_by_moodle && (status.st_mode & others_write) != 0 && (status.st_mode & sticky) == 0) {
      outcome.findings.push_back({Severity::warning, folder.path,
                                  "can be written to by every user of this host",
                                  "whoever writes there decides what Moodle serves and runs",
                                  source::security, "chmod o-w " + shell_word(folder.path)});
    }
  });
}

/// The folder that the web server serves: the code's, or with a site at https://host/path the one
/// in which the code is at that path.
std::string web_root(const Subject& subject) {
  std::error_code error;
  std::string root = std::filesystem::weakly_canonical(subject.site.dirroot, error).string();
  const std::string url = subject.site.text("wwwroot");
  const std::size_t host = url.find("://");
  const std::size_t slash = host == std::string::npos ? host : url.find('/', host + 3);
  const std::string path = slash == std::string::npos ? "" : url.substr(slash);
  if (path.size() > 1 && root.size() > path.size() && root.ends_with(path)) {
    root.resize(root.size() - path.size());
  }
  return root;
}

Outcome is_outside_the_web(const Subject& subject) {
  const std::string& dirroot = subject.site.dirroot;
  if (dirroot.empty()) {
    return Outcome::not_applicable("the site's code is not on this host");
  }
  const Folder& dataroot = subject.folder("dataroot");
  if (is_below(dataroot.real_path->get(), web_root(subject))) {
    return Outcome::found({Severity::error, dataroot.path,
                           "lies in the folder that the web server serves",
                           "everybody can fetch the users' files, and the cache configuration",
                           source::security, ""});
  }
  return Outcome::good();
}

Outcome is_shared(const Subject& subject) {
  if (!subject.given.several_web_servers()) {
    return Outcome::not_applicable("there is no more than one web server, as far as the facts say "
                                   "(web-asg-max)");
  }
  Outcome outcome;
  for (const Folder& folder : subject.folders) {
    const bool local =
        !io::is_shared_type(io::filesystem_type(folder.real_path->get(), subject.mounts));
    if (local && folder.setting != "localcachedir") {
      outcome.findings.push_back(
          {Severity::error, folder.path, "is on this host alone",
           fmt::format("there are up to {} web servers, and $CFG->{} has to be the same on all",
                       *subject.given.web_servers, folder.setting),
           source::architecture, ""});
    }
  }
  return outcome;
}

Outcome local_cache_is_local(const Subject& subject) {
  const Folder& folder = subject.folder("localcachedir");
  const std::string type = io::filesystem_type(folder.real_path->get(), subject.mounts);
  if (!io::is_shared_type(type) || is_below(folder.path, subject.folder("dataroot").path)) {
    // Below dataroot is Moodle's own default, which does no harm but costs speed.
    return io::is_shared_type(type) ? Outcome::found(
               {Severity::note, folder.path, fmt::format("is on {}", type),
                "$CFG->localcachedir is made for a disk of the host's own: it holds "
                "copies, to be read fast",
                source::architecture, ""})
                                    : Outcome::good();
  }
  return Outcome::found(
      {Severity::warning, folder.path, fmt::format("is on {}", type),
       "$CFG->localcachedir holds copies, to be read fast; on a shared file system "
       "they are as slow as what they are copies of",
       source::architecture, ""});
}

Outcome has_space(const Subject& subject) {
  constexpr std::uint64_t least = 256 * cli::mib;
  Outcome outcome;
  std::vector<dev_t> seen;
  for (const Folder& folder : subject.folders) {
    struct stat status {};
    try {
      status = folder.status->get();
    } catch (const cli::Error& error) {
      if (error.code() == cli::ExitCode::no_input) {
        continue;
      }
      throw;
    }
    struct statvfs space {};
    if (std::find(seen.begin(), seen.end(), status.st_dev) != seen.end()
        || ::statvfs(folder.path.c_str(), &space) != 0) {
      continue;
    }
    seen.push_back(status.st_dev);
    const std::uint64_t free = space.f_bavail * space.f_frsize;
    if (free < least || (space.f_files > 0 && space.f_favail == 0)) {
      outcome.findings.push_back(
          {Severity::error, folder.path,
           free < least ? fmt::format("has {} left", cli::size_text(free)) : "has no inode left",
           fmt::format("Moodle cannot keep anything in $CFG->{} once it is full", folder.setting),
           "Moodle 4.5 lib/filestorage/file_system_filedir.php", ""});
    }
  }
  return outcome;
}

/// The lock that nobody gives up any more: a process that Moodle's code runs in was killed.
Outcome has_no_old_lock(const Subject& subject) {
  (void)subject.folder("cachedir").status->get();
  const auto& config = subject.caches.config;
  const std::string path = moodle::cache_lock_path(subject.site, config ? &*config : nullptr);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return Outcome::good();
  }
  constexpr std::time_t longest = 60;
  const std::time_t age = std::time(nullptr) - status.st_mtime;
  if (age <= longest) {
    return Outcome::good();
  }
  return Outcome::found(
      {Severity::error, path,
       fmt::format("has been there for {}", cli::duration_text(static_cast<double>(age))),
       "Moodle cannot change its cache configuration: whoever made this lock was "
       "ended before it could remove it",
       "Moodle 4.5 cache/locks/file/lib.php", "rm -f -- " + shell_word(path)});
}

} // namespace

std::vector<Check> folder_checks(const SharedSubject& subject) {
  std::vector<Check> checks;
  for (const Folder& folder : subject->folders) {
    checks.push_back({fmt::format("folders-{}", folder.setting),
                      [subject, &folder] { return is_there(*subject, folder); }});
  }
  const std::vector<Check> more = checks_of(subject, {{"folders-writable", is_writable},
                                                      {"folders-private", is_private},
                                                      {"folders-web", is_outside_the_web},
                                                      {"folders-shared", is_shared},
                                                      {"folders-local", local_cache_is_local},
                                                      {"folders-space", has_space},
                                                      {"folders-lock", has_no_old_lock}});
  checks.insert(checks.end(), more.begin(), more.end());
  return checks;
}
