#pragma once

#include <cstdint>

/// What Amazon EFS grants for data in Standard storage, in bursting mode (Amazon EFS User Guide,
/// "Bursting throughput"). Sizes are bytes, rates bytes a second.
namespace aws::efs {

/// However little data there is, this much is granted.
constexpr double least_baseline = 1048576;
/// What one client reaches at most.
constexpr double client_limit = 500.0 * 1048576;
/// What a new file system has in burst credits, in bytes: 2.1 TiB.
constexpr std::uint64_t first_credits = 2'308'974'418'329;

double baseline(std::uint64_t size);
double burst(std::uint64_t size);
/// How many minutes of every day the file system can burst and be at rest otherwise.
double burst_minutes_a_day(std::uint64_t size);

/// The least size that has at least this baseline, rounded up to whole bytes; 0 when the least
/// baseline is enough. Throws cli::Error{usage} when no file can be so large.
std::uint64_t size_for_baseline(std::uint64_t rate);

/// How many seconds it takes to add `bytes` at the burst rate that `size` grants: while the credits
/// last, and at the baseline from then on. What the new data itself earns meanwhile is left out:
/// it counts only when EFS has metered it.
double seconds_to_add(std::uint64_t bytes, std::uint64_t size, std::uint64_t credits);
/// The same with credits that never end.
double seconds_to_add_at_burst(std::uint64_t bytes, std::uint64_t size);

} // namespace aws::efs
