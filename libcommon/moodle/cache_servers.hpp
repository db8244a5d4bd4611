#pragma once

#include "cli/command.hpp"
#include "net/endpoint.hpp"
#include "net/redis.hpp"
#include "php/runtime.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace moodle {

/// Which of the two ElastiCache clusters; it is the first part of the options and facts.
enum class CacheUse { application, session };

/// What the servers speak. Valkey is a Redis to Moodle and to PHP.
enum class CacheProtocol { memcached, redis };

/// Moodle's name for it: of the store plugin, and of the session handler.
const char* text(CacheProtocol protocol) noexcept;
/// Of an engine as the facts name it; memcached for none.
CacheProtocol protocol_of(const std::optional<std::string>& engine);
/// 11211 or 6379.
std::uint16_t default_port(CacheProtocol protocol) noexcept;

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
  bool cluster = false;
  std::optional<std::string> ca_file;
  std::optional<std::string> password_file;
  bool no_probe = false;
  std::chrono::milliseconds timeout{5'000};

  void declare(cli::Options& options);
  /// Throws cli::Error{usage}, or {data} when it came from facts, for what does not fit; {config}
  /// for TLS to memcached, which Moodle does not have.
  void validate(const cli::Options& options) const;

  [[nodiscard]] CacheProtocol protocol() const { return protocol_of(engine); }
};

/// The servers that Moodle is to be given, and how they are to be reached.
struct CacheServers {
  CacheProtocol protocol = CacheProtocol::memcached;
  /// memcached: the auto-discovery endpoint itself, to be used as if it were one server.
  bool is_endpoint = false;
  /// Redis: a cluster, of which the servers are some of the nodes.
  bool is_cluster = false;
  std::vector<net::Endpoint> servers;
  /// The endpoint that was given, whether or not it is among the servers.
  std::optional<net::Endpoint> endpoint;
  net::RedisAccess access;
  std::string reason; ///< why these, for a person
};

/// Whether PHP's memcached client on this host follows a configuration endpoint to its nodes:
/// Amazon's own, which defines Memcached::DYNAMIC_CLIENT_MODE.
bool follows_endpoint(php::Runtime& php);

/// Whether the server is one of them; names are compared as DNS does.
bool is_among(const net::Endpoint& server, const std::vector<net::Endpoint>& servers);

/// Decides and, where that takes the nodes, asks the endpoint for them.
///
/// memcached: `auto` gives the endpoint only to a PHP whose client follows_endpoint(), or when the
/// endpoint is a plain memcached; everyone else gets the nodes. Redis and Valkey: a cluster's
/// nodes; without cluster mode the endpoint, whose name follows the primary. Throws
/// cli::Error{unavailable} when the endpoint does not answer, {config} for a Sentinel, and what
/// reading the password file throws.
CacheServers choose_servers(const CacheServerOptions& options, php::Runtime& php,
                            const cli::Log& log);

/// Writes to every server and reads back, with the very settings that Moodle will use, unless the
/// options say not to. Throws the first server's Error that names it and the reason.
void prove_servers(const CacheServerOptions& options, const CacheServers& servers);

/// The file of trusted authorities: as given, or else the system's. Throws cli::Error{no_input}
/// when there is none.
std::string authority_file(const net::Tls& tls);

} // namespace moodle
