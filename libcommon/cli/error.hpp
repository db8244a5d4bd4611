#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace cli {

/// What a command's exit status says; a subset of sysexits.h. Scripts may retry on `unavailable`
/// and `try_again`.
enum class ExitCode : int {
  ok = 0,
  negative = 1, ///< a negative answer: a change is needed, a fault was found, a fact is absent
  usage = 64,
  data = 65,
  no_input = 66,
  unavailable = 69,
  bug = 70,
  cannot_create = 73,
  io = 74,
  try_again = 75,
  no_permission = 77,
  config = 78,
};

/// The one exception type: thrown where the reason is known, caught once, in cli::run.
/// `message` names the object and the reason; `hint`, when not empty, what to do about it.
class Error : public std::exception {
public:
  Error(ExitCode code, std::string message, std::string hint = {})
      : code_(code), message_(std::move(message)), hint_(std::move(hint)) {}

  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
  [[nodiscard]] ExitCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

private:
  ExitCode code_;
  std::string message_;
  std::string hint_;
};

/// The exit code for an errno value met while reading or writing a file: ENOENT is 66, EACCES,
/// EPERM and EROFS are 77, everything else is 74.
ExitCode code_for_errno(int error) noexcept;

/// An Error for a failed system call: "<action>: <strerror>", with the code of code_for_errno.
Error system_error(int error, std::string_view action, std::string hint = {});

/// A string from outside, fit to be shown in a message: control characters and bytes that are not
/// UTF-8 are escaped as \xNN, and what is longer than `limit` bytes is cut with its length named.
std::string shown(std::string_view text, std::size_t limit = 200);

} // namespace cli
