#pragma once

#include "cli/error.hpp"

#include <functional>
#include <string>
#include <vector>

/// What a check says, and how a check is asked.

enum class Severity { note, warning, error };

const char* text(Severity severity) noexcept;

/// One thing that is not as it should be.
struct Finding {
  Severity severity = Severity::warning;
  std::string object; ///< what is concerned: a path, a server, a setting
  std::string what;   ///< a clause that follows the object: "is not there"
  std::string why;    ///< why that matters
  std::string source; ///< who says so
  std::string mend;   ///< a shell command that mends it; empty where there is none
};

/// How a check has ended.
struct Outcome {
  enum class State {
    checked,        ///< `findings` says with what result
    not_applicable, ///< there is nothing to check here; `reason` says why
    not_possible    ///< it could not be found out; `reason` says why
  };
  State state = State::checked;
  std::string reason;
  std::vector<Finding> findings;

  static Outcome good() { return {}; }
  static Outcome not_applicable(std::string reason) {
    return {State::not_applicable, std::move(reason), {}};
  }
  static Outcome not_possible(std::string reason) {
    return {State::not_possible, std::move(reason), {}};
  }
  static Outcome found(Finding finding) { return {State::checked, {}, {std::move(finding)}}; }
};

/// One question about the site. `ask` may wait for a server or a file system; what it throws
/// makes the check not possible.
struct Check {
  std::string name; ///< "sessions-reachable": the group, then what is asked
  std::function<Outcome()> ask;

  /// The part of the site that it is about: "sessions".
  [[nodiscard]] std::string group() const { return name.substr(0, name.find('-')); }
};

struct Result {
  std::string name;
  std::string group;
  Outcome outcome;
};
