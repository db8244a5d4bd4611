#include "subject.hpp"

#include <doctest/doctest.h>

namespace {

struct stat status(uid_t owner, gid_t group, mode_t mode) {
  struct stat made {};
  made.st_uid = owner;
  made.st_gid = group;
  made.st_mode = mode;
  return made;
}

} // namespace

TEST_CASE("rights are the owner's, or the group's, or the others', and never two of them") {
  const WebUser user{"www-data", 33, {33, 50}};
  CHECK(user.may(status(33, 0, 0700), 7));
  CHECK_FALSE(user.may(status(33, 33, 0077), 1));
  CHECK(user.may(status(0, 50, 0070), 7));
  CHECK_FALSE(user.may(status(0, 50, 0707), 4));
  CHECK(user.may(status(0, 0, 0005), 5));
  CHECK_FALSE(user.may(status(0, 0, 0005), 2));
  CHECK(WebUser{"root", 0, {0}}.may(status(33, 33, 0), 7));
}
