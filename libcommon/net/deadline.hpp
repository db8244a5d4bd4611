#pragma once

#include "cli/error.hpp"
#include "io/lock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace net {

/// The end of the time that a whole conversation has: resolving, connecting, asking and reading.
class Deadline {
public:
  using Clock = std::chrono::steady_clock;

  explicit Deadline(std::chrono::milliseconds timeout)
      : timeout_(timeout), at_(Clock::now() + timeout) {}

  [[nodiscard]] Clock::time_point at() const noexcept { return at_; }

  /// What is left, rounded up to a millisecond, for poll(2); 0 when it is over.
  [[nodiscard]] std::chrono::milliseconds left() const noexcept {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now());
    return std::max(left, std::chrono::milliseconds(0));
  }

  /// The time that there was in all, for messages: "2.5 s".
  [[nodiscard]] std::string text() const {
    return fmt::format("{:g} s", std::chrono::duration<double>(timeout_).count());
  }

private:
  std::chrono::milliseconds timeout_;
  Clock::time_point at_;
};

/// Starts `work` in a thread of its own, which nobody has to wait for: for calls that block and
/// that nothing can interrupt, such as getaddrinfo(). `work` owns everything that it uses; a thread
/// that is still at it when the process ends goes with it. It takes no signal that the main thread
/// may be holding back. Throws Error{try_again} when the system
/// has no thread left.
template <typename Work>
auto start_detached(Work work) {
  std::packaged_task<decltype(work())()> task(std::move(work));
  auto result = task.get_future();
  const io::SignalsHeld inherited;
  try {
    std::thread(std::move(task)).detach();
  } catch (const std::system_error& error) {
    throw cli::Error(cli::ExitCode::try_again,
                     fmt::format("cannot start a thread: {}", error.code().message()));
  }
  return result;
}

/// What the future holds, or nothing when the deadline comes first. Throws what the work has
/// thrown.
template <typename T>
std::optional<T> wait_for(std::future<T>& future, const Deadline& deadline) {
  if (future.wait_until(deadline.at()) != std::future_status::ready) {
    return std::nullopt;
  }
  return future.get();
}

} // namespace net
