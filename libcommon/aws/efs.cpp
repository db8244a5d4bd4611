#include "aws/efs.hpp"

#include "cli/error.hpp"
#include "cli/size.hpp"

#include <algorithm>

namespace aws::efs {

namespace {

constexpr std::uint64_t baseline_per_gib = 50 * cli::kib;
constexpr double burst_per_tib = 100.0 * static_cast<double>(cli::mib);
constexpr double minutes_a_day = 1440;

double in_units(std::uint64_t size, std::uint64_t unit) {
  return static_cast<double>(size) / static_cast<double>(unit);
}

/// What the data earns in credits; unlike the baseline this has no least value.
double earned(std::uint64_t size) {
  return in_units(size, cli::gib) * static_cast<double>(baseline_per_gib);
}

double write_rate(std::uint64_t size) {
  return std::min(burst(size), client_limit);
}

} // namespace

double baseline(std::uint64_t size) {
  return std::max(earned(size), least_baseline);
}

double burst(std::uint64_t size) {
  return burst_per_tib * std::max(in_units(size, cli::tib), 1.0);
}

double burst_minutes_a_day(std::uint64_t size) {
  return std::min(earned(size) / burst(size), 1.0) * minutes_a_day;
}

std::uint64_t size_for_baseline(std::uint64_t rate) {
  if (static_cast<double>(rate) <= least_baseline) {
    return 0;
  }
  // rate * GiB / baseline_per_gib, in parts, so that nothing overflows on the way.
  constexpr std::uint64_t factor = cli::gib / (2 * cli::kib);
  constexpr std::uint64_t divisor = baseline_per_gib / (2 * cli::kib);
  const std::uint64_t whole = rate / divisor;
  if (whole >= cli::max_size / factor) {
    throw cli::Error(cli::ExitCode::usage,
                     fmt::format("no file system is large enough for a baseline of {}",
                                 cli::rate_text(static_cast<double>(rate))));
  }
  return whole * factor + (rate % divisor * factor + divisor - 1) / divisor;
}

double seconds_to_add_at_burst(std::uint64_t bytes, std::uint64_t size) {
  return static_cast<double>(bytes) / write_rate(size);
}

double seconds_to_add(std::uint64_t bytes, std::uint64_t size, std::uint64_t credits) {
  const double rate = write_rate(size);
  const double slow = std::min(baseline(size), rate);
  if (rate <= slow) {
    return seconds_to_add_at_burst(bytes, size);
  }
  const double until_spent = static_cast<double>(credits) / (rate - slow);
  const double fast_bytes = std::min(until_spent * rate, static_cast<double>(bytes));
  return fast_bytes / rate + (static_cast<double>(bytes) - fast_bytes) / slow;
}

} // namespace aws::efs
