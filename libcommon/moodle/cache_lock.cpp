#include "moodle/cache_lock.hpp"

#include "cli/error.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

/// Makes the folder as Moodle would, for the web server to use: same owner as the folder above.
void make_folder(const std::string& path, const std::string& above, unsigned mode) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) {
      return;
    }
    const int error = errno;
    const ExitCode code = cli::code_for_errno(error);
    throw Error(code == ExitCode::io ? ExitCode::cannot_create : code,
                cli::system_error(error, "cannot create " + shown(path)).message());
  }
  struct stat owner {};
  if (::stat(above.c_str(), &owner) != 0 || ::chown(path.c_str(), owner.st_uid, owner.st_gid) != 0
      || ::chmod(path.c_str(), mode) != 0) {
    const int error = errno;
    ::rmdir(path.c_str());
    throw cli::system_error(error, "cannot give " + shown(path) + " to the web server");
  }
}

/// A temporary file of Moodle's that is younger than this belongs to a write that is under way.
constexpr std::chrono::seconds fresh{5};

void await_moodles_rename(const std::string& temporary) {
  const auto end = std::chrono::steady_clock::now() + fresh;
  struct stat status {};
  while (::stat(temporary.c_str(), &status) == 0
         && ::time(nullptr) - status.st_mtim.tv_sec < fresh.count()
         && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

constexpr const char* lock_name = "/configwrite.lock";

/// As cachelock_file's constructor finds it: an absolute path is taken if it is there, and is a
/// name below cachedir otherwise.
std::string lock_folder(const Site& site, const CacheConfig* config) {
  std::string folder = "filelocks";
  if (const php::Array* const lock = config == nullptr ? nullptr : config->first_lock()) {
    const php::Value* const dir = lock->find("dir");
    if (lock->text("type") != "cachelock_file" || dir == nullptr) {
      throw Error(
          ExitCode::config,
          fmt::format("Moodle's lock on its cache configuration, '{}', is no folder of files",
                      shown(lock->text("name"))),
          "change the configuration on Moodle's own page");
    }
    folder = dir->scalar_text().value_or("");
    struct stat status {};
    if (folder.find('/') != std::string::npos && !folder.starts_with('.')
        && ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      return folder;
    }
    std::replace_if(
        folder.begin(), folder.end(),
        [](unsigned char c) { return c >= 0x80 || (std::isalnum(c) == 0 && c != '_'); }, '_');
  }
  return site.cachedir() + "/" + folder;
}

} // namespace

void CacheLockOptions::declare(cli::Options& options) {
  options.group("Lock");
  options.seconds("lock-timeout", timeout,
                  "how long to wait for Moodle's lock on its cache configuration (default 10)");
  options.flag("break-lock", break_lock,
               "remove a lock whose holder is gone, or that Moodle still holds after the timeout");
}

std::string cache_lock_path(const Site& site, const CacheConfig* config) {
  return lock_folder(site, config) + lock_name;
}

std::unique_ptr<io::Lock> lock_cache_config(const Site& site, const CacheConfig& config,
                                            const std::string& command,
                                            const CacheLockOptions& options) {
  const std::string cachedir = site.cachedir();
  const std::string folder = lock_folder(site, &config);
  if (::access(folder.c_str(), F_OK) != 0) {
    const std::string above = cachedir.substr(0, cachedir.rfind('/'));
    make_folder(cachedir, above.empty() ? "/" : above, site.directory_permissions());
    make_folder(folder, cachedir, site.directory_permissions());
  }
  io::ExclusiveFile::Request request;
  request.path = folder + lock_name;
  request.command = command;
  request.timeout = options.timeout;
  request.break_lock = options.break_lock;
  auto lock = std::make_unique<io::ExclusiveFile>(request);
  await_moodles_rename(site.cache_config_path() + ".tmp");
  return lock;
}

} // namespace moodle
