#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What a program printed on its standard output, or nothing when it failed; its standard error is
/// dropped. It is looked for in PATH and then in /usr/sbin; `environment` is added to this process'
/// own. Throws cli::Error{no_input} when it is not there, {unavailable} when it does not end in
/// time; it is killed then, and with this process.
std::optional<std::string>
output_of(std::vector<std::string> command,
          const std::vector<std::pair<std::string, std::string>>& environment,
          std::chrono::milliseconds timeout);
