#include "aws/efs.hpp"
#include "cli/error.hpp"
#include "cli/size.hpp"

#include <doctest/doctest.h>

using cli::gib;
using cli::mib;
using cli::tib;

TEST_CASE("the baseline is 50 KiB/s for each GiB, and never below 1 MiB/s") {
  CHECK(aws::efs::baseline(0) == mib);
  CHECK(aws::efs::baseline(20 * gib) == mib);
  CHECK(aws::efs::baseline(100 * gib) == 5'120'000);
  CHECK(aws::efs::baseline(tib) == 50 * mib);
}

TEST_CASE("the burst rate grows from 1 TiB on") {
  CHECK(aws::efs::burst(0) == 100 * mib);
  CHECK(aws::efs::burst(tib) == 100 * mib);
  CHECK(aws::efs::burst(10 * tib) == 1000 * mib);
}

TEST_CASE("burst minutes a day, as the EFS user guide has them (it rounds the small ones)") {
  CHECK(aws::efs::burst_minutes_a_day(10 * gib) == doctest::Approx(7.2).epsilon(0.03));
  CHECK(aws::efs::burst_minutes_a_day(100 * gib) == doctest::Approx(72).epsilon(0.03));
  CHECK(aws::efs::burst_minutes_a_day(256 * gib) == 180);
  CHECK(aws::efs::burst_minutes_a_day(512 * gib) == 360);
  CHECK(aws::efs::burst_minutes_a_day(tib) == 720);
  CHECK(aws::efs::burst_minutes_a_day(4 * tib) == 720);
}

TEST_CASE("the size for a baseline is the least one, to the byte") {
  CHECK(aws::efs::size_for_baseline(1) == 0);
  CHECK(aws::efs::size_for_baseline(mib) == 0);
  CHECK(aws::efs::size_for_baseline(50 * mib) == tib);
  CHECK(aws::efs::size_for_baseline(10 * mib) == 219'902'325'556);
  for (const std::uint64_t rate : {mib + 1, 10 * mib, 123'456'789 * std::uint64_t{1}, 3 * gib}) {
    const std::uint64_t size = aws::efs::size_for_baseline(rate);
    CHECK(size * 25 >= rate * 524'288);
    CHECK((size - 1) * 25 < rate * 524'288);
  }
  CHECK_THROWS_AS(aws::efs::size_for_baseline(cli::max_size), cli::Error);
}

TEST_CASE("the time to add data") {
  CHECK(aws::efs::seconds_to_add_at_burst(100 * gib, 0) == 1024);
  CHECK(aws::efs::seconds_to_add(100 * gib, 0, aws::efs::first_credits) == 1024);
  CHECK(aws::efs::seconds_to_add(100 * mib, 0, 0) == 100);
  // Credits go at 99 MiB/s: they last 1 s.
  CHECK(aws::efs::seconds_to_add(110 * mib, 0, 99 * mib) == doctest::Approx(11));
  CHECK(aws::efs::seconds_to_add(0, 0, 0) == 0);
  // One client does not get more than 500 MiB/s, and that is the baseline of 10 TiB.
  CHECK(aws::efs::seconds_to_add_at_burst(500 * mib, 10 * tib) == 1);
  CHECK(aws::efs::seconds_to_add(500 * mib, 10 * tib, 0) == 1);
}
