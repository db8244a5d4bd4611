#pragma once

#include "cli/options.hpp"

#include <string>
#include <vector>

namespace cli {

/// What a shell has to know of one verb.
struct VerbShape {
  std::string name; ///< empty for a command without verbs
  std::vector<Options::Shape> options;
  std::string arguments; ///< as the usage line shows them; empty without any
};

/// A bash script that completes the command: its verbs, its options, and their values where the
/// metavar says what fits: FILE, DIR, or words joined by '|'. It needs nothing but bash, so it can
/// be installed for bash-completion(7) as well as read by `source`.
std::string bash_completion(const std::string& command, const std::vector<VerbShape>& verbs);

} // namespace cli
