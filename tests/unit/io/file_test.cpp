#include "cli/error.hpp"
#include "folder.hpp"
#include "io/file.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace {

cli::ExitCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const cli::Error& error) {
    return error.code();
  }
  return cli::ExitCode::ok;
}

} // namespace

TEST_CASE("a snapshot follows symbolic links, and takes regular files only") {
  const Folder folder;
  const std::string real = folder.write("real", "text");
  std::filesystem::create_symlink("real", folder.file("link"));
  const io::Snapshot snapshot = io::read_snapshot(folder.file("link"), 4);
  CHECK(snapshot.path == real);
  CHECK(snapshot.content == "text");
  CHECK(code_of([&] { io::read_snapshot(real, 3); }) == cli::ExitCode::data);
  CHECK(code_of([&] { io::read_snapshot(folder.file(""), 9); }) == cli::ExitCode::data);
  CHECK(code_of([&] { io::read_snapshot(folder.file("none"), 9); }) == cli::ExitCode::no_input);
  REQUIRE(::mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  CHECK(code_of([&] { io::read_snapshot(folder.file("fifo"), 9); }) == cli::ExitCode::data);
}

TEST_CASE("a replacement that is not committed leaves nothing") {
  const Folder folder;
  folder.write("a.php", "old");
  const io::Snapshot snapshot = io::read_snapshot(folder.file("a.php"), 99);
  {
    const io::Replacement replacement(snapshot, "new");
    REQUIRE(io::stray_replacements(snapshot.path).size() == 1);
    // A web server that is asked for it runs it instead of showing it.
    CHECK(io::stray_replacements(snapshot.path).front().ends_with(".php"));
  }
  CHECK(folder.read("a.php") == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a replacement keeps mode and attributes") {
  const Folder folder;
  const std::string path = folder.write("a", "old");
  ::chmod(path.c_str(), 0751);
  const bool attributes = ::setxattr(path.c_str(), "user.a", "b\0c", 3, 0) == 0;
  const io::Snapshot snapshot = io::read_snapshot(path, 99);
  io::Replacement kept(snapshot, "new");
  kept.commit();
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0751U);
  CHECK(folder.read("a") == "new");
  if (attributes) {
    char value[8];
    CHECK(::getxattr(path.c_str(), "user.a", value, sizeof value) == 3);
  }
}

TEST_CASE("the default ACL of the folder is not given to a file that has none") {
  const Folder folder;
  const std::string command = "setfacl -d -m u:65534:rwx " + folder.file("") + " 2>/dev/null";
  if (std::system(command.c_str()) != 0) {
    MESSAGE("SKIPPED: no ACLs on this file system");
    return;
  }
  const std::string old = folder.write("old", "old");
  ::removexattr(old.c_str(), "system.posix_acl_access");
  ::chmod(old.c_str(), 0640);
  for (const std::string& path : {old, folder.file("new")}) {
    const io::Snapshot snapshot = io::read_or_new(path, 99, 0640);
    io::Replacement replacement(snapshot, "new");
    replacement.commit();
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0640U);
    CHECK(::getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) < 0);
  }
}

TEST_CASE("a file that moved is not replaced") {
  const Folder folder;
  const std::string path = folder.write("a", "old");
  const io::Snapshot snapshot = io::read_snapshot(path, 99);
  io::Replacement replacement(snapshot, "mine");
  SUBCASE("written") {
    folder.write("a", "new");
  }
  SUBCASE("removed") {
    std::filesystem::remove(path);
  }
  SUBCASE("its mode") {
    ::chmod(path.c_str(), 0600);
  }
  SUBCASE("replaced by the same") {
    std::filesystem::copy_file(path, folder.file("b"));
    std::filesystem::rename(folder.file("b"), path);
  }
  CHECK_FALSE(io::is_current(snapshot));
  CHECK(code_of([&] { replacement.commit(); }) == cli::ExitCode::try_again);
}

TEST_CASE("only what belongs to this file is cleared away") {
  const Folder folder;
  const std::string path = folder.write("a.php", "");
  for (const char* name :
       {".a.php.moodle-aws-toolkit-Abc123.php", ".b.php.moodle-aws-toolkit-Abc123.php",
        ".a.php.swp", "a.php.moodle-aws-toolkit-Abc123.php"}) {
    folder.write(name, "");
  }
  io::remove_stray_replacements(path);
  CHECK(folder.entries() == 4);
  CHECK_FALSE(std::filesystem::exists(folder.file(".a.php.moodle-aws-toolkit-Abc123.php")));
}

TEST_CASE("diffs are what patch(1) accepts, whatever the bytes") {
  CHECK(io::unified_diff("/a/b", "x\n", "x\n").empty());
  CHECK(io::unified_diff("/a/b", "x\n", "y\n") == "--- a/a/b\n+++ b/a/b\n@@ -1 +1 @@\n-x\n+y\n");
  CHECK(io::unified_diff("/a b", "", "y")
        == "--- a/a b\t\n+++ b/a b\t\n@@ -0,0 +1 @@\n+y\n\\ No newline at end of file\n");
  const std::string zero("\0\n", 2);
  CHECK(io::unified_diff("/a", zero, "").ends_with("@@ -1 +0,0 @@\n-" + zero));
}
