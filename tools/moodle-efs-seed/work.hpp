#pragma once

#include "cli/progress.hpp"
#include "interruption.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

/// Work that several threads share: who is to stop, how much is done, how fast it may go.
class Work {
public:
  /// `bytes_per_second`: for all threads together; without one there is no limit.
  explicit Work(std::optional<std::uint64_t> bytes_per_second) : rate_(bytes_per_second) {}

  /// Waits for this many bytes' turn. Returns false when the work is to stop.
  bool may_go_on(std::uint64_t bytes);
  void add_done(std::uint64_t bytes) noexcept { done_ += bytes; }
  [[nodiscard]] std::uint64_t done() const noexcept { return done_; }
  void stop();

  /// Runs `job` in this many threads, each until it returns, and meanwhile draws the bar and looks
  /// for signals. When one comes, or a job throws, the others are told to stop; what was thrown
  /// first is thrown again.
  void run(std::size_t threads, const std::function<void()>& job, Interruption& interruption,
           cli::Progress& progress);

private:
  using Clock = std::chrono::steady_clock;

  std::optional<std::uint64_t> rate_;
  std::atomic<std::uint64_t> done_ = 0;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;
  Clock::time_point next_ = Clock::now();
};
