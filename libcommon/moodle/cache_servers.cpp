#include "moodle/cache_servers.hpp"

#include "cli/error.hpp"
#include "cli/input.hpp"
#include "net/discovery.hpp"
#include "net/proof.hpp"

#include <algorithm>
#include <cctype>
#include <dirent.h>
#include <filesystem>
#include <memory>
#include <unistd.h>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

constexpr const char* dynamic_client = "DYNAMIC_CLIENT_MODE";

std::string prefix(CacheUse use) {
  return use == CacheUse::application ? "app-cache-" : "session-cache-";
}

/// Each server once: a second mention would give a memcached twice the keys, and make a cluster of
/// a single Redis.
std::vector<net::Endpoint> parse_servers(const std::vector<std::string>& texts,
                                         CacheProtocol protocol) {
  std::vector<net::Endpoint> servers;
  for (const std::string& text : texts) {
    net::Endpoint server = net::parse_endpoint(text, default_port(protocol));
    if (!is_among(server, servers)) {
      servers.push_back(std::move(server));
    }
  }
  return servers;
}

/// Whether a PHP extension of this host holds the text. Starting PHP with all of its extensions
/// takes several times as long as this look, and almost no PHP has Amazon's client.
bool any_extension_mentions(php::Runtime& php, std::string_view text) {
  const php::Run run = php.run({.path = "/extension-dir.php",
                                .content = "<?php $dir = PHP_EXTENSION_DIR;",
                                .stop_at = {},
                                .stop_marker = {},
                                .constants = {},
                                .variables = {"dir"}});
  const php::Value* const dir = run.variables.find("dir");
  const auto close = [](DIR* opened) { ::closedir(opened); };
  const std::unique_ptr<DIR, decltype(close)> entries(
      dir == nullptr ? nullptr : ::opendir(dir->string()->c_str()), close);
  while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name.ends_with(".so")
        && (name.find("memcached") != std::string_view::npos
            || name.find("amazon") != std::string_view::npos)) {
      constexpr std::size_t largest = 64U << 20U;
      const auto file = cli::read_input(*dir->string() + "/" + std::string(name), largest);
      if (file.text.find(text) != std::string::npos) {
        return true;
      }
    }
  }
  return false;
}

void choose_memcached(const CacheServerOptions& options, php::Runtime& php, const cli::Log& log,
                      CacheServers& chosen) {
  const auto use_endpoint = [&](std::string reason) {
    chosen.is_endpoint = true;
    chosen.servers = {*chosen.endpoint};
    chosen.reason = std::move(reason);
  };
  if (options.choice == "endpoint") {
    use_endpoint("the endpoint, as --servers says");
    return;
  }
  chosen.servers = parse_servers(options.nodes, options.protocol());
  chosen.reason = "the nodes that were given";
  if (chosen.servers.empty()) {
    const net::Cluster cluster = net::discover(*chosen.endpoint, options.timeout);
    log.detail(fmt::format("{} announces {} nodes", chosen.endpoint->text(), cluster.nodes.size()));
    chosen.servers = cluster.nodes;
    chosen.reason = fmt::format("the nodes that {} announces", chosen.endpoint->text());
    if (options.choice == "auto" && cluster.source == net::Cluster::Source::plain) {
      use_endpoint(fmt::format("{} is a plain memcached", chosen.endpoint->text()));
      return;
    }
  }
  if (options.choice == "nodes" || !chosen.endpoint) {
    return;
  }
  if (follows_endpoint(php)) {
    use_endpoint("the endpoint: PHP's memcached client follows it to the nodes");
  } else {
    chosen.reason += ": PHP's memcached client on this host does not follow an endpoint";
  }
}

/// Each node of a Redis cluster lists them in an order of its own, and an endpoint is one node now
/// and another later; to a client the order means nothing.
void sort_nodes(CacheServers& chosen) {
  std::sort(chosen.servers.begin(), chosen.servers.end());
}

