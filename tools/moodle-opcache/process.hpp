#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

/// What a program printed on its standard output; its standard error is dropped. `names` are tried
/// in turn, each as PATH finds it and then in /usr/sbin; `environment` is added to this process'
/// own. Throws cli::Error{no_input} when none is there, {unavailable} when it does not end in time
/// or with exit status 0; it is killed then, and with this process.
std::string output_of(const std::vector<std::string>& names,
                      const std::vector<std::string>& arguments,
                      const std::vector<std::pair<std::string, std::string>>& environment,
                      std::chrono::milliseconds timeout);
