#include "io/mounts.hpp"

#include <doctest/doctest.h>

namespace {

constexpr const char* table =
    "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n"
    "30 22 0:26 / /var/www/moodle/data rw,relatime shared:9 - nfs4 fs-1.efs.example:/ rw,vers=4.1\n"
    "31 30 0:27 / /var/www/moodle/data/local rw - tmpfs tmpfs rw\n"
    "32 22 0:28 / /mnt/a\\040b rw - fuse.s3fs s3fs rw\n"
    "33 22 0:29 / /twice rw - ext4 /dev/x rw\n"
    "34 33 0:30 / /twice rw master:3 propagate_from:2 - cifs //h/s rw\n"
    "nonsense\n\n";

} // namespace

TEST_CASE("a path has the type of the deepest and latest mount above it") {
  const auto type = [](const char* path) { return io::filesystem_type(path, table); };
  CHECK(type("/") == "ext4");
  CHECK(type("/var/www/moodle/html") == "ext4");
  CHECK(type("/var/www/moodle/data") == "nfs4");
  CHECK(type("/var/www/moodle/data/x/../y") == "nfs4");
  CHECK(type("/var/www/moodle/database") == "ext4");
  CHECK(type("/var/www/moodle/data/local/x") == "tmpfs");
  CHECK(type("/mnt/a b/c") == "fuse.s3fs");
  CHECK(type("/twice/x") == "cifs");
  CHECK(io::filesystem_type("/", "").empty());
}

TEST_CASE("a mount tells where it is from, and with which options") {
  const auto mount = io::find_mount("/var/www/moodle/data/x", table);
  REQUIRE(mount);
  CHECK(mount->point == "/var/www/moodle/data");
  CHECK(mount->source == "fs-1.efs.example:/");
  CHECK(mount->options == std::vector<std::string>{"rw", "relatime", "rw", "vers=4.1"});
  CHECK_FALSE(io::find_mount("/", ""));
  CHECK_FALSE(io::find_mount("/", "1 2 0:1 / / -"));
  CHECK_FALSE(io::find_mount("/", "1 2 0:1 / / - ext4")); // cut before the options
}

TEST_CASE("network and cluster file systems are shared, local ones are not") {
  for (const char* type :
       {"nfs", "nfs4", "cifs", "ceph", "fuse.s3fs", "fuse.sshfs", "fuse", "9p"}) {
    CAPTURE(type);
    CHECK(io::is_shared_type(type));
  }
  for (const char* type :
       {"ext4", "xfs", "tmpfs", "overlay", "btrfs", "fuse.lxcfs", "fuseblk", ""}) {
    CAPTURE(type);
    CHECK_FALSE(io::is_shared_type(type));
  }
}

TEST_CASE("this host's own table is read") {
  CHECK(io::shared_type("/proc").empty());
}
