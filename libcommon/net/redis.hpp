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

constexpr std::uint16_t redis_port = 6379;

/// How a Redis or Valkey server is to be talked to.
struct RedisAccess {
  std::optional<Tls> tls;
  std::optional<std::string> user; ///< an ACL user; only with a password
  std::optional<std::string> password;
  std::uint64_t database = 0; ///< a cluster has only 0
  std::string key_prefix;     ///< of every key that is written: an ACL may allow only some
};

/// What a Redis or Valkey says about itself (its INFO command); counts are since it was started.
/// What a server does not tell is 0 or empty: ElastiCache Serverless tells less than others.
struct RedisStatus {
  enum class Mode { standalone, cluster, sentinel };
  enum class Role { primary, replica };

  std::string engine = "redis"; ///< "redis" or "valkey", as the facts name them
  std::string version;          ///< of that engine
  /// As INFO has it: for Valkey, the Redis that it is compatible with. Clients compare this one.
  std::string redis_version;
  std::string run_id; ///< 40 hexadecimal digits; two names with one run_id are one server
  Mode mode = Mode::standalone;
  Role role = Role::primary;
  /// From the beginning of the connection to the end of the answer: what a first request costs.
  std::chrono::microseconds round_trip{0};
  std::chrono::seconds uptime{0};
  std::uint64_t used_bytes = 0;
  std::uint64_t limit_bytes = 0; ///< `maxmemory`; 0 is no limit
  std::string eviction_policy;   ///< `maxmemory_policy`, such as "noeviction"
  std::uint64_t get_hits = 0;
  std::uint64_t get_misses = 0;
  std::uint64_t evictions = 0; ///< keys that had to go before their time

  /// The share of reads that found something, 0 to 1; nothing before the first read.
  [[nodiscard]] std::optional<double> hit_rate() const;
};

/// Connects, authenticates, and asks with INFO, all of it within `timeout`. Throws
/// Error{unavailable} when the server cannot be reached, is too slow, or is still loading its data;
/// {no_permission} when it wants a password, refuses the one it got, or forbids INFO; {config} when
/// TLS fails; {data} when it does not answer as Redis does. All name the endpoint.
RedisStatus redis_status(const Endpoint& endpoint, const RedisAccess& access,
                         std::chrono::milliseconds timeout);

/// redis_status() of all of them at once.
std::vector<Probe<RedisStatus>> probe_redis(const std::vector<Endpoint>& endpoints,
                                            const RedisAccess& access,
                                            std::chrono::milliseconds timeout);

/// The nodes of the cluster that the endpoint belongs to, each once: first the primaries, then the
/// replicas, both in alphabetical order, because every node lists them in an order of its own. The
/// endpoint itself alone when its server is not in cluster mode. Never empty. Nodes that have
/// failed, or whose address is not known, are left out. A node is given by its announced host name,
/// and by its address only when it has none. Throws what redis_status() throws, and {config} for a
/// Sentinel.
std::vector<Endpoint> redis_cluster_nodes(const Endpoint& endpoint, const RedisAccess& access,
                                          std::chrono::milliseconds timeout);

/// Reads the answer to INFO. `round_trip` is left to the caller. Lines that mean nothing here are
/// passed over. Throws Error{data} when it names no version.
RedisStatus parse_redis_info(std::string_view info);

/// Reads the answer to CLUSTER NODES, in the order of redis_cluster_nodes(); `self` is the host of
/// a node that does not know its own address. Throws Error{data} that shows the line that does not
/// fit.
std::vector<Endpoint> parse_cluster_nodes(std::string_view answer, const std::string& self);

} // namespace net
