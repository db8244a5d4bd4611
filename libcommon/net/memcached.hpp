#pragma once

#include "net/endpoint.hpp"
#include "net/probe.hpp"
#include "net/tls.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace net {

/// What a memcached says about itself (its `stats` command); counts are since it was started.
struct MemcachedStatus {
  std::string version;
  /// From the beginning of the connection to the end of the answer: what a first request costs.
  std::chrono::microseconds round_trip{0};
  std::uint64_t bytes = 0;       ///< in use by items
  std::uint64_t limit_bytes = 0; ///< what items may use
  std::uint64_t items = 0;
  std::uint64_t get_hits = 0;
  std::uint64_t get_misses = 0;
  std::uint64_t evictions = 0; ///< items that had to go before their time

  /// The share of reads that found something, 0 to 1; nothing before the first read.
  [[nodiscard]] std::optional<double> hit_rate() const;
};

/// Asks one of them, all of it within `timeout`: without TLS through libmemcached, the library
/// below PHP's memcached extension; libmemcached has no TLS. Throws Error{unavailable} when it
/// cannot be reached or is too slow; {config} when TLS fails; {data} when it does not answer as a
/// memcached does. All name the endpoint.
MemcachedStatus memcached_status(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                                 const std::optional<Tls>& tls = std::nullopt);

/// Reads the lines of an answer to `stats`, without the last one, "END". `round_trip` is left to
/// the caller. Nothing when they name no version.
std::optional<MemcachedStatus> parse_memcached_stats(std::string_view lines);

/// Asks all of them at once: the time it takes is that of the slowest, not the sum, and at most
/// `timeout`, name resolution included (from the 301st node on: at most `timeout` for each 300).
/// Answers in the order of `endpoints`. Throws Error{try_again} when the
/// system has no threads left.
std::vector<Probe<MemcachedStatus>> probe_memcached(const std::vector<Endpoint>& endpoints,
                                                    std::chrono::milliseconds timeout,
                                                    const std::optional<Tls>& tls = std::nullopt);

} // namespace net
