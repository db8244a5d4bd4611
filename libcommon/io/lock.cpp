#include "io/lock.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <random>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace io {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using cli::system_error;
using cli::UniqueFd;
using Clock = std::chrono::steady_clock;

namespace {

/// Moodle's own rhythm (Moodle 4.5 cache/locks/file/lib.php): 1 to 50 ms between two tries.
void pause() {
  thread_local std::minstd_rand random(static_cast<unsigned>(::getpid()));
  std::this_thread::sleep_for(
      std::chrono::milliseconds(std::uniform_int_distribution<int>(1, 50)(random)));
}

bool same_file(int fd, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0
         && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/// Opens for writing where that is allowed: over NFS an exclusive flock needs it.
UniqueFd open_for_locking(const std::string& path, int flags = 0) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | flags));
  if (!fd) {
    fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  }
  return fd;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string local_time(time_t at) {
  std::array<char, 64> text{};
  tm parts{};
  ::strftime(text.data(), text.size(), "%F %T %z", ::localtime_r(&at, &parts));
  return text.data();
}

/// Which file it is. The time tells it from a later one that got the same inode.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  time_t seconds = 0;
  long nanoseconds = 0;

  bool operator==(const Identity&) const = default;
};

Identity identity(int fd) {
  struct stat status {};
  ::fstat(fd, &status);
  return {status.st_dev, status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

/// Who holds a lock file that is in the way.
struct Holder {
  bool ours = false; ///< made by one of our commands
  bool dead = false; ///< known only when it is ours
  std::string description;
};

std::string start_of(int fd) {
  std::array<char, 512> buffer{};
  const ssize_t length = ::pread(fd, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

/// An empty one is: its holder died, or has yet to write who it is.
bool is_own_lock(const std::string& text, const std::string& command) {
  return text.empty() || text.starts_with(command + " ");
}

Holder read_holder(int fd) {
  Holder holder;
  struct stat status {};
  ::fstat(fd, &status);
  const std::string text = start_of(fd);
  const auto words = cli::split(cli::trim(text), ' ');
  const std::string since = local_time(status.st_mtim.tv_sec);
  if (words.size() != 3) {
    holder.description = fmt::format("held by Moodle, or left behind by it, since {}", since);
    return holder;
  }
  holder.ours = true;
  holder.dead = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  holder.description = fmt::format("held since {} by {}, process {} on {}, which is {}", since,
                                   shown(words[0], 60), shown(words[1], 20), shown(words[2], 80),
                                   holder.dead ? "no longer running" : "still running");
  return holder;
}

void remove_lock(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw system_error(errno, fmt::format("cannot remove the lock {}", shown(path)));
  }
}

} // namespace

FileLock::FileLock(const std::string& path, std::chrono::milliseconds timeout) {
  const auto end = Clock::now() + timeout;
  for (;;) {
    UniqueFd fd = open_for_locking(path);
    if (!fd) {
      throw system_error(errno, fmt::format("cannot lock {}", shown(path)));
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      if (same_file(fd.get(), path)) {
        fd_ = std::move(fd);
        return;
      }
      continue; // replaced while we waited: lock the new one
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      throw Error(ExitCode::io, system_error(errno, "cannot lock " + shown(path)).message());
    }
    if (Clock::now() >= end) {
      throw Error(ExitCode::try_again, fmt::format("{} is locked by another process", shown(path)),
                  fmt::format("'fuser -v {}' names it; run the command again when it is done",
                              shown(path)));
    }
    pause();
  }
}

ExclusiveFile::ExclusiveFile(const Request& request) : path_(request.path) {
  const auto end = Clock::now() + request.timeout;
  std::optional<Identity> first;
  for (;;) {
    signals_.emplace();
    fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (fd_) {
      break;
    }
    const int error = errno;
    signals_.reset();
    if (error != EEXIST) {
      const bool forbidden = cli::code_for_errno(error) == ExitCode::no_permission;
      throw Error(
          forbidden ? ExitCode::no_permission : ExitCode::cannot_create,
          system_error(error, fmt::format("cannot create the lock {}", shown(path_))).message());
    }
    const bool late = Clock::now() >= end;
    // Not through a symbolic link: what that names does not have to be there.
    const UniqueFd other = open_for_locking(path_, O_NOFOLLOW | O_NONBLOCK);
    if (!other && errno == ELOOP) {
      throw Error(ExitCode::io, fmt::format("the lock {} is a symbolic link", shown(path_)),
                  "remove it");
    }
    if (!other && errno != ENOENT) {
      throw system_error(errno, fmt::format("cannot look at the lock {}", shown(path_)));
    }
    if (!other && late) {
      throw Error(ExitCode::try_again,
                  fmt::format("the lock {} changed hands all the time", shown(path_)));
    }
    if (other) {
      const Holder holder = read_holder(other.get());
      const bool stayed = first.value_or(identity(other.get())) == identity(other.get());
      first = first.value_or(identity(other.get()));
      // Of several that want to break it, the one that holds it by flock does.
      if (request.break_lock && (holder.ours ? holder.dead : late && stayed)
          && ::flock(other.get(), LOCK_EX | LOCK_NB) == 0 && same_file(other.get(), path_)) {
        remove_lock(path_);
        continue;
      }
      // One that is not dead, but done, was released since the file was opened.
      if (late || (holder.dead && same_file(other.get(), path_))) {
        throw Error(ExitCode::try_again,
                    fmt::format("the lock {} is {}", shown(path_), holder.description),
                    holder.ours && !holder.dead ? "run the command again when it is done"
                                                : "--break-lock removes the lock");
      }
    }
    pause();
  }
  ::flock(fd_.get(), LOCK_EX | LOCK_NB);
  const std::string text = fmt::format("{} {} {}\n", request.command, ::getpid(), host_name());
  [[maybe_unused]] const auto written = ::write(fd_.get(), text.data(), text.size());
}

ExclusiveFile::~ExclusiveFile() {
  // Somebody may have broken the lock and have made another one.
  if (same_file(fd_.get(), path_)) {
    ::unlink(path_.c_str());
  }
}

FolderLock::FolderLock(Request request) : request_(std::move(request)) {
  const std::string shown_path = shown(fmt::format("{}/{}", request_.path, request_.name));
  const auto end = Clock::now() + request_.timeout;
  for (;;) {
    fd_.reset(::openat(request_.folder, request_.name.c_str(),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
    if (!fd_) {
      const int error = errno;
      const bool forbidden = cli::code_for_errno(error) == ExitCode::no_permission;
      throw Error(forbidden ? ExitCode::no_permission : ExitCode::cannot_create,
                  system_error(error, "cannot create the lock " + shown_path).message());
    }
    if (const std::string text = start_of(fd_.get()); !is_own_lock(text, request_.command)) {
      throw Error(
          ExitCode::data,
          fmt::format("{} is in the way: it is not a lock of {}", shown_path, request_.command),
          "move it away");
    }
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) {
      if (is_held()) {
        break;
      }
      continue; // its holder was done, and removed it
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      throw Error(ExitCode::io, system_error(errno, "cannot lock " + shown_path).message());
    }
    if (Clock::now() >= end) {
      throw Error(ExitCode::try_again,
                  fmt::format("the lock {} is {}", shown_path, read_holder(fd_.get()).description),
                  "run the command again when it is done");
    }
    pause();
  }
  const std::string text = fmt::format("{} {} {}\n", request_.command, ::getpid(), host_name());
  // Without this text the lock holds as well; what is left of a dead holder's must not mislead.
  if (::ftruncate(fd_.get(), 0) == 0) {
    [[maybe_unused]] const auto written = ::pwrite(fd_.get(), text.data(), text.size(), 0);
  }
}

FolderLock::~FolderLock() {
  if (is_held()) {
    ::unlinkat(request_.folder, request_.name.c_str(), 0);
  }
}

bool FolderLock::is_held() const {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd_.get(), &opened) == 0
         && ::fstatat(request_.folder, request_.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0
         && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

SignalsHeld::SignalsHeld() {
  sigset_t held;
  ::sigemptyset(&held);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    ::sigaddset(&held, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &held, &before_);
}

SignalsHeld::~SignalsHeld() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace io