void choose_redis(const CacheServerOptions& options, CacheServers& chosen) {
  chosen.servers = parse_servers(options.nodes, options.protocol());
  if (!chosen.servers.empty() && options.choice != "endpoint") {
    chosen.is_cluster = options.cluster || chosen.servers.size() > 1;
    sort_nodes(chosen);
    chosen.reason = "the nodes that were given";
    return;
  }
  chosen.servers = {*chosen.endpoint};
  if (options.choice == "endpoint") {
    chosen.is_cluster = options.cluster;
    chosen.reason = "the endpoint, as --servers says";
    return;
  }
  const net::RedisStatus status =
      net::redis_status(*chosen.endpoint, chosen.access, options.timeout);
  chosen.is_cluster = status.mode == net::RedisStatus::Mode::cluster;
  if (options.cluster && !chosen.is_cluster) {
    throw Error(
        ExitCode::config,
        fmt::format("{} is not in cluster mode, as --cluster says", chosen.endpoint->text()),
        "leave --cluster out");
  }
  if (!chosen.is_cluster) {
    chosen.reason = fmt::format("{} is a single {} server, whose name follows the primary",
                                chosen.endpoint->text(), status.engine);
    return;
  }
  chosen.servers = net::redis_cluster_nodes(*chosen.endpoint, chosen.access, options.timeout);
  sort_nodes(chosen);
  chosen.reason = fmt::format("the nodes of the cluster of {}", chosen.endpoint->text());
}

/// Says which option a bad server stands in, and whose fault it is.
void check_servers(const std::vector<std::string>& texts, CacheProtocol protocol,
                   const std::string& name, const cli::Options& options) {
  try {
    parse_servers(texts, protocol);
  } catch (const Error& error) {
    const bool fact = options.from_facts(name);
    throw Error(fact ? ExitCode::data : error.code(),
                fmt::format("{}{}: {}", fact ? "in the facts: " : "--", name, error.message()),
                error.hint());
  }
}

} // namespace

bool follows_endpoint(php::Runtime& php) {
  return any_extension_mentions(php, dynamic_client)
         && php.has_constant(fmt::format("Memcached::{}", dynamic_client));
}

const char* text(CacheProtocol protocol) noexcept {
  return protocol == CacheProtocol::memcached ? "memcached" : "redis";
}

std::uint16_t default_port(CacheProtocol protocol) noexcept {
  return protocol == CacheProtocol::memcached ? 11211 : net::redis_port;
}

CacheProtocol protocol_of(const std::optional<std::string>& engine) {
  return engine && *engine != "memcached" ? CacheProtocol::redis : CacheProtocol::memcached;
}

void CacheServerOptions::declare(cli::Options& options) {
  const std::string name = prefix(use);
  options.group("Cache servers");
  options.text(name + "endpoint", endpoint, "HOST[:PORT]",
               "the cluster's configuration endpoint, or the primary endpoint", cli::From::facts);
  options.list(name + "node", nodes, "HOST[:PORT]",
               "a node of the cluster; without any, the endpoint is asked for them",
               cli::From::facts);
  options.text(name + "engine", engine, "memcached|redis|valkey",
               "what the servers are: memcached (the default), redis or valkey", cli::From::facts);
  options.text(name + "tls", tls, "true|false", "whether the servers want TLS (default false)",
               cli::From::facts);
  options.choice("servers", choice, {"auto", "endpoint", "nodes"},
                 "whether Moodle gets the endpoint or the nodes behind it (default auto: whatever "
                 "the servers and PHP's client can do)");
  options.flag("cluster", cluster, "the Redis endpoint, or the one node, is of a cluster");
  options.text("ca-file", ca_file, "FILE", "trust these authorities instead of the system's");
  options.input("password-file", password_file, "its first line is the Redis password");
  options.flag("no-probe", no_probe, "do not write to and read from the servers first");
  options.seconds("timeout", timeout, "how long a server may take to answer (default 5)");
}

