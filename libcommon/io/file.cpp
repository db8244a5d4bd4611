#include "io/file.hpp"

#include "cli/error.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace io {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using cli::system_error;
using cli::UniqueFd;

namespace {

// Hidden, and still ending in ".php" for a PHP file: a web server that is asked for a half-written
// config.php then runs it instead of sending its source.
constexpr std::string_view temporary_mark = ".moodle-aws-toolkit-";

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string resolve(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr),
                                                             &std::free);
  if (!resolved) {
    throw system_error(errno, fmt::format("cannot read {}", shown(path)));
  }
  return resolved.get();
}

std::string read_all(int fd, const std::string& path, std::size_t max_bytes) {
  std::string content;
  std::array<char, 65'536> buffer{};
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      throw system_error(errno, fmt::format("cannot read {}", shown(path)));
    }
    if (count == 0) {
      return content;
    }
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > max_bytes) {
      throw Error(ExitCode::data,
                  fmt::format("{} is larger than {} bytes", shown(path), max_bytes));
    }
  }
}

void write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      throw Error(ExitCode::io, system_error(errno, "cannot write " + shown(path)).message());
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// The default ACL of the folder is no part of what the file is to have. While it is there, chmod
/// would set its mask, and so open the file to those whom it names.
void remove_inherited_acl(int fd, const std::string& path) {
  if (::fremovexattr(fd, "system.posix_acl_access") != 0 && errno != ENODATA && errno != ENOTSUP) {
    throw system_error(errno, "cannot remove the inherited ACL of " + shown(path));
  }
}

/// Owner first (chown clears set-id bits), then mode, then extended attributes (ACLs among them).
void copy_metadata(const Snapshot& original, int to) {
  const auto fail = [&](std::string_view what) {
    return system_error(errno, fmt::format("cannot keep the {} of {}", what, shown(original.path)),
                        "run the command as the file's owner or as root");
  };
  if (::fchown(to, original.status.st_uid, original.status.st_gid) != 0) {
    throw fail("owner and group");
  }
  if (::fchmod(to, original.status.st_mode & 07777U) != 0) {
    throw fail("mode");
  }
  std::vector<char> names(65'536);
  const ssize_t size = ::listxattr(original.path.c_str(), names.data(), names.size());
  if (size < 0) {
    if (errno == ENOTSUP) {
      return;
    }
    throw fail("extended attributes");
  }
  std::vector<char> value(65'536);
  for (const char* name = names.data(); name < names.data() + size;
       name += std::char_traits<char>::length(name) + 1) {
    const ssize_t length = ::getxattr(original.path.c_str(), name, value.data(), value.size());
    if (length < 0 && errno == ENODATA) {
      continue;
    }
    if (length < 0
        || ::fsetxattr(to, name, value.data(), static_cast<std::size_t>(length), 0) != 0) {
      throw fail(fmt::format("extended attribute {}", name));
    }
  }
}

} // namespace

Snapshot read_snapshot(const std::string& path, std::size_t max_bytes) {
  Snapshot snapshot;
  snapshot.path = resolve(path);
  // Non-blocking, so that a FIFO in the file's place is refused instead of waited for.
  const UniqueFd fd(::open(snapshot.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd || ::fstat(fd.get(), &snapshot.status) != 0) {
    throw system_error(errno, fmt::format("cannot read {}", shown(path)));
  }
  if (!S_ISREG(snapshot.status.st_mode)) {
    throw Error(ExitCode::data, fmt::format("{} is not a regular file", shown(path)));
  }
  snapshot.content = read_all(fd.get(), path, max_bytes);
  return snapshot;
}

Snapshot read_or_new(const std::string& path, std::size_t max_bytes, mode_t mode) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 || errno != ENOENT) {
    return read_snapshot(path, max_bytes);
  }
  Snapshot snapshot;
  const std::string folder = path.find('/') == std::string::npos ? "." : directory_of(path);
  snapshot.path = fmt::format("{}/{}", resolve(folder), name_of(path));
  snapshot.status.st_mode = S_IFREG | mode;
  snapshot.exists = false;
  return snapshot;
}

