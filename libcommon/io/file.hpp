#pragma once

#include "cli/unique_fd.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace io {

/// A regular file as it was read: its path with all symbolic links followed, its bytes, its status.
struct Snapshot {
  std::string path;
  std::string content;
  struct stat status {};
  bool exists = true;
};

/// Reads a regular file. Throws cli::Error{no_input, no_permission, io}; {data} when it is not a
/// regular file or has more than `max_bytes`.
Snapshot read_snapshot(const std::string& path, std::size_t max_bytes);

/// As read_snapshot(); where there is no file, an empty one that is to be made with this mode, by
/// this process' user. Its folder has to be there.
Snapshot read_or_new(const std::string& path, std::size_t max_bytes, mode_t mode);

/// Whether the path still names the very file of the snapshot, untouched since; or still none.
bool is_current(const Snapshot& snapshot);

/// A file that replaces another one: written beside it under a temporary name, with the mode,
/// owner, group and extended attributes of the original, then renamed over it. Discarded by its
/// destructor unless committed. Killed at any instant, the original is the old file or the new one,
/// whole.
class Replacement {
public:
  /// Writes all of `content` and flushes it to the disk. Throws cli::Error{cannot_create,
  /// no_permission, io}; nothing is left behind then.
  Replacement(const Snapshot& original, std::string_view content);
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement();

  /// Throws cli::Error{try_again} when the original changed since the snapshot was taken. The
  /// change outlives a power failure once flush_folder_of() has returned.
  void commit();

private:
  const Snapshot& original_;
  std::string directory_;
  std::string temporary_;
};

/// Flushes the folder that holds `path` to the disk. Throws cli::Error{io}.
void flush_folder_of(const std::string& path);

/// What killed runs left beside `path`; a run that goes on at this moment has its file there, too.
std::vector<std::string> stray_replacements(const std::string& path);

/// Removes what killed runs left beside `path`. Only for the holder of the lock on that file.
void remove_stray_replacements(const std::string& path);

/// What changes from `before` to `after`, in the unified format that patch(1) accepts; made by
/// diff(1). Empty when they are the same. Throws cli::Error{io}.
std::string unified_diff(const std::string& path, std::string_view before, std::string_view after);

} // namespace io
