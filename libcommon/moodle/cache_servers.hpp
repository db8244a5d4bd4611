#pragma once

#include "cli/command.hpp"
#include "net/endpoint.hpp"
#include "php/runtime.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace moodle {

/// Which of the two ElastiCache clusters; it is the first part of the options and facts.
enum class CacheUse { application, session };

/// The options that say which servers a cache has. Their names are the facts' names:
/// app-cache-endpoint, app-cache-node, … or session-cache-endpoint, ….
struct CacheServerOptions {
  explicit CacheServerOptions(CacheUse cache_use) : use(cache_use) {}

  CacheUse use;
  std::optional<std::string> endpoint;
  std::optional<std::string> engine;
  std::optional<std::string> tls;
  std::vector<std::string> nodes;
  std::string choice = "auto";
  std::chrono::milliseconds timeout{5'000};

  void declare(cli::Options& options);
  /// Throws cli::Error{usage}, or {data} when it came from facts, for an endpoint or a node that is
  /// none; {config} for an engine or for
  /// TLS that memcached in Moodle does not have.
  void validate(const cli::Options& options) const;
};

/// The servers that Moodle is to be given.
struct CacheServers {
  /// The auto-discovery endpoint itself, to be used as if it were one server.
  bool is_endpoint = false;
  std::vector<net::Endpoint> servers;
  std::string reason; ///< why these, for a person
};

/// Whether the server is one of them; names are compared as DNS does.
bool is_among(const net::Endpoint& server, const std::vector<net::Endpoint>& servers);

/// Decides and, where that takes the nodes, asks the endpoint for them. `auto` gives the endpoint
/// only to a PHP whose memcached client follows it (Amazon's own, which defines
/// Memcached::DYNAMIC_CLIENT_MODE) or when the endpoint is a plain memcached; everyone else gets
/// the nodes. Throws cli::Error{unavailable} when the endpoint does not answer.
CacheServers choose_servers(const CacheServerOptions& options, php::Runtime& php,
                            const cli::Log& log);

} // namespace moodle