void CacheServerOptions::validate(const cli::Options& options) const {
  const std::string name = prefix(use);
  if (engine && *engine != "memcached" && *engine != "redis" && *engine != "valkey") {
    throw Error(options.from_facts(name + "engine") ? ExitCode::data : ExitCode::usage,
                fmt::format("'{}' is not a value for --{}engine: choose one of memcached, redis, "
                            "valkey",
                            shown(*engine), name));
  }
  if (tls && *tls != "true" && *tls != "false") {
    throw Error(options.from_facts(name + "tls") ? ExitCode::data : ExitCode::usage,
                fmt::format("'{}' is not a value for --{}tls: choose one of true, false",
                            shown(*tls), name));
  }
  if (protocol() == CacheProtocol::memcached) {
    if (tls && *tls == "true") {
      throw Error(ExitCode::config,
                  fmt::format("--{}tls is true, and Moodle has no TLS to memcached", name),
                  "use a memcached cluster without in-transit encryption, or Redis or Valkey");
    }
    if (password_file || cluster || ca_file) {
      throw Error(ExitCode::usage,
                  fmt::format("--password-file, --ca-file and --cluster are for Redis and Valkey; "
                              "--{}engine is memcached",
                              name));
    }
  } else if (ca_file && tls != "true") {
    throw Error(ExitCode::usage,
                fmt::format("--ca-file is for servers with TLS, and --{}tls is not true", name));
  }
  if (endpoint) {
    check_servers({*endpoint}, protocol(), name + "endpoint", options);
  }
  check_servers(nodes, protocol(), name + "node", options);
  if (!endpoint && (nodes.empty() || choice == "endpoint")) {
    throw Error(
        ExitCode::usage, fmt::format("--{}endpoint is missing", name),
        "name the cluster's configuration endpoint, or pass facts that hold it with --facts");
  }
}

bool is_among(const net::Endpoint& server, const std::vector<net::Endpoint>& servers) {
  return std::any_of(servers.begin(), servers.end(), [&](const net::Endpoint& other) {
    return net::canonical(other) == net::canonical(server);
  });
}

CacheServers choose_servers(const CacheServerOptions& options, php::Runtime& php,
                            const cli::Log& log) {
  CacheServers chosen;
  chosen.protocol = options.protocol();
  if (options.endpoint) {
    chosen.endpoint = net::parse_endpoint(*options.endpoint, default_port(chosen.protocol));
  }
  if (chosen.protocol == CacheProtocol::memcached) {
    choose_memcached(options, php, log, chosen);
    return chosen;
  }
  if (options.tls == "true") {
    chosen.access.tls = net::Tls{};
    if (options.ca_file) {
      // The name ends up in a file that PHP reads in another folder.
      chosen.access.tls->ca_file = std::filesystem::absolute(*options.ca_file).lexically_normal();
    }
  }
  if (options.password_file) {
    chosen.access.password = cli::read_password(*options.password_file);
  }
  choose_redis(options, chosen);
  return chosen;
}

void prove_servers(const CacheServerOptions& options, const CacheServers& servers) {
  if (options.no_probe) {
    return;
  }
  net::RedisAccess access = servers.access;
  if (access.tls) {
    access.tls->load();
  }
  // By value: a thread that is given up may outlive the servers.
  const auto prove = [access, protocol = servers.protocol, is_cluster = servers.is_cluster,
                      timeout = options.timeout](const net::Endpoint& server) {
    if (protocol == CacheProtocol::memcached) {
      net::prove_memcached(server, timeout);
    } else {
      net::prove_redis(server, access,
                       is_cluster ? net::RedisClientMode::cluster : net::RedisClientMode::single,
                       timeout);
    }
    return true;
  };
  for (const auto& probe : net::probe_at_once<bool>(servers.servers, options.timeout, prove)) {
    if (probe.failure) {
      throw Error(*probe.failure);
    }
  }
}

std::string authority_file(const net::Tls& tls) {
  if (tls.ca_file) {
    return *tls.ca_file;
  }
  // Debian; Amazon Linux and Fedora; SUSE.
  for (const char* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem"}) {
    if (::access(path, R_OK) == 0) {
      return path;
    }
  }
  throw Error(ExitCode::no_input, "this host has no file of trusted authorities",
              "install the package ca-certificates, or name a file with --ca-file");
}

} // namespace moodle
