#pragma once

#include "net/endpoint.hpp"
#include "net/redis.hpp"
#include "net/tls.hpp"

#include <chrono>
#include <optional>

namespace net {

/// Proofs that a server really keeps what it is given: a key with a name of its own that expires
/// within a minute is set, read back, compared, and deleted, all of it within `timeout`.
///
/// All throw an Error that names the endpoint and the reason: {unavailable} when the server cannot
/// be reached, is too slow, or is not ready yet; {no_permission} when it wants a password, refuses
/// the one it got, or forbids the commands; {config} for what retrying does not mend: TLS that
/// fails, a replica, no memory left, a cluster node where a single server was expected; {data} when
/// it does not answer as such a server does.

void prove_memcached(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                     const std::optional<Tls>& tls = std::nullopt);

/// Whether the client that will use the server follows a cluster's redirections.
enum class RedisClientMode { single, cluster };

/// In `cluster` mode the proof follows to the node that owns the key, with the same access.
void prove_redis(const Endpoint& endpoint, const RedisAccess& access, RedisClientMode mode,
                 std::chrono::milliseconds timeout);

} // namespace net
