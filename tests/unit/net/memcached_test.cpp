#include "net/memcached.hpp"

#include <doctest/doctest.h>

TEST_CASE("the statistics of a memcached") {
  const auto status = net::parse_memcached_stats(
      "STAT pid 1\nSTAT version 1.6.22\nSTAT bytes 12\nSTAT limit_maxbytes 67108864\n"
      "STAT curr_items 2\nSTAT get_hits 3\nSTAT get_misses 1\nSTAT evictions 4\nSTAT x\n\n");
  REQUIRE(status);
  CHECK(status->version == "1.6.22");
  CHECK(status->bytes == 12);
  CHECK(status->limit_bytes == 67108864);
  CHECK(status->items == 2);
  CHECK(status->evictions == 4);
  CHECK(status->hit_rate() == 0.75);
  CHECK_FALSE(net::parse_memcached_stats("STAT pid 1\n"));
  CHECK_FALSE(net::parse_memcached_stats(""));
}
