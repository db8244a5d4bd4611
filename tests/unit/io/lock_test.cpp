#include "cli/error.hpp"
#include "folder.hpp"
#include "io/lock.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>

using io::ExclusiveFile;

namespace {

constexpr std::chrono::milliseconds soon{50};

ExclusiveFile::Request request(const std::string& path, bool break_lock = false) {
  return {.path = path, .command = "unit-io", .timeout = soon, .break_lock = break_lock};
}

std::string refusal(const ExclusiveFile::Request& wanted) {
  try {
    const ExclusiveFile lock(wanted);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::try_again);
    return error.message() + " / " + error.hint();
  }
  return {};
}

/// A lock whose holder was killed.
void leave_behind(const std::string& path) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const ExclusiveFile lock(request(path));
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  REQUIRE(std::filesystem::exists(path));
}

} // namespace

TEST_CASE("the lock is the existence of the file") {
  const Folder folder;
  {
    const ExclusiveFile lock(request(folder.file("lock")));
    CHECK(folder.read("lock").starts_with("unit-io " + std::to_string(::getpid()) + " "));
    const std::string why = refusal(request(folder.file("lock"), true));
    CHECK(why.find("by unit-io, process " + std::to_string(::getpid())) != std::string::npos);
    CHECK(why.ends_with("which is still running / run the command again when it is done"));
  }
  CHECK(folder.entries() == 0);
  const ExclusiveFile again(request(folder.file("lock")));
}

TEST_CASE("a lock that was left behind is broken only when told to") {
  const Folder folder;
  const std::string path = folder.file("lock");
  leave_behind(path);
  CHECK(refusal(request(path))
            .ends_with("which is no longer running / --break-lock removes the lock"));
  CHECK(std::filesystem::exists(path));
  CHECK(refusal(request(path, true)).empty());
  CHECK(folder.entries() == 0);
  folder.write("lock", "");
  CHECK(refusal(request(path)).find("is held by Moodle, or left behind by it, since ")
        != std::string::npos);
  CHECK(refusal(request(path, true)).empty());
  CHECK(folder.entries() == 0);
}

TEST_CASE("a lock that somebody broke and took is left to them") {
  const Folder folder;
  const std::string path = folder.file("lock");
  {
    const ExclusiveFile lock(request(path));
    std::filesystem::remove(path);
    folder.write("lock", "theirs");
  }
  CHECK(folder.read("lock") == "theirs");
}

TEST_CASE("a folder that is not there or forbids it") {
  const Folder folder;
  CHECK_THROWS_AS(ExclusiveFile(request(folder.file("no/lock"))), cli::Error);
}

TEST_CASE("a lock that cannot be removed is told within the timeout") {
  const Folder folder;
  std::filesystem::create_symlink("nowhere", folder.file("link"));
  std::filesystem::create_directory(folder.file("folder"));
  for (const bool break_lock : {false, true}) {
    CHECK_THROWS_WITH_AS(ExclusiveFile(request(folder.file("link"), break_lock)),
                         ("the lock " + folder.file("link") + " is a symbolic link").c_str(),
                         cli::Error);
  }
  CHECK(std::filesystem::is_symlink(folder.file("link")));
  CHECK_THROWS_WITH_AS(
      ExclusiveFile(request(folder.file("folder"), true)),
      ("cannot remove the lock " + folder.file("folder") + ": Is a directory").c_str(), cli::Error);
}

TEST_CASE("a lock in a folder that forbids it is not broken") {
  if (::geteuid() != 0) {
    MESSAGE("SKIPPED: only root can become somebody else");
    return;
  }
  const Folder folder;
  folder.write("lock", "");
  std::filesystem::permissions(folder.file("."), std::filesystem::perms{0755});
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int code = 0;
    try {
      if (::setuid(65534) == 0) {
        const ExclusiveFile lock(request(folder.file("lock"), true));
      }
    } catch (const cli::Error& error) {
      code = static_cast<int>(error.code());
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == static_cast<int>(cli::ExitCode::no_permission));
  CHECK(std::filesystem::exists(folder.file("lock")));
}

TEST_CASE("a file lock waits for its holder, and no longer than the timeout") {
  const Folder folder;
  const std::string path = folder.write("a", "");
  {
    const io::FileLock held(path, soon);
    CHECK_THROWS_WITH_AS(io::FileLock(path, soon), (path + " is locked by another process").c_str(),
                         cli::Error);
    // The file was replaced: the lock on the old one does not hold the new one.
    folder.write("b", "");
    std::filesystem::rename(folder.file("b"), path);
    const io::FileLock other(path, soon);
  }
  const io::FileLock again(path, soon);
  CHECK_THROWS_AS(io::FileLock(folder.file("none"), soon), cli::Error);
}
