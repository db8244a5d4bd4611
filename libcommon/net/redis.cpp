#include "net/redis.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "net/redis_client.hpp"

#include <algorithm>
#include <iterator>
#include <set>

namespace net {

namespace {

using cli::Error;
using cli::ExitCode;
using Mode = RedisStatus::Mode;
using Role = RedisStatus::Role;

void read_count(std::uint64_t& target, std::string_view value) {
  target = cli::parse_unsigned(value).value_or(target);
}

void read_field(RedisStatus& status, std::string_view name, std::string_view value) {
  if (name == "redis_version") {
    status.redis_version = value;
    if (status.engine != "valkey") {
      status.version = value;
    }
  } else if (name == "server_name" && value == "valkey") {
    status.engine = value;
  } else if (name == "valkey_version") { // beside it, redis_version is what it is compatible with
    status.engine = "valkey";
    status.version = value;
  } else if (name == "redis_mode") {
    status.mode = value == "cluster"    ? Mode::cluster
                  : value == "sentinel" ? Mode::sentinel
                                        : Mode::standalone;
  } else if (name == "role") {
    status.role = value == "slave" ? Role::replica : Role::primary;
  } else if (name == "run_id") {
    status.run_id = value;
  } else if (name == "uptime_in_seconds") {
    status.uptime = std::chrono::seconds(cli::parse_unsigned(value).value_or(0));
  } else if (name == "used_memory") {
    read_count(status.used_bytes, value);
  } else if (name == "maxmemory") {
    read_count(status.limit_bytes, value);
  } else if (name == "maxmemory_policy") {
    status.eviction_policy = value;
  } else if (name == "keyspace_hits") {
    read_count(status.get_hits, value);
  } else if (name == "keyspace_misses") {
    read_count(status.get_misses, value);
  } else if (name == "evicted_keys") {
    read_count(status.evictions, value);
  }
}

RedisStatus ask_status(RedisClient& client) {
  const resp::Reply reply = client.call({"INFO"});
  if (reply.kind != resp::Reply::Kind::bulk) {
    throw client.failure(ExitCode::data, " does not answer INFO as Redis or Valkey does");
  }
  try {
    return parse_redis_info(reply.text);
  } catch (const Error& error) {
    throw client.failure(error.code(), ": " + error.message());
  }
}

struct ClusterNode {
  Endpoint endpoint;
  bool primary = false;
};

Error not_a_node(std::string_view line) {
  return {ExitCode::data, fmt::format("'{}' is not a line of CLUSTER NODES", cli::shown(line))};
}

/// "ip:port", "ip:port@cport", "ip:port@cport,hostname" and "ip:port@cport,hostname,aux=value":
/// Redis 3, 4, 7 and 7.2.
Endpoint parse_node_address(std::string_view line, std::string_view text, const std::string& self) {
  const auto parts = cli::split(text, ',');
  const std::string address = parts[0].substr(0, parts[0].find('@'));
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    throw not_a_node(line);
  }
  std::string host = address.substr(0, colon);
  if (parts.size() > 1 && !parts[1].empty()) {
    host = parts[1];
  }
  if (host.empty()) {
    host = self;
  }
  const bool ipv6 = host.find(':') != std::string::npos;
  try {
    return parse_endpoint((ipv6 ? "[" + host + "]" : host) + address.substr(colon));
  } catch (const Error& error) {
    throw Error(ExitCode::data, fmt::format("a line of CLUSTER NODES names a node that is none: {}",
                                            error.message()));
  }
}

/// Nothing for a node that is not to be used: one that failed, or that nobody has reached yet.
std::optional<ClusterNode> parse_cluster_node(const std::string& line, const std::string& self) {
  const auto fields = cli::split(line, ' ');
  if (fields.size() < 8) {
    throw not_a_node(line);
  }
  const auto flags = cli::split(fields[2], ',');
  const auto has = [&](std::string_view flag) {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  };
  if (has("fail") || has("noaddr") || has("handshake")) {
    return std::nullopt;
  }
  return ClusterNode{parse_node_address(line, fields[1], self), has("master")};
}

} // namespace

std::optional<double> RedisStatus::hit_rate() const {
  const double reads = static_cast<double>(get_hits) + static_cast<double>(get_misses);
  return reads > 0 ? std::optional(static_cast<double>(get_hits) / reads) : std::nullopt;
}

RedisStatus redis_status(const Endpoint& endpoint, const RedisAccess& access,
                         std::chrono::milliseconds timeout) {
  const Deadline deadline(timeout);
  const auto start = Deadline::Clock::now();
  RedisClient client(endpoint, access, deadline);
  RedisStatus status = ask_status(client);
  status.round_trip =
      std::chrono::duration_cast<std::chrono::microseconds>(Deadline::Clock::now() - start);
  return status;
}

std::vector<Endpoint> redis_cluster_nodes(const Endpoint& endpoint, const RedisAccess& access,
                                          std::chrono::milliseconds timeout) {
  RedisClient client(endpoint, access, Deadline(timeout));
  switch (ask_status(client).mode) {
  case Mode::standalone:
    return {endpoint};
  case Mode::sentinel:
    throw client.failure(ExitCode::config, " is a Sentinel, which holds no data",
                         "name the server that it watches");
  case Mode::cluster:
    break;
  }
  const resp::Reply reply = client.call({"CLUSTER", "NODES"});
  try {
    return parse_cluster_nodes(reply.text, endpoint.host);
  } catch (const Error& error) {
    throw client.failure(error.code(), ": " + error.message());
  }
}

RedisStatus parse_redis_info(std::string_view info) {
  RedisStatus status;
  for (const std::string& text : cli::split(info, '\n')) {
    const std::string_view line = cli::trim(text);
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      read_field(status, line.substr(0, colon), line.substr(colon + 1));
    }
  }
  if (status.version.empty()) {
    throw Error(ExitCode::data, "its answer to INFO names no version");
  }
  return status;
}

std::vector<Endpoint> parse_cluster_nodes(std::string_view answer, const std::string& self) {
  std::vector<ClusterNode> nodes;
  for (const std::string& text : cli::split(answer, '\n')) {
    const std::string line(cli::trim(text));
    if (line.empty()) {
      continue;
    }
    if (auto node = parse_cluster_node(line, self)) {
      nodes.push_back(std::move(*node));
    }
  }
  std::set<Endpoint> primaries;
  std::set<Endpoint> replicas;
  for (const ClusterNode& node : nodes) {
    (node.primary ? primaries : replicas).insert(node.endpoint);
  }
  std::vector<Endpoint> endpoints(primaries.begin(), primaries.end());
  std::set_difference(replicas.begin(), replicas.end(), primaries.begin(), primaries.end(),
                      std::back_inserter(endpoints));
  if (endpoints.empty()) {
    throw Error(ExitCode::data, "its answer to CLUSTER NODES lists no node that can be used");
  }
  return endpoints;
}

std::vector<Probe<RedisStatus>> probe_redis(const std::vector<Endpoint>& endpoints,
                                            const RedisAccess& access,
                                            std::chrono::milliseconds timeout) {
  RedisAccess shared = access;
  if (shared.tls) {
    shared.tls->load();
  }
  return probe_at_once<RedisStatus>(endpoints, timeout, [shared, timeout](const Endpoint& node) {
    return redis_status(node, shared, timeout);
  });
}

} // namespace net
