#pragma once

#include "cli/command.hpp"
#include "request.hpp"

#include <chrono>

namespace lastip {

/// Keeps lastip right until the installation has finished: looks at the log and at the database
/// every `interval`. The log is polled, not watched through inotify, which sees nothing of what
/// another host writes to a shared file system.
///
/// Returns whether anything was changed. Throws Error{try_again} when `limit` is over, and at once
/// when the first connection fails; later a lost database is waited for.
bool watch(const Request& request, const cli::Log& log, std::chrono::milliseconds interval,
           std::chrono::milliseconds limit);

} // namespace lastip
