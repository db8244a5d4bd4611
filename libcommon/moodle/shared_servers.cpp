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

/// Servers that somebody uses, and how to ask them.
struct Servers {
  CacheProtocol protocol = CacheProtocol::memcached;
  std::vector<Endpoint> endpoints;
  net::RedisAccess access;
};

/// Everything by which one server can be known: its name, its addresses, its Redis run_id. Two
/// servers that share any of them are one.
using Identities = std::set<std::string>;

void add_names(const Endpoint& server, const net::Deadline& deadline, Identities& identities) {
  identities.insert(net::canonical(server).text());
  for (std::string& address : net::addresses(server, deadline)) {
    identities.insert(std::move(address));
  }
}

Identities ask_identities(const Servers& servers, const Endpoint& server,
                          const CacheServerOptions& options) {
  const net::Deadline deadline(options.timeout);
  Identities identities;
  add_names(server, deadline, identities);
  if (options.no_probe) {
    return identities;
  }
  try {
    if (servers.protocol == CacheProtocol::memcached) {
      for (const Endpoint& node : net::discover(server, deadline.left()).nodes) {
        add_names(node, deadline, identities);
      }
    } else {
      identities.insert("run_id "
                        + net::redis_status(server, servers.access, deadline.left()).run_id);
      for (const Endpoint& node :
           net::redis_cluster_nodes(server, servers.access, deadline.left())) {
        add_names(node, deadline, identities);
      }
    }
  } catch (const Error&) {
    return identities; // it does not answer us: name and address have to do
  }
  return identities;
}

/// A server of `theirs` that is one of `ours`, if any.
std::optional<Endpoint> find_shared(const Servers& ours, const Servers& theirs,
                                    const CacheServerOptions& options) {
  if (ours.endpoints.empty() || theirs.endpoints.empty()) {
    return std::nullopt;
  }
  const auto ask = [&options](const Servers& servers) {
    const auto one = [servers, options](const Endpoint& server) {
      return ask_identities(servers, server, options);
    };
    // Each question keeps the time itself, and has an answer even when it is over.
    return net::probe_at_once<Identities>(servers.endpoints, options.timeout * 2, one);
  };
  Identities known;
  for (const auto& probe : ask(ours)) {
    known.merge(Identities(probe.status.value_or(Identities{})));
  }
  for (const auto& probe : ask(theirs)) {
    const Identities theirs_too = probe.status.value_or(Identities{probe.endpoint.text()});
    if (std::any_of(theirs_too.begin(), theirs_too.end(),
                    [&](const std::string& identity) { return known.count(identity) > 0; })) {
      return probe.endpoint;
    }
  }
  return std::nullopt;
}

Servers ours(const CacheServers& servers) {
  Servers all{servers.protocol, servers.servers, servers.access};
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

Servers session_servers_of(const Site& site) {
  const php::Array& cfg = site.evaluation.cfg;
  Servers servers;
  servers.endpoints = session_servers(cfg);
  if (session_handler_name(session_handler_class(cfg)) == "redis") {
    servers.protocol = CacheProtocol::redis;
    servers.access.tls = tls_of(cfg.find("session_redis_encrypt"));
    if (site.text("session_redis_host").starts_with(tls_scheme)) {
      servers.access.tls = net::Tls{};
    }
    if (const std::string password = site.text("session_redis_auth"); !password.empty()) {
      servers.access.password = password;
    }
  }
  return servers;
}

Servers servers_of_store(const php::Array& store) {
  Servers servers;
  servers.endpoints = store_servers(store);
  const php::Value* const plugin = store.find("plugin");
  const php::Value* const configuration = store.find("configuration");
  if (plugin != nullptr && *plugin == php::Value("redis") && configuration != nullptr
      && configuration->array() != nullptr) {
    const auto text = [&](const char* key) { return configuration->array()->text(key); };
    servers.protocol = CacheProtocol::redis;
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

/// Why they may not be shared: Moodle empties a memcached by flushing it, and deletes its own keys
/// from a Redis.
const char* danger(CacheProtocol protocol) noexcept {
  return protocol == CacheProtocol::memcached
             ? "purging caches would end them all"
             : "caches would push them out of its memory, or be kept from it by them";
}

constexpr const char* hint = "sessions and application caches need a cluster each";

} // namespace

void refuse_session_servers(const Site& site, const CacheServers& servers,
                            const CacheServerOptions& options, const cli::Log& log) {
  const auto shared = find_shared(ours(servers), session_servers_of(site), options);
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
    const auto shared = find_shared(ours(servers), servers_of_store(*config.store(name)), options);
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
