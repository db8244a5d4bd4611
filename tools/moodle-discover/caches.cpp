#include "caches.hpp"

#include <algorithm>
#include <map>

namespace {

struct Nodes {
  std::vector<Server> servers;
  std::string remark; ///< for --verbose
  bool alone = false; ///< a memcached that announces nothing
};

Nodes make_nodes(const Server& cache, Protocol protocol, const std::vector<net::Endpoint>& nodes) {
  Nodes found;
  for (const net::Endpoint& node : nodes) {
    found.servers.push_back({node, protocol, cache.access});
  }
  return found;
}

Nodes ask_redis(const Server& cache, std::chrono::milliseconds timeout) {
  const auto nodes = net::redis_cluster_nodes(cache.endpoint, cache.access, timeout);
  Nodes found = make_nodes(cache, Protocol::redis, nodes);
  found.remark = fmt::format("{} speaks the Redis protocol, and has {} node(s)",
                             cache.endpoint.text(), nodes.size());
  return found;
}

std::optional<net::Cluster> ask_memcached(const Server& cache, std::chrono::milliseconds timeout) {
  return cache.protocol == Protocol::memcached
             ? net::discover(cache.endpoint, timeout, cache.access.tls)
             : net::discover_unless_redis(cache.endpoint, timeout, cache.access.tls);
}

Nodes ask_nodes(const Server& cache, std::chrono::milliseconds timeout) {
  if (cache.protocol == Protocol::redis) {
    return ask_redis(cache, timeout);
  }
  const auto cluster = ask_memcached(cache, timeout);
  if (!cluster) {
    return ask_redis(cache, timeout);
  }
  Nodes found = make_nodes(cache, Protocol::memcached, cluster->nodes);
  found.alone = cluster->source == net::Cluster::Source::plain;
  found.remark = fmt::format("{} announces {} node(s), configuration version {}",
                             cache.endpoint.text(), cluster->nodes.size(), cluster->version);
  return found;
}

template <typename Common>
std::string describe_common(const Common& status, std::uint64_t used_bytes) {
  const auto hit_rate = status.hit_rate();
  return fmt::format("version={} time-ms={:.1f} used-bytes={} limit-bytes={} hit-percent={} "
                     "evictions={}",
                     cli::shown(status.version),
                     std::chrono::duration<double, std::milli>(status.round_trip).count(),
                     used_bytes, status.limit_bytes,
                     hit_rate ? fmt::format("{:.1f}", *hit_rate * 100) : "-", status.evictions);
}

std::string describe_one(const net::MemcachedStatus& status) {
  return describe_common(status, status.bytes);
}

std::string_view mode_name(net::RedisStatus::Mode mode) {
  switch (mode) {
  case net::RedisStatus::Mode::cluster:
    return "cluster";
  case net::RedisStatus::Mode::sentinel:
    return "sentinel";
  case net::RedisStatus::Mode::standalone:
    break;
  }
  return "standalone";
}

std::string describe_one(const net::RedisStatus& status) {
  return fmt::format("{} engine={} mode={} role={} policy={}",
                     describe_common(status, status.used_bytes), status.engine,
                     mode_name(status.mode),
                     status.role == net::RedisStatus::Role::replica ? "replica" : "primary",
                     status.eviction_policy.empty() ? "-" : cli::shown(status.eviction_policy));
}

Status ask_status(const Server& server, std::chrono::milliseconds timeout) {
  if (server.protocol == Protocol::redis) {
    return net::redis_status(server.endpoint, server.access, timeout);
  }
  return net::memcached_status(server.endpoint, timeout, server.access.tls);
}

} // namespace

std::vector<std::vector<Server>> discover_all(const std::vector<Server>& caches,
                                              std::chrono::milliseconds timeout,
                                              const cli::Log& log) {
  std::vector<std::future<Nodes>> running;
  running.reserve(caches.size());
  for (const Server& cache : caches) {
    running.push_back(net::start_detached([cache, timeout] { return ask_nodes(cache, timeout); }));
  }
  std::vector<std::vector<Server>> all;
  for (std::size_t i = 0; i < running.size(); ++i) {
    Nodes nodes = running[i].get();
    if (nodes.alone) {
      log.info(fmt::format("{} announces no nodes: it is taken as the only one",
                           caches[i].endpoint.text()));
    } else {
      log.detail(nodes.remark);
    }
    all.push_back(std::move(nodes.servers));
  }
  return all;
}

std::vector<net::Probe<Status>> probe_all(const std::vector<Server>& servers,
                                          std::chrono::milliseconds timeout) {
  std::map<net::Endpoint, Server> by_endpoint;
  std::vector<net::Endpoint> endpoints;
  for (const Server& server : servers) {
    endpoints.push_back(server.endpoint);
    by_endpoint.emplace(server.endpoint, server);
  }
  return net::probe_at_once<Status>(endpoints, timeout,
                                    [by_endpoint, timeout](const net::Endpoint& endpoint) {
                                      return ask_status(by_endpoint.at(endpoint), timeout);
                                    });
}

std::vector<std::string> describe(const std::vector<net::Probe<Status>>& probes) {
  std::size_t width = 0;
  for (const auto& probe : probes) {
    width = std::max(width, probe.endpoint.text().size());
  }
  std::vector<std::string> lines;
  lines.reserve(probes.size());
  for (const auto& probe : probes) {
    const std::string state =
        probe.status
            ? std::visit([](const auto& status) { return describe_one(status); }, *probe.status)
            : "unavailable";
    lines.push_back(fmt::format("{:<{}} {}", probe.endpoint.text(), width, state));
  }
  return lines;
}
