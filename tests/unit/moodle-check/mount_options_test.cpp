#include "mount_options.hpp"

#include <doctest/doctest.h>

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
