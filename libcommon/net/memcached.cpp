#include "net/memcached.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "net/connection.hpp"
#include "net/deadline.hpp"

#include <libmemcached/memcached.h>

#include <array>
#include <memory>
#include <system_error>
#include <utility>

namespace net {

namespace {

using cli::Error;
using cli::ExitCode;
using Handle = std::unique_ptr<memcached_st, decltype(&memcached_free)>;

/// A memcached with every feature on has some 90 statistics.
constexpr std::size_t max_stats_bytes = 65'536;

Error too_slow(const Endpoint& endpoint, const Deadline& deadline) {
  return {ExitCode::unavailable,
          fmt::format("no answer from {} within {}", endpoint.text(), deadline.text())};
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

Error failure(const Endpoint& endpoint, ExitCode code, std::string_view reason) {
  return {code, fmt::format("{}: {}", endpoint.text(), reason)};
}

/// libmemcached reports several servers' errors as one; the last error of this one server says
/// more.
Error explain(const memcached_st* handle, const Endpoint& endpoint, const Deadline& deadline) {
  const memcached_return_t last = memcached_last_error(handle);
  if (last == MEMCACHED_TIMEOUT) {
    return too_slow(endpoint, deadline);
  }
  if (last == MEMCACHED_HOST_LOOKUP_FAILURE) {
    return failure(endpoint, ExitCode::unavailable, "its name cannot be resolved");
  }
  if (const int error = memcached_last_error_errno(handle); error != 0) {
    return failure(endpoint, ExitCode::unavailable, std::generic_category().message(error));
  }
  return failure(endpoint, ExitCode::data, "it does not answer as a memcached does");
}

/// libmemcached's timeouts hold for each read, and do not cover name resolution.
MemcachedStatus ask_slowly(const Endpoint& endpoint, std::chrono::milliseconds timeout) {
  const Handle handle = make_handle(endpoint, timeout);
  memcached_return_t result = MEMCACHED_FAILURE;
  const auto free_stat = [&](memcached_stat_st* stat) { memcached_stat_free(handle.get(), stat); };
  const std::unique_ptr<memcached_stat_st, decltype(free_stat)> stat(
      memcached_stat(handle.get(), nullptr, &result), free_stat);
  if (result != MEMCACHED_SUCCESS || !stat || stat->version[0] == '\0') {
    throw explain(handle.get(), endpoint, Deadline(timeout));
  }
  return {.version = static_cast<const char*>(stat->version),
          .bytes = stat->bytes,
          .limit_bytes = stat->limit_maxbytes,
          .items = stat->curr_items,
          .get_hits = stat->get_hits,
          .get_misses = stat->get_misses,
          .evictions = stat->evictions};
}

/// Leaves libmemcached behind at the deadline.
MemcachedStatus ask_libmemcached(const Endpoint& endpoint, std::chrono::milliseconds timeout) {
  const Deadline deadline(timeout);
  auto asking = start_detached([endpoint, timeout] { return ask_slowly(endpoint, timeout); });
  auto status = wait_for(asking, deadline);
  if (!status) {
    throw too_slow(endpoint, deadline);
  }
  return std::move(*status);
}

MemcachedStatus ask_by_tls(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                           const Tls& tls) {
  Connection connection(endpoint, Deadline(timeout), tls);
  connection.send("stats\r\n");
  std::string lines;
  for (;;) {
    const std::string line = connection.read_line(max_stats_bytes);
    if (line == "END") {
      break;
    }
    lines += line + '\n';
    if (!line.starts_with("STAT ") || lines.size() > max_stats_bytes) {
      throw failure(
          endpoint, ExitCode::data,
          fmt::format("it does not answer as a memcached does, but '{}'", cli::shown(line)));
    }
  }
  const auto status = parse_memcached_stats(lines);
  if (!status) {
    throw failure(endpoint, ExitCode::data, "its statistics name no version");
  }
  return *status;
}

} // namespace

std::optional<double> MemcachedStatus::hit_rate() const {
  const double reads = static_cast<double>(get_hits) + static_cast<double>(get_misses);
  return reads > 0 ? std::optional(static_cast<double>(get_hits) / reads) : std::nullopt;
}

MemcachedStatus memcached_status(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                                 const std::optional<Tls>& tls) {
  const auto start = Deadline::Clock::now();
  MemcachedStatus status =
      tls ? ask_by_tls(endpoint, timeout, *tls) : ask_libmemcached(endpoint, timeout);
  status.round_trip =
      std::chrono::duration_cast<std::chrono::microseconds>(Deadline::Clock::now() - start);
  return status;
}

std::optional<MemcachedStatus> parse_memcached_stats(std::string_view lines) {
  MemcachedStatus status;
  const std::array counts{
      std::pair{"bytes", &status.bytes},           std::pair{"limit_maxbytes", &status.limit_bytes},
      std::pair{"curr_items", &status.items},      std::pair{"get_hits", &status.get_hits},
      std::pair{"get_misses", &status.get_misses}, std::pair{"evictions", &status.evictions}};
  for (const std::string& line : cli::split(lines, '\n')) {
    const auto words = cli::split(line, ' ');
    if (words.size() != 3 || words[0] != "STAT") {
      continue;
    }
    if (words[1] == "version") {
      status.version = words[2];
    }
    for (const auto& [name, count] : counts) {
      if (words[1] == name) {
        *count = cli::parse_unsigned(words[2]).value_or(0);
      }
    }
  }
  return status.version.empty() ? std::nullopt : std::optional(status);
}

std::vector<Probe<MemcachedStatus>> probe_memcached(const std::vector<Endpoint>& endpoints,
                                                    std::chrono::milliseconds timeout,
                                                    const std::optional<Tls>& tls) {
  std::optional<Tls> shared = tls;
  if (shared) {
    shared->load();
  }
  return probe_at_once<MemcachedStatus>(
      endpoints, timeout,
      [shared, timeout](const Endpoint& node) { return memcached_status(node, timeout, shared); });
}

} // namespace net
