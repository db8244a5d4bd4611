#include "mount_options.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace {

std::vector<std::string> unwanted(const std::string& options) {
  const std::string line = "30 22 0:26 / /data rw,relatime - nfs4 fs-1.efs.example:/ " + options;
  return unwanted_mount_options(*io::find_mount("/data", line));
}

} // namespace

TEST_CASE("what the kernel shows for the recommended options is right") {
  CHECK(unwanted("rw,vers=4.1,rsize=1048576,wsize=1048576,namlen=255,hard,noresvport,proto=tcp,"
                 "timeo=600,retrans=2,sec=sys,clientaddr=10.0.0.1,local_lock=none,addr=10.0.0.2")
            .empty());
}

TEST_CASE("each other option is named") {
  CHECK(unwanted("rw,vers=4.0,rsize=262144,wsize=262144,soft,timeo=50,retrans=3")
        == std::vector<std::string>{
            "with vers=4.0, not 4.1", "with rsize=262144, not 1048576",
            "with wsize=262144, not 1048576", "with timeo=50, not 600", "with retrans=3, not 2",
            "soft, not hard: a late answer is an error to Moodle, and loses data",
            "without noresvport: a lost connection may not come back"});
}

TEST_CASE("what is EFS is mounted again, where that gives the same") {
  const auto again = [](const std::string& root, const std::string& source,
                        const std::string& more = "") {
    const std::string table = fmt::format("22 1 8:1 / / rw - ext4 /dev/root rw\n"
                                          "30 22 0:26 {} /my\\040data rw - nfs4 {} rw,soft{}\n",
                                          root, source, more);
    const io::Mount mount = *io::find_mount("/my data/x", table);
    return is_efs(mount) ? mount_again(mount) : "no EFS";
  };
  CHECK(again("/", "fs-0123.efs.eu-west-1.amazonaws.com:/")
        == "umount '/my data' && mount -t nfs4 -o nfsvers=4.1,rsize=1048576,wsize=1048576,hard,"
           "timeo=600,retrans=2,noresvport fs-0123.efs.eu-west-1.amazonaws.com:/ '/my data'");
  CHECK(again("/moodle", "fs-0123.efs.eu-west-1.amazonaws.com:/").empty());
  CHECK(again("/", "127.0.0.1:/", ",port=20127").empty());
  CHECK(again("/", "127.0.0.1:/") == "no EFS");
  CHECK(again("/", "nas.example.org:/vol") == "no EFS");
}
