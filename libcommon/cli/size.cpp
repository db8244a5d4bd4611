#include "cli/size.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace cli {

namespace {

constexpr std::string_view units_rule =
    "a number with one of the units B, KiB, MiB, GiB, TiB, PiB, EiB (powers of 1024), kB, MB, GB, "
    "TB, PB, EB (powers of 1000), or none for bytes";

constexpr std::string_view digits = "0123456789";

std::optional<std::uint64_t> unit_bytes(std::string_view unit) {
  constexpr std::string_view letters = "KMGTPE";
  if (unit.empty() || unit == "B") {
    return 1;
  }
  const std::size_t power = unit.front() == 'k' ? 0 : letters.find(unit.front());
  const bool binary = unit.substr(1) == "iB" && unit.front() != 'k';
  if (power == std::string_view::npos || (!binary && unit.substr(1) != "B")) {
    return std::nullopt;
  }
  std::uint64_t bytes = 1;
  for (std::size_t i = 0; i <= power; ++i) {
    bytes *= binary ? 1024 : 1000;
  }
  return bytes;
}

/// 0.<decimals> units in bytes, rounded down: from the last digit to the first, where rounding each
/// step down is the same as rounding the sum down. At most 10 units, 10 EiB, at any step: it fits.
std::uint64_t fraction_bytes(std::string_view decimals, std::uint64_t unit) {
  std::uint64_t bytes = 0;
  for (auto digit = decimals.rbegin(); digit != decimals.rend(); ++digit) {
    bytes = (static_cast<std::uint64_t>(*digit - '0') * unit + bytes) / 10;
  }
  return bytes;
}

std::optional<std::uint64_t> read_size(std::string_view text) {
  const std::size_t number = std::min(text.find_first_not_of(digits), text.size());
  const auto whole = parse_unsigned(text.substr(0, number));
  std::string_view rest = text.substr(number);
  std::string_view decimals;
  if (rest.starts_with('.')) {
    const std::size_t end = std::min(rest.find_first_not_of(digits, 1), rest.size());
    decimals = rest.substr(1, end - 1);
    if (decimals.empty()) {
      return std::nullopt;
    }
    rest.remove_prefix(end);
  }
  if (rest.size() > 1 && rest.front() == ' ') {
    rest.remove_prefix(1);
  }
  const auto unit = unit_bytes(rest);
  if (!whole || !unit || *whole > max_size / *unit) {
    return std::nullopt;
  }
  const std::uint64_t bytes = *whole * *unit;
  const std::uint64_t fraction = fraction_bytes(decimals, *unit);
  return fraction > max_size - bytes ? std::nullopt : std::optional(bytes + fraction);
}

/// Three digits that count.
std::string rounded(double value) {
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (decimals > 0) {
    text.erase(text.find_last_not_of('0') + 1);
    text.erase(text.find_last_not_of('.') + 1);
  }
  return text;
}

std::string in_binary_units(double value) {
  constexpr std::array names{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  for (value /= 1024; value >= 1023.5 && unit + 1 < names.size(); value /= 1024) {
    ++unit;
  }
  return fmt::format("{} {}", rounded(value), names[unit]);
}

} // namespace

std::uint64_t parse_size(std::string_view text) {
  const auto bytes = read_size(text);
  if (!bytes) {
    throw Error(ExitCode::usage, fmt::format("'{}' is not a size: {}; at most 8 EiB less a byte",
                                             shown(text), units_rule));
  }
  return *bytes;
}

std::uint64_t parse_rate(std::string_view text) {
  const auto bytes =
      text.ends_with("/s") ? read_size(text.substr(0, text.size() - 2)) : std::nullopt;
  if (!bytes || *bytes == 0) {
    throw Error(ExitCode::usage,
                fmt::format("'{}' is not a rate: {}; then '/s', such as 10MiB/s; above 0",
                            shown(text), units_rule));
  }
  return *bytes;
}

std::string size_text(std::uint64_t bytes) {
  return bytes < kib ? fmt::format("{} bytes", bytes) : in_binary_units(static_cast<double>(bytes));
}

std::string rate_text(double bytes_per_second) {
  return in_binary_units(bytes_per_second) + "/s";
}

std::string duration_text(double seconds) {
  constexpr double forever = 1e9; // 30 years
  if (!(seconds < forever)) {
    return "years";
  }
  const auto whole = static_cast<std::uint64_t>(std::llround(std::max(seconds, 0.0)));
  const auto two = [](std::uint64_t large, const char* large_unit, std::uint64_t small,
                      const char* small_unit) {
    return small == 0 ? fmt::format("{} {}", large, large_unit)
                      : fmt::format("{} {} {} {}", large, large_unit, small, small_unit);
  };
  if (whole < 60) {
    return fmt::format("{} s", whole);
  }
  if (whole < 3600) {
    return two(whole / 60, "min", whole % 60, "s");
  }
  if (whole < 86'400) {
    return two(whole / 3600, "h", whole % 3600 / 60, "min");
  }
  return two(whole / 86'400, "d", whole % 86'400 / 3600, "h");
}

} // namespace cli
