#pragma once

#include "cli/error.hpp"
#include "net/deadline.hpp"

#include <future>
#include <optional>
#include <string>
#include <utility>

/// Something that takes time to get and that several checks need: asked for once, in a thread of
/// its own, which is left behind when it does not come in time.
template <typename T>
class Pending {
public:
  /// `what` is what does not answer, for the message: "the folder /data".
  template <typename Make>
  Pending(std::string what, net::Deadline deadline, Make make)
      : what_(std::move(what)), deadline_(deadline),
        future_(net::start_detached(std::move(make)).share()) {}

  /// Throws what getting it has thrown, and cli::Error{unavailable} at the deadline.
  [[nodiscard]] const T& get() const { return get(deadline_); }

  /// The same for who waits until a deadline of its own.
  [[nodiscard]] const T& get(const net::Deadline& deadline) const {
    if (future_.wait_until(deadline.at()) != std::future_status::ready) {
      throw cli::Error(cli::ExitCode::unavailable,
                       fmt::format("no answer from {} within {}", what_, deadline.text()));
    }
    return future_.get();
  }

private:
  std::string what_;
  net::Deadline deadline_;
  std::shared_future<T> future_;
};
