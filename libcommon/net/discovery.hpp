#pragma once

#include "net/endpoint.hpp"
#include "net/tls.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace net {

/// What an ElastiCache for Memcached configuration endpoint announces.
struct Cluster {
  enum class Source {
    config_command, ///< `config get cluster`: engine 1.4.14 and later
    older_key,      ///< the key `AmazonElastiCache:cluster`: older engines
    plain,          ///< a memcached that announces nothing: it is the one node itself
  };

  Source source = Source::plain;
  /// Grows with every change of the cluster; 0 for `plain`.
  std::uint64_t version = 0;
  /// At least one, in the order in which they were announced, without repetitions. The host is the
  /// node's name, or its address when it has no name: what is found here ends up in configuration
  /// files, and only the name stays when a node is replaced (ElastiCache guide, "DNS names and
  /// underlying IP"). Clients that keep asking, such as Amazon's own, use the address instead.
  std::vector<Endpoint> nodes;
};

/// Asks a configuration endpoint for its nodes (ElastiCache guide, "Adding auto discovery to your
/// client library"), all of it within `timeout`. Throws Error{unavailable} when it cannot be
/// resolved or reached, is too slow, closes the connection or reports an error of its own;
/// Error{config} when TLS fails; Error{data} when its answer cannot be understood.
Cluster discover(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                 const std::optional<Tls>& tls = std::nullopt);

/// The same for a server that may be something else: nothing when it answers as Redis or Valkey.
std::optional<Cluster> discover_unless_redis(const Endpoint& endpoint,
                                             std::chrono::milliseconds timeout,
                                             const std::optional<Tls>& tls = std::nullopt);

/// Reads what stands between the header line and "END": the version on one line, then the nodes as
/// `name|address|port`, separated by blanks. Line ends may be LF or CRLF, empty lines do not count.
/// `source` is left to the caller. Throws Error{data} that names the part that does not fit.
Cluster parse_configuration(std::string_view payload);

} // namespace net
