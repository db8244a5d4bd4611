#pragma once

#include "cli/facts.hpp"

#include <string>

/// One JSON object. The facts that are lists by nature (alb-ip, app-cache-node, session-cache-node)
/// are always arrays; any other is a string, and an array only when its name is there more than
/// once.
std::string as_json(const cli::Facts& facts);

/// An assignment a name, for `eval` in any POSIX shell: dashes in the name become underscores, the
/// value stands in single quotes, and the values of a repeated name are lines of one value.
std::string as_shell(const cli::Facts& facts);
