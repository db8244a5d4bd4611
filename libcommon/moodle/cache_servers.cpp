#include "moodle/cache_servers.hpp"

#include "cli/error.hpp"
#include "net/discovery.hpp"

#include <algorithm>
#include <cctype>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

constexpr std::uint16_t memcached_port = 11211;

std::string prefix(CacheUse use) {
  return use == CacheUse::application ? "app-cache-" : "session-cache-";
}

std::vector<net::Endpoint> parse_nodes(const std::vector<std::string>& texts) {
  std::vector<net::Endpoint> nodes;
  for (const std::string& text : texts) {
    nodes.push_back(net::parse_endpoint(text, memcached_port));
  }
  return nodes;
}

/// Says which option a bad server stands in, and whose fault it is.
void check_servers(const std::vector<std::string>& texts, const std::string& name,
                   const cli::Options& options) {
  try {
    parse_nodes(texts);
  } catch (const Error& error) {
    const bool fact = options.from_facts(name);
    throw Error(fact ? ExitCode::data : error.code(),
                fmt::format("{}{}: {}", fact ? "in the facts: " : "--", name, error.message()),
                error.hint());
  }
}

std::string dns_name(std::string_view host) {
  std::string name(host.ends_with('.') ? host.substr(0, host.size() - 1) : host);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

} // namespace

void CacheServerOptions::declare(cli::Options& options) {
  const std::string name = prefix(use);
  options.group("Cache servers");
  options.text(name + "endpoint", endpoint, "HOST[:PORT]", "the cluster's configuration endpoint",
               cli::From::facts);
  options.list(name + "node", nodes, "HOST[:PORT]",
               "a node of the cluster; without any, the endpoint is asked for them",
               cli::From::facts);
  options.text(name + "engine", engine, "ENGINE", "what the servers are: memcached",
               cli::From::facts);
  options.text(name + "tls", tls, "true|false", "whether the servers want TLS", cli::From::facts);
  options.choice("servers", choice, {"auto", "endpoint", "nodes"},
                 "whether Moodle gets the endpoint or the nodes behind it (default auto: whatever "
                 "PHP's memcached client can use)");
  options.seconds("timeout", timeout, "how long the endpoint may take to answer (default 5)");
}

void CacheServerOptions::validate(const cli::Options& options) const {
  const std::string name = prefix(use);
  if (engine && *engine != "memcached") {
    throw Error(ExitCode::config,
                fmt::format("--{}engine is '{}'; this command configures memcached only", name,
                            shown(*engine)));
  }
  if (tls && *tls != "true" && *tls != "false") {
    throw Error(options.from_facts(name + "tls") ? ExitCode::data : ExitCode::usage,
                fmt::format("'{}' is not a value for --{}tls: choose one of true, false",
                            shown(*tls), name));
  }
  if (tls && *tls == "true") {
    throw Error(ExitCode::config,
                fmt::format("--{}tls is true, and Moodle has no TLS to memcached", name),
                "use a cluster without in-transit encryption");
  }
  if (endpoint) {
    check_servers({*endpoint}, name + "endpoint", options);
  }
  check_servers(nodes, name + "node", options);
  if (!endpoint && (nodes.empty() || choice == "endpoint")) {
    throw Error(
        ExitCode::usage, fmt::format("--{}endpoint is missing", name),
        "name the cluster's configuration endpoint, or pass facts that hold it with --facts");
  }
}

bool is_among(const net::Endpoint& server, const std::vector<net::Endpoint>& servers) {
  return std::any_of(servers.begin(), servers.end(), [&](const net::Endpoint& other) {
    return other.port == server.port && dns_name(other.host) == dns_name(server.host);
  });
}

CacheServers choose_servers(const CacheServerOptions& options, php::Runtime& php,
                            const cli::Log& log) {
  CacheServers chosen;
  const auto use_endpoint = [&](std::string reason) {
    chosen.is_endpoint = true;
    chosen.servers = {net::parse_endpoint(*options.endpoint, memcached_port)};
    chosen.reason = std::move(reason);
    return chosen;
  };
  if (options.choice == "endpoint") {
    return use_endpoint("the endpoint, as --servers says");
  }
  chosen.servers = parse_nodes(options.nodes);
  chosen.reason = "the nodes that were given";
  if (chosen.servers.empty()) {
    const net::Endpoint endpoint = net::parse_endpoint(*options.endpoint, memcached_port);
    const net::Cluster cluster = net::discover(endpoint, options.timeout);
    log.detail(fmt::format("{} announces {} nodes", endpoint.text(), cluster.nodes.size()));
    chosen.servers = cluster.nodes;
    chosen.reason = fmt::format("the nodes that {} announces", endpoint.text());
    if (options.choice == "auto" && cluster.source == net::Cluster::Source::plain) {
      return use_endpoint(fmt::format("{} is a plain memcached", endpoint.text()));
    }
  }
  if (options.choice == "auto" && options.endpoint
      && php.has_constant("Memcached::DYNAMIC_CLIENT_MODE")) {
    return use_endpoint("the endpoint: PHP's memcached client follows it to the nodes");
  }
  if (options.choice == "auto") {
    chosen.reason += ": PHP's memcached client on this host does not follow an endpoint";
  }
  return chosen;
}

} // namespace moodle
