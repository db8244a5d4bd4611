#include "cli/error.hpp"
#include "cli/progress.hpp"
#include "cli/size.hpp"

#include <doctest/doctest.h>

using cli::parse_rate;
using cli::parse_size;

TEST_CASE("a size is a number and a unit") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("007") == 7);
  CHECK(parse_size("512B") == 512);
  CHECK(parse_size("1KiB") == 1024);
  CHECK(parse_size("1kB") == 1000);
  CHECK(parse_size("1KB") == 1000);
  CHECK(parse_size("1GiB") == 1'073'741'824);
  CHECK(parse_size("1GB") == 1'000'000'000);
  CHECK(parse_size("1.5TiB") == 1'649'267'441'664);
  CHECK(parse_size("2 PB") == 2'000'000'000'000'000);
  CHECK(parse_size("7EiB") == 7 * (std::uint64_t{1} << 60U));
  CHECK(parse_size("9223372036854775807") == cli::max_size);
}

TEST_CASE("fractions are exact, and rounded down to bytes") {
  CHECK(parse_size("204.8GiB") == 219'902'325'555); // .2
  CHECK(parse_size("0.1kB") == 100);
  CHECK(parse_size("0.999B") == 0);
  CHECK(parse_size("1.000000000000000000000000000000001EiB") == std::uint64_t{1} << 60U);
  CHECK(parse_size("7.999999999999999999999999999999999EiB") == cli::max_size);
  CHECK(parse_size("0.3EB") == 300'000'000'000'000'000);
}

TEST_CASE("everything else is refused") {
  for (const char* const text : {"",
                                 " ",
                                 "-1",
                                 "+1",
                                 "1e400",
                                 "18446744073709551616",
                                 "9223372036854775808",
                                 "8EiB",
                                 "10 MiB/s",
                                 "1G",
                                 "1g",
                                 "1gib",
                                 "1kiB",
                                 "1.GiB",
                                 ".5GiB",
                                 "1,5GiB",
                                 "1  GiB",
                                 "1GiB ",
                                 "GiB",
                                 "1iB",
                                 "0x1",
                                 "inf",
                                 "nan",
                                 "1.5.5GiB",
                                 "1ZiB"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_size(text), cli::Error);
  }
}

TEST_CASE("a rate is a size a second") {
  CHECK(parse_rate("10 MiB/s") == 10 * cli::mib);
  CHECK(parse_rate("1/s") == 1);
  for (const char* const text :
       {"10MiB", "0/s", "/s", "10MiB/S", "10MiB/sec", "10MiB /s", "8EiB/s"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_rate(text), cli::Error);
  }
}

TEST_CASE("sizes, rates and times for a person") {
  CHECK(cli::size_text(0) == "0 bytes");
  CHECK(cli::size_text(1023) == "1023 bytes");
  CHECK(cli::size_text(1024) == "1 KiB");
  CHECK(cli::size_text(1536) == "1.5 KiB");
  CHECK(cli::size_text(cli::gib - 1) == "1 GiB");
  CHECK(cli::size_text(219'902'325'556) == "205 GiB");
  CHECK(cli::size_text(1'600'000'000'000) == "1.46 TiB");
  CHECK(cli::size_text(cli::max_size) == "8 EiB");
  CHECK(cli::rate_text(103'494'451) == "98.7 MiB/s");
  CHECK(cli::rate_text(0) == "0 KiB/s");
  CHECK(cli::duration_text(0.4) == "0 s");
  CHECK(cli::duration_text(59.6) == "1 min");
  CHECK(cli::duration_text(200) == "3 min 20 s");
  CHECK(cli::duration_text(7500) == "2 h 5 min");
  CHECK(cli::duration_text(349'200) == "4 d 1 h");
  CHECK(cli::duration_text(1e300) == "years");
}

TEST_CASE("the line of a progress bar fits the terminal") {
  using cli::gib;
  using cli::mib;
  CHECK(cli::progress_line(gib, 4 * gib, 100.0 * mib, 79).starts_with(" 25 % [####"));
  CHECK(cli::progress_line(gib, 4 * gib, 100.0 * mib, 79)
            .ends_with("] 1 GiB of 4 GiB, 100 MiB/s, 31 s left"));
  CHECK(cli::progress_line(gib, 4 * gib, 100.0 * mib, 45)
        == " 25 %  1 GiB of 4 GiB, 100 MiB/s, 31 s left");
  CHECK(cli::progress_line(0, gib, 0, 200).ends_with("0 bytes of 1 GiB, 0 KiB/s, stalled"));
  CHECK(cli::progress_line(gib, gib, 1, 200).starts_with("100 % [#######"));
  for (std::size_t width = 0; width < 200; ++width) {
    CHECK(cli::progress_line(gib, 4 * gib, 100.0 * mib, width).size() <= width);
  }
}