bool is_current(const Snapshot& snapshot) {
  struct stat now {};
  if (::stat(snapshot.path.c_str(), &now) != 0) {
    return !snapshot.exists && errno == ENOENT;
  }
  if (!snapshot.exists) {
    return false;
  }
  const struct stat& then = snapshot.status;
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  // The change time as well: a new mode or owner is to be kept, too.
  return now.st_dev == then.st_dev && now.st_ino == then.st_ino && now.st_size == then.st_size
         && same(now.st_mtim, then.st_mtim) && same(now.st_ctim, then.st_ctim);
}

Replacement::Replacement(const Snapshot& original, std::string_view content)
    : original_(original), directory_(directory_of(original.path)) {
  const std::string name = name_of(original.path);
  const std::string suffix = name.ends_with(".php") ? ".php" : "";
  std::string path = fmt::format("{}/.{}{}XXXXXX{}", directory_, name, temporary_mark, suffix);
  UniqueFd fd(::mkostemps(path.data(), static_cast<int>(suffix.size()), O_CLOEXEC));
  if (!fd) {
    const int error = errno;
    const bool forbidden = cli::code_for_errno(error) == ExitCode::no_permission;
    throw Error(
        forbidden ? ExitCode::no_permission : ExitCode::cannot_create,
        system_error(error, fmt::format("cannot write in {}", shown(directory_))).message());
  }
  temporary_ = path;
  try {
    remove_inherited_acl(fd.get(), temporary_);
    write_all(fd.get(), content, temporary_);
    if (original.exists) {
      copy_metadata(original, fd.get());
    } else if (::fchmod(fd.get(), original.status.st_mode & 07777U) != 0) {
      throw system_error(errno, "cannot set the mode of " + shown(temporary_));
    }
    if (::fsync(fd.get()) != 0 || ::close(fd.release()) != 0) {
      throw Error(ExitCode::io, system_error(errno, "cannot write " + shown(temporary_)).message());
    }
  } catch (...) {
    ::unlink(temporary_.c_str());
    throw;
  }
}

Replacement::~Replacement() {
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void Replacement::commit() {
  if (!is_current(original_)) {
    throw Error(ExitCode::try_again,
                fmt::format("{} was changed by somebody else meanwhile", shown(original_.path)),
                "nothing was written; run the command again");
  }
  if (!original_.exists) {
    // Fails where somebody else has made it meanwhile; the other name goes with this object.
    if (::link(temporary_.c_str(), original_.path.c_str()) != 0) {
      throw Error(ExitCode::try_again,
                  system_error(errno, "cannot make " + shown(original_.path)).message(),
                  "nothing was written; run the command again");
    }
    return;
  }
  if (::rename(temporary_.c_str(), original_.path.c_str()) != 0) {
    throw system_error(errno, fmt::format("cannot replace {}", shown(original_.path)));
  }
  temporary_.clear();
}

void flush_folder_of(const std::string& path) {
  const std::string directory = directory_of(path);
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot flush a folder (EINVAL); the rename itself has happened either way.
  if (!fd || (::fsync(fd.get()) != 0 && errno != EINVAL)) {
    throw Error(ExitCode::io, system_error(errno, "cannot flush " + shown(directory)).message());
  }
}

std::vector<std::string> stray_replacements(const std::string& path) {
  std::vector<std::string> found;
  const std::string directory = directory_of(path);
  const std::string prefix = fmt::format(".{}{}", name_of(path), temporary_mark);
  const auto close = [](DIR* opened) { ::closedir(opened); };
  const std::unique_ptr<DIR, decltype(close)> entries(::opendir(directory.c_str()), close);
  if (!entries) {
    return found; // whoever writes next will say why
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    if (std::string_view(entry->d_name).starts_with(prefix)) {
      found.push_back(fmt::format("{}/{}", directory, entry->d_name));
    }
  }
  return found;
}

void remove_stray_replacements(const std::string& path) {
  for (const std::string& stray : stray_replacements(path)) {
    ::unlink(stray.c_str());
  }
}

} // namespace io
