#pragma once

#include "cli/unique_fd.hpp"

#include <chrono>
#include <csignal>
#include <optional>
#include <string>

namespace io {

/// Holds back SIGINT, SIGTERM and SIGHUP while it lives, so that a lock file is not left behind by
/// Ctrl-C; they arrive afterwards.
class SignalsHeld {
public:
  SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld();

private:
  sigset_t before_{};
};

/// Something that is held until its destruction.
class Lock {
public:
  Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  virtual ~Lock() = default;
};

/// An advisory lock (flock(2)) on a file that is replaced by renaming: once it is held, the path
/// names the locked file. It ends with the process, however that ends.
class FileLock : public Lock {
public:
  /// Throws cli::Error{try_again} after `timeout`, {no_input, no_permission, io} when the file
  /// cannot be opened or locked.
  FileLock(const std::string& path, std::chrono::milliseconds timeout);

private:
  cli::UniqueFd fd_;
};

/// A lock that is the existence of a file, as PHP code makes it with fopen(…, 'x'). The file says
/// who holds it: our own locks are also held by flock(2), so that a dead holder can be told from a
/// live one on every host that shares the file system.
class ExclusiveFile : public Lock {
public:
  struct Request {
    std::string path;
    std::string command; ///< goes into the file, for the message of whoever waits
    std::chrono::milliseconds timeout{10'000};
    /// Whether to remove a lock that is in the way once its holder is dead, or, for one that is not
    /// ours and so cannot be asked, once it has stayed the same for the whole timeout.
    bool break_lock = false;
  };

  /// Throws cli::Error{try_again} that names the holder when the lock cannot be had in time, or at
  /// once when it is ours and its holder is dead; {no_permission, cannot_create} when the file
  /// cannot be made; {no_permission, io} when the one that is there cannot be looked at or removed.
  explicit ExclusiveFile(const Request& request);
  ~ExclusiveFile() override;

private:
  std::string path_;
  // Destroyed after the file is gone, so that Ctrl-C never leaves it behind.
  std::optional<SignalsHeld> signals_;
  cli::UniqueFd fd_;
};

/// A lock on a whole folder, which may be on NFS: a file in it that says who holds it, held by
/// flock(2), which NFSv4 takes to the server for every host that has the folder mounted. What a
/// dead holder left behind does not lock, and is taken over; the file goes when the lock does.
class FolderLock : public Lock {
public:
  struct Request {
    int folder = -1;     ///< an open descriptor of it, which outlives the lock
    std::string path;    ///< the folder's, for messages
    std::string name;    ///< of the file in it
    std::string command; ///< who asks
    std::chrono::milliseconds timeout{10'000};
  };

  /// Throws cli::Error{try_again} that names the holder when the lock cannot be had in time;
  /// {data} when the file in the way is not such a lock; {no_permission, cannot_create, io}.
  explicit FolderLock(Request request);
  ~FolderLock() override;

  /// Whether the lock's file is still there and this one.
  [[nodiscard]] bool is_held() const;

private:
  Request request_;
  cli::UniqueFd fd_;
};

} // namespace io
