#include "moodle/shared_servers.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "moodle/session_config.hpp"
#include "net/discovery.hpp"
#include "net/probe.hpp"
#include "net/resolve.hpp"

#include <algorithm>
#include <set>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using net::Endpoint;

namespace {

void add_names(const Endpoint& server, const net::Deadline& deadline, Identities& identities) {
  identities.insert(net::canonical(server).text());
  for (std::string& address : net::addresses(server, deadline)) {
    identities.insert(std::move(address));
  }
}

/// ElastiCache Serverless may tell none, or one that means nothing.
bool is_run_id(const std::string& text) {
  constexpr std::size_t digits = 40;
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Identities ask_identities(const ServerGroup& group, const Endpoint& server,
                          std::chrono::milliseconds timeout, bool probes) {
  const net::Deadline deadline(timeout);
  Identities identities;
  add_names(server, deadline, identities);
  if (!probes) {
    return identities;
  }
  try {
    if (group.protocol == CacheProtocol::memcached) {
      for (const Endpoint& node : net::discover(server, deadline.left()).nodes) {
        add_names(node, deadline, identities);
      }
    } else {
      const std::string id = net::redis_status(server, group.access, deadline.left()).run_id;
      if (is_run_id(id)) {
        identities.insert("run_id " + id);
      }
      for (const Endpoint& node : net::redis_cluster_nodes(server, group.access, deadline.left())) {
        add_names(node, deadline, identities);
      }
    }
  } catch (const Error&) {
    return identities; // it does not answer us: name and address have to do
  }
  return identities;
}

/// A server of `theirs` that is one of `ours`, if any.
std::optional<Endpoint> find_shared(const ServerGroup& ours, const ServerGroup& theirs,
                                    const CacheServerOptions& options) {
  if (ours.endpoints.empty() || theirs.endpoints.empty()) {
    return std::nullopt;
  }
  const auto known = identify({ours, theirs}, options.timeout, !options.no_probe);
  return shared_server(theirs, known[1], known[0]);
}

/// A password, or a list of a user and a password: what PHP's Redis::auth() takes.
void authenticate(const php::Value* auth, net::RedisAccess& access) {
  const php::Array* const list = auth == nullptr ? nullptr : auth->array();
  const php::Value* password = auth;
  if (list != nullptr) {
    password = list->entries.empty() ? nullptr : &list->entries.back().second;
    if (list->entries.size() > 1) {
      access.user = list->entries.front().second.scalar_text();
    }
  }
  const auto text = password == nullptr ? std::nullopt : password->scalar_text();
  if (text && !text->empty()) {
    access.password = text;
  }
}

ServerGroup ours(const CacheServers& servers) {
  ServerGroup all{servers.protocol, servers.servers, servers.access};
  if (servers.endpoint
      && std::find(all.endpoints.begin(), all.endpoints.end(), *servers.endpoint)
             == all.endpoints.end()) {
    all.endpoints.push_back(*servers.endpoint);
  }
  return all;
}

/// The options of a TLS stream, as in session_redis_encrypt.
std::optional<net::Tls> tls_of(const php::Value* options) {
  if (options == nullptr || !options->truthy()) {
    return std::nullopt;
  }
  const php::Value* const file =
      options->array() == nullptr ? nullptr : options->array()->find("cafile");
  return net::Tls{file == nullptr || file->string() == nullptr ? std::nullopt
                                                               : std::optional(*file->string())};
}

/// Why they may not be shared: Moodle empties a memcached by flushing it, and deletes its own keys
/// from a Redis.
const char* danger(CacheProtocol protocol) noexcept {
  return protocol == CacheProtocol::memcached
             ? "purging caches would end them all"
             : "caches would push them out of its memory, or be kept from it by them";
}

constexpr const char* hint = "sessions and application caches need a cluster each";

} // namespace

ServerGroup session_server_group(const Site& site) {
  const php::Array& cfg = site.evaluation.cfg;
  ServerGroup servers;
  servers.endpoints = session_servers(cfg);
  if (session_handler_name(session_handler_class(cfg)) == "redis") {
    servers.protocol = CacheProtocol::redis;
    servers.access.tls = tls_of(cfg.find("session_redis_encrypt"));
    // Moodle 4.5 lib/classes/session/redis.php takes two hosts or more for a cluster.
    const std::vector<std::string> hosts = cli::split(site.text("session_redis_host"), ',');
    servers.cluster_client =
        std::count_if(hosts.begin(), hosts.end(),
                      [](const auto& host) { return !cli::trim(host).empty(); })
        > 1;
    if (site.text("session_redis_host").starts_with(tls_scheme)) {
      servers.access.tls = net::Tls{};
    }
    authenticate(cfg.find("session_redis_auth"), servers.access);
  }
  return servers;
}

ServerGroup store_server_group(const php::Array& store) {
  ServerGroup servers;
  servers.endpoints = store_servers(store);
  const php::Value* const plugin = store.find("plugin");
  const php::Value* const configuration = store.find("configuration");
  if (plugin != nullptr && *plugin == php::Value("redis") && configuration != nullptr
      && configuration->array() != nullptr) {
    const auto text = [&](const char* key) { return configuration->array()->text(key); };
    servers.protocol = CacheProtocol::redis;
    const php::Value* const clustermode = configuration->array()->find("clustermode");
    servers.cluster_client = clustermode != nullptr && clustermode->truthy();
    if (const std::string password = text("password"); !password.empty()) {
      servers.access.password = password;
    }
    if (!text("encryption").empty() && text("encryption") != "0") {
      const std::string file = text("cafile");
      servers.access.tls = net::Tls{file.empty() ? std::nullopt : std::optional(file)};
    }
  }
  return servers;
}

std::vector<std::vector<Identities>> identify(const std::vector<ServerGroup>& groups,
                                              std::chrono::milliseconds timeout, bool probes) {
  // Each question keeps the time itself, and has an answer even when it is over.
  std::vector<std::future<Identities>> running;
  for (const ServerGroup& group : groups) {
    for (const Endpoint& server : group.endpoints) {
      running.push_back(net::start_detached([group, server, timeout, probes] {
        return ask_identities(group, server, timeout, probes);
      }));
    }
  }
  const net::Deadline deadline(timeout * 2);
  std::vector<std::vector<Identities>> known;
  auto next = running.begin();
  for (const ServerGroup& group : groups) {
    known.emplace_back();
    for (const Endpoint& server : group.endpoints) {
      known.back().push_back(
          net::wait_for(*next++, deadline).value_or(Identities{net::canonical(server).text()}));
    }
  }
  return known;
}

std::optional<Endpoint> shared_server(const ServerGroup& group,
                                      const std::vector<Identities>& known,
                                      const std::vector<Identities>& others) {
  for (std::size_t i = 0; i < known.size(); ++i) {
    const bool shared = std::any_of(known[i].begin(), known[i].end(), [&](const std::string& one) {
      return std::any_of(others.begin(), others.end(),
                         [&](const Identities& other) { return other.count(one) > 0; });
    });
    if (shared) {
      return group.endpoints[i];
    }
  }
  return std::nullopt;
}

void refuse_session_servers(const Site& site, const CacheServers& servers,
                            const CacheServerOptions& options, const cli::Log& log) {
  const auto shared = find_shared(ours(servers), session_server_group(site), options);
  if (!shared) {
    return;
  }
  const std::string database = site.text("session_redis_database");
  if (servers.protocol == CacheProtocol::redis && !database.empty() && database != "0") {
    log.warning(
        fmt::format("{} holds the site's sessions too, in database {}: they share its memory "
                    "and its eviction policy; {}",
                    shared->text(), cli::shown(database, 20), hint));
    return;
  }
  throw Error(
      ExitCode::config,
      fmt::format("{} holds the site's sessions; {}", shared->text(), danger(servers.protocol)),
      hint);
}

void refuse_store_servers(const CacheConfig& config, const CacheServers& servers,
                          std::uint64_t database, const CacheServerOptions& options,
                          const cli::Log& log) {
  for (const std::string& name : config.store_names()) {
    const auto shared =
        find_shared(ours(servers), store_server_group(*config.store(name)), options);
    if (!shared) {
      continue;
    }
    if (servers.protocol == CacheProtocol::redis && database != 0) {
      log.warning(fmt::format("{} is a server of the cache store '{}' too: database {} shares its "
                              "memory and its eviction policy; {}",
                              shared->text(), cli::shown(name), database, hint));
      continue;
    }
    throw Error(ExitCode::config,
                fmt::format("{} is a server of the cache store '{}', and no place for sessions: {}",
                            shared->text(), cli::shown(name), danger(servers.protocol)),
                hint);
  }
}

} // namespace moodle
