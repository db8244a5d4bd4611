#pragma once

#include "cli/log.hpp"
#include "net/discovery.hpp"
#include "net/memcached.hpp"
#include "net/probe.hpp"
#include "net/redis.hpp"

#include <chrono>
#include <variant>
#include <vector>

/// What a server speaks; `unknown` until it was asked.
enum class Protocol { unknown, memcached, redis };

/// A server, and how it is to be talked to. For memcached only the access's `tls` counts.
struct Server {
  net::Endpoint endpoint;
  Protocol protocol = Protocol::unknown;
  net::RedisAccess access;
};

using Status = std::variant<net::MemcachedStatus, net::RedisStatus>;

/// The nodes behind every one of `caches`, in its order, all asked at once, each within `timeout`;
/// a server that turns out to be Redis or Valkey only when it was asked takes up to twice as long.
/// Throws the error of the first that fails.
std::vector<std::vector<Server>> discover_all(const std::vector<Server>& caches,
                                              std::chrono::milliseconds timeout,
                                              const cli::Log& log);

/// The status of every server, all asked at once.
std::vector<net::Probe<Status>> probe_all(const std::vector<Server>& servers,
                                          std::chrono::milliseconds timeout);

/// A line a server: the endpoints, padded to one width, and the fields of their states.
std::vector<std::string> describe(const std::vector<net::Probe<Status>>& probes);
