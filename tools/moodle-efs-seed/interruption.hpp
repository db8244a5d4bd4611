#pragma once

#include "cli/unique_fd.hpp"
#include "io/lock.hpp"

#include <optional>
#include <string>

/// Turns the first SIGINT, SIGTERM or SIGHUP into a wish that the work be ended; a second one ends
/// the process at once. A signal that the caller ignores (nohup) stays ignored. Made before the
/// threads that do the work, so that they leave the signals alone.
class Interruption {
public:
  Interruption();

  /// Becomes readable when a signal comes.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// The name of the signal that has come, such as "SIGINT"; empty when none has.
  [[nodiscard]] const std::string& signal();

private:
  std::optional<io::SignalsHeld> held_;
  cli::UniqueFd fd_;
  std::string signal_;
};
