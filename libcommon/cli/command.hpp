#pragma once

#include "cli/error.hpp"
#include "cli/facts.hpp"
#include "cli/log.hpp"
#include "cli/options.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// What a running command may talk to: messages, the facts it was given, and its results. Nothing
/// reaches stdout before the command has ended, so a command that fails prints no data.
class Context {
public:
  Context(const Log& log, Facts facts, bool echo)
      : log_(log), facts_(std::move(facts)), echo_(echo) {}

  [[nodiscard]] const Log& log() const noexcept { return log_; }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }

  /// Sets the values of one of the command's own facts; the values that the stream brought under
  /// that name (an earlier run's) are replaced.
  void result(const std::string& name, const std::vector<std::string>& values);
  void result(const std::string& name, const std::string& value);

  /// Appends to a listing or a diff. A command that prints one writes no facts.
  void print(std::string_view text);

  /// What goes to stdout: the listing, or else the facts stream, with "#end" when `complete`.
  [[nodiscard]] std::string output(bool complete) const;

private:
  const Log& log_;
  Facts facts_;
  Facts own_;
  std::string listing_;
  bool echo_;
  bool lists_ = false;
};

/// One command, or one verb of a command: declares its options, validates them without any input or
/// output, runs.
class Command {
public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  virtual void declare(Options& options) = 0;
  /// Throws Error{usage} or, for what came from facts, Error{data}. No input or output here.
  virtual void validate(const Options&) {}
  /// Returns ok or negative; throws Error otherwise.
  virtual ExitCode run(Context& context) = 0;
};

struct Verb {
  std::string name; ///< empty for a command without verbs
  std::string summary;
  std::function<std::unique_ptr<Command>()> make;
};

struct Tool {
  std::string name;
  std::string summary; ///< one line, no full stop
  std::vector<Verb> verbs;
};

/// A verb implemented by `T`, which has a default constructor.
template <typename T>
Verb verb(std::string name, std::string summary) {
  return {std::move(name), std::move(summary), [] { return std::make_unique<T>(); }};
}

/// A whole main(): parses, loads facts, validates, runs, prints, and ends the process with the exit
/// status. The only place that catches.
[[noreturn]] int run(const Tool& tool, int argc, char** argv);

} // namespace cli
