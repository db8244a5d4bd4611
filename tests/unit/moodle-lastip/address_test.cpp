#include "address.hpp"

#include <doctest/doctest.h>

#include <string>

using lastip::moodle_address;

TEST_CASE("an address is written as Moodle writes it") {
  CHECK(moodle_address("10.0.1.15") == "10.0.1.15");
  CHECK(moodle_address("::1") == "0:0:0:0:0:0:0:1");
  CHECK(moodle_address("2001:0DB8::00ff") == "2001:db8:0:0:0:0:0:ff");
  CHECK(moodle_address("1:2:3:4:5:6:7:8") == "1:2:3:4:5:6:7:8");
}

TEST_CASE("Moodle's own reading of an IPv4 address inside an IPv6 one is kept") {
  CHECK(moodle_address("::ffff:10.0.1.15") == "0:0:0:0:0:ffff:a0:1f");
  CHECK(moodle_address("::ffff:0.15.255.255") == "0:0:0:0:0:ffff:f:ffff");
}

TEST_CASE("what is no address is nothing") {
  for (const char* text : {"", " ", "10.0.1", "10.0.1.256", "010.0.1.1", "10.0.1.15:80", "[::1]",
                           "fe80::1%eth0", "alb.example.org", "1::2::3", "::1 ", "-"}) {
    CAPTURE(text);
    CHECK_FALSE(moodle_address(text));
  }
  CHECK_FALSE(moodle_address(std::string("::1\0x", 5)));
}
