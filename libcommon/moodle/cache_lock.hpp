#pragma once

#include "io/lock.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/site.hpp"

#include <memory>

namespace moodle {

/// How a command takes Moodle's lock on the cache configuration.
struct CacheLockOptions {
  std::chrono::milliseconds timeout{10'000};
  bool break_lock = false;

  void declare(cli::Options& options);
};

/// The file whose existence is Moodle's lock on its cache configuration: that of the first lock in
/// `config`, or of Moodle's default one, cachedir/filelocks, when there is none (Moodle 3.3 to 4.5
/// cache/classes/config_writer.php, cache/locks/file/lib.php). Throws cli::Error{config} when that
/// lock is no file.
std::string cache_lock_path(const Site& site, const CacheConfig* config);

/// Takes the lock that Moodle's own writer takes, the file cache_lock_path(). Moodle gives it up
/// before it renames its new file into place, so this also waits, briefly, for a write of Moodle's
/// that is under way. A write of Moodle's that meets the lock fails, even when the lock is given up
/// in time: cachelock_file::lock returns false after it had to wait. So hold it briefly. Throws
/// cli::Error{try_again} that names the holder when it cannot be had in time.
std::unique_ptr<io::Lock> lock_cache_config(const Site& site, const CacheConfig& config,
                                            const std::string& command,
                                            const CacheLockOptions& options);

} // namespace moodle
