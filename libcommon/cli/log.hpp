#pragma once

#include "cli/error.hpp"

#include <string>
#include <string_view>

namespace cli {

/// How much a person wants to read on stderr.
enum class Verbosity { quiet, normal, verbose };

/// Messages for a person, on stderr, in the form "<command>: <kind>: <text>". Writing never throws:
/// a lost message must not undo a change.
class Log {
public:
  explicit Log(std::string command, Verbosity verbosity = Verbosity::normal)
      : command_(std::move(command)), verbosity_(verbosity) {}

  void set_verbosity(Verbosity verbosity) noexcept { verbosity_ = verbosity; }
  [[nodiscard]] Verbosity verbosity() const noexcept { return verbosity_; }

  void error(std::string_view text) const { write("error: ", text); }
  void hint(std::string_view text) const { write("hint: ", text); }
  /// Shown unless the command was told to be quiet.
  void warning(std::string_view text) const;
  void info(std::string_view text) const;
  /// Shown with --verbose only.
  void detail(std::string_view text) const;
  /// The error's message and, when it has one, its hint.
  void report(const Error& error) const;

private:
  void write(std::string_view kind, std::string_view text) const;

  std::string command_;
  Verbosity verbosity_;
};

} // namespace cli
