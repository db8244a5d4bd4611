#include "moodle/version.hpp"

#include <doctest/doctest.h>

using moodle::parse_version;
using moodle::Version;

TEST_CASE("releases are read from options and from version.php") {
  CHECK(parse_version("4.5") == Version{4, 5, 0});
  CHECK(parse_version("4.1.10") == Version{4, 1, 10});
  CHECK(parse_version("3.3.1+ (Build: 20170727)") == Version{3, 3, 1});
  CHECK(parse_version("5.0dev+ (Build: 20250101)") == Version{5, 0, 0});
  CHECK(parse_version("4.5rc1 (Build: 20240930)") == Version{4, 5, 0});
  CHECK(parse_version("4.5beta+") == Version{4, 5, 0});
  for (const char* text : {"", "4", "4.", ".5", "4.5.", "4.5.x", "-4.5", "4.-5", "a4.5", "4.5.6.7",
                           "99999.1", "4,5"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_version(text).has_value());
  }
}

TEST_CASE("releases are ordered and shown as Moodle does") {
  CHECK(Version{4, 1, 10} > Version{4, 1, 9});
  CHECK(Version{4, 2} > Version{4, 1, 99});
  CHECK(Version{4, 5}.text() == "4.5");
  CHECK(Version{4, 5, 6}.text() == "4.5.6");
}
