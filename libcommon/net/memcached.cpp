#include "net/memcached.hpp"

#include "net/deadline.hpp"

#include <libmemcached/memcached.h>

#include <algorithm>
#include <memory>
#include <system_error>

namespace net {

namespace {

using Handle = std::unique_ptr<memcached_st, decltype(&memcached_free)>;

/// ElastiCache allows 300 nodes in a region, unless asked for more.
constexpr std::size_t most_at_once = 300;

std::string too_slow(const Deadline& deadline) {
  return fmt::format("no answer within {}", deadline.text());
}

/// A handle that has failed once calls its server disabled, so each probe makes its own.
Handle make_handle(const Endpoint& endpoint, std::chrono::milliseconds timeout) {
  Handle handle(memcached_create(nullptr), &memcached_free);
  const auto milliseconds = static_cast<std::uint64_t>(timeout.count());
  const std::uint64_t microseconds = milliseconds * 1000;
  memcached_behavior_set(handle.get(), MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, milliseconds);
  memcached_behavior_set(handle.get(), MEMCACHED_BEHAVIOR_POLL_TIMEOUT, milliseconds);
  memcached_behavior_set(handle.get(), MEMCACHED_BEHAVIOR_SND_TIMEOUT, microseconds);
  memcached_behavior_set(handle.get(), MEMCACHED_BEHAVIOR_RCV_TIMEOUT, microseconds);
  memcached_server_add(handle.get(), endpoint.host.c_str(), endpoint.port);
  return handle;
}

/// libmemcached reports several servers' errors as one; the last error of this one server says
/// more.
std::string explain(const memcached_st* handle, const Deadline& deadline) {
  const memcached_return_t last = memcached_last_error(handle);
  if (last == MEMCACHED_TIMEOUT) {
    return too_slow(deadline);
  }
  if (last == MEMCACHED_HOST_LOOKUP_FAILURE) {
    return "its name cannot be resolved";
  }
  if (const int error = memcached_last_error_errno(handle); error != 0) {
    return std::generic_category().message(error);
  }
  return "it does not answer as a memcached does";
}

Probe probe_blocking(const Endpoint& endpoint, std::chrono::milliseconds timeout) {
  const Deadline deadline(timeout);
  const Handle handle = make_handle(endpoint, timeout);
  const auto start = Deadline::Clock::now();
  memcached_return_t result = MEMCACHED_FAILURE;
  const auto free_stat = [&](memcached_stat_st* stat) { memcached_stat_free(handle.get(), stat); };
  const std::unique_ptr<memcached_stat_st, decltype(free_stat)> stat(
      memcached_stat(handle.get(), nullptr, &result), free_stat);
  const auto round_trip = Deadline::Clock::now() - start;
  if (result != MEMCACHED_SUCCESS || !stat || stat->version[0] == '\0') {
    return {endpoint, std::nullopt, explain(handle.get(), deadline)};
  }
  return {endpoint,
          MemcachedStatus{.version = static_cast<const char*>(stat->version),
                          .round_trip =
                              std::chrono::duration_cast<std::chrono::microseconds>(round_trip),
                          .bytes = stat->bytes,
                          .limit_bytes = stat->limit_maxbytes,
                          .items = stat->curr_items,
                          .get_hits = stat->get_hits,
                          .get_misses = stat->get_misses,
                          .evictions = stat->evictions},
          ""};
}

/// One thread a node. libmemcached's timeouts hold for each read and do not cover name resolution:
/// a node that is not done at the deadline is given up, and its thread left behind.
void probe_at_once(const Endpoint* first, const Endpoint* last, std::chrono::milliseconds timeout,
                   std::vector<Probe>& probes) {
  const Deadline deadline(timeout);
  std::vector<std::future<Probe>> running;
  for (const Endpoint* endpoint = first; endpoint != last; ++endpoint) {
    running.push_back(start_detached(
        [endpoint = *endpoint, timeout] { return probe_blocking(endpoint, timeout); }));
  }
  for (std::size_t i = 0; i < running.size(); ++i) {
    auto probe = wait_for(running[i], deadline);
    probes.push_back(probe ? std::move(*probe) : Probe{first[i], std::nullopt, too_slow(deadline)});
  }
}

} // namespace

std::optional<double> MemcachedStatus::hit_rate() const {
  const double reads = static_cast<double>(get_hits) + static_cast<double>(get_misses);
  return reads > 0 ? std::optional(static_cast<double>(get_hits) / reads) : std::nullopt;
}

std::vector<Probe> probe_memcached(const std::vector<Endpoint>& endpoints,
                                   std::chrono::milliseconds timeout) {
  std::vector<Probe> probes;
  for (std::size_t i = 0; i < endpoints.size(); i += most_at_once) {
    const std::size_t end = std::min(endpoints.size(), i + most_at_once);
    probe_at_once(endpoints.data() + i, endpoints.data() + end, timeout, probes);
  }
  return probes;
}

} // namespace net
