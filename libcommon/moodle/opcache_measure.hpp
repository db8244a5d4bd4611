#pragma once

#include "moodle/opcache_plan.hpp"
#include "moodle/php_settings.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace moodle {

/// How far measuring may go.
struct MeasureLimits {
  std::chrono::milliseconds timeout{300'000};
  std::uint64_t memory_bytes = std::uint64_t{2} << 30U; ///< OPcache's own; PHP takes a GiB at most
};

struct OpcacheMeasure {
  OpcacheNeed need;
  std::uint64_t scripts = 0;     ///< compiled and kept
  std::uint64_t used_memory = 0; ///< as opcache_get_status() had it, with these two
  std::uint64_t buffer_mib = 0;
  std::uint64_t max_accelerated_files = 0;
  /// Files that do not compile, and PHP's reason.
  std::vector<std::pair<std::string, std::string>> failures;
};

/// Compiles every file into an OPcache of its own, with the ini files of that PHP, whose extensions
/// and optimizer settings matter. Nothing of the code runs. A file that does not compile beside
/// those before it (they declare the same function) is tried again alone, as a page has it.
/// `done` is told how many bytes of source have been compiled. Throws cli::Error{unavailable} when
/// the time or the memory does not do, {config} when there is no OPcache.
OpcacheMeasure measure_need(const PhpCode& code, const PhpService& service,
                            const MeasureLimits& limits,
                            const std::function<void(std::uint64_t bytes)>& done);

} // namespace moodle
