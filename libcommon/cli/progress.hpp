#pragma once

#include "cli/options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace cli {

/// Whether a command draws a progress bar: --progress, --no-progress, or else where it disturbs
/// nobody.
struct ProgressOptions {
  bool wanted = false;
  bool refused = false;

  void declare(Options& options);
  /// Throws Error{usage} when both were given.
  void validate() const;
};

/// A bar for work that is counted in bytes: one line on stderr, drawn over itself in plain ASCII
/// and without colours or other escape sequences, at most as wide as the terminal. Nothing is drawn
/// in the first two seconds, and never unless stderr is a terminal. The destructor wipes the line.
class Progress {
public:
  using Clock = std::chrono::steady_clock;

  /// Unless it was asked for, there is no bar in the background or within a pipeline either: its
  /// stages share the terminal.
  Progress(const ProgressOptions& options, bool quiet, std::uint64_t total_bytes);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  /// How long to wait between two calls of show().
  static constexpr std::chrono::milliseconds interval{250};

  void show(std::uint64_t done_bytes);

private:
  bool enabled_;
  std::uint64_t total_;
  Clock::time_point start_ = Clock::now();
  std::deque<std::pair<Clock::time_point, std::uint64_t>> recent_;
  std::size_t drawn_ = 0;
};

/// The line at `done` of `total` bytes with the rate of late, in at most `width` columns.
std::string progress_line(std::uint64_t done, std::uint64_t total, double bytes_per_second,
                          std::size_t width);

} // namespace cli
