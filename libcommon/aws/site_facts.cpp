#include "aws/site_facts.hpp"

#include "aws/names.hpp"
#include "aws/stack_facts.hpp"
#include "aws/told.hpp"
#include "cli/error.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace aws {

namespace {

using cli::Error;
using cli::ExitCode;
using cli::shown;

/// Facts that say which thing it is, and those that say something about it: the latter are worth
/// nothing once it is another thing.
struct Description {
  std::string_view identity;
  std::vector<std::string_view> attributes;
};

const std::vector<Description>& descriptions() {
  static const std::vector<Description> all{
      {"alb-dns", {"alb-ip"}},
      {"db-host", {"db-port", "db-name"}},
      {"efs-id", {"efs-throughput-mode", "efs-size-bytes"}},
      {"app-cache-endpoint", {"app-cache-engine", "app-cache-tls", "app-cache-node"}},
      {"session-cache-endpoint",
       {"session-cache-engine", "session-cache-tls", "session-cache-node"}},
      {"web-asg", {"web-asg-min", "web-asg-max"}},
  };
  return all;
}

bool has_host(const Cache& cache, std::string_view endpoint) {
  return host_of(cache.endpoint) == host_of(endpoint);
}

/// NAME of "app/NAME/HASH".
std::string short_name(const LoadBalancerAddress& address) {
  const auto parts = cli::split(address.load_balancer, '/');
  return parts.size() > 1 ? parts[1] : "";
}

template <typename T>
std::string ids(const std::vector<const T*>& things) {
  std::vector<std::string> names;
  names.reserve(things.size());
  for (const T* thing : things) {
    names.push_back(shown(thing->id, 80));
  }
  constexpr std::size_t most = 10;
  const std::string rest =
      names.size() > most ? fmt::format(", and {} more", names.size() - most) : "";
  names.resize(std::min(names.size(), most));
  return cli::join(names, ", ") + rest;
}

template <typename T, typename Predicate>
std::vector<const T*> those(const std::vector<const T*>& things, Predicate predicate) {
  std::vector<const T*> out;
  std::copy_if(things.begin(), things.end(), std::back_inserter(out),
               [&](const T* thing) { return predicate(*thing); });
  return out;
}

template <typename T>
std::vector<const T*> pointers(const std::vector<T>& things) {
  std::vector<const T*> out;
  out.reserve(things.size());
  for (const T& thing : things) {
    out.push_back(&thing);
  }
  return out;
}

/// Those that the predicate holds for, or all of them when it holds for none.
template <typename T, typename Predicate>
std::vector<const T*> preferred(const std::vector<const T*>& things, Predicate predicate) {
  auto some = those(things, predicate);
  return some.empty() ? things : some;
}

/// Gathers the facts, one kind of thing after the other. Stacks come first, because what they tell
/// decides between several other things.
class Gatherer {
public:
  Gatherer(const Inventory& inventory, const Choices& choices, const cli::Facts& known)
      : inventory_(inventory), choices_(choices), known_(known) {}

  SiteFacts gather() {
    stacks_ = read_stacks(inventory_.stacks, choices_.stack_name, known("stack-name"), told_);
    remarks_ = stacks_.remarks;
    read_load_balancer();
    read_database();
    read_file_system();
    read_caches();
    read_scaling_group();
    return result();
  }

private:
  /// What the documents told, or else what was known before.
  [[nodiscard]] std::string known(std::string_view fact) const {
    if (std::string value = told_.get(fact); !value.empty()) {
      return value;
    }
    const auto before = known_.all(fact);
    return before.size() == 1 ? before.front() : "";
  }

  void read_load_balancer();
  void read_database();
  void read_file_system();
  void read_caches();
  [[nodiscard]] const Cache* decided_cache(std::string_view role) const;
  [[nodiscard]] const Cache* cache_by_name(std::string_view role, const Cache* other) const;
  void read_cache(std::string_view role, const Cache& cache);
  void complete_endpoint(std::string_view role);
  void read_scaling_group();

  /// The one of `things` that is the site's: the chosen one, the one that is `told`, the only one
  /// left after preferring those of the site's stack and the one that was known before. Nothing
  /// when there are none.
  template <typename T, typename Identity>
  const T* pick(const std::string& kind, const std::vector<const T*>& things,
                const std::optional<std::string>& choice, const std::string& option,
                std::string_view fact, Identity identity) const {
    if (choice) {
      const auto chosen = those(things, [&](const T& thing) { return same(thing.id, *choice); });
      if (chosen.empty()) {
        throw Error(ExitCode::data,
                    fmt::format("no document describes the {} '{}'", kind, shown(*choice)),
                    things.empty() ? "" : fmt::format("described are: {}", ids(things)));
      }
      return chosen.front();
    }
    if (things.empty()) {
      return nullptr;
    }
    if (const std::string value = told_.get(fact); !value.empty()) {
      const auto matching =
          those(things, [&](const T& thing) { return same(identity(thing), value); });
      if (matching.empty()) {
        throw Error(ExitCode::data,
                    fmt::format("the stack's {} is '{}', but the documents describe: {}", kind,
                                shown(value), ids(things)));
      }
      return matching.front();
    }
    const std::string stack = known("stack-name");
    auto left = preferred(things, [&](const T& thing) { return is_nested_in(thing.stack, stack); });
    if (const std::string before = known(fact); !before.empty()) {
      left = preferred(left, [&](const T& thing) { return same(identity(thing), before); });
    }
    if (left.size() > 1) {
      throw Error(
          ExitCode::data, fmt::format("nothing tells which {} is the site's: {}", kind, ids(left)),
          fmt::format("choose one with {}, or give the output of describe-stacks as well", option));
    }
    return left.front();
  }

  SiteFacts result();

  const Inventory& inventory_;
  const Choices& choices_;
  const cli::Facts& known_;
  Told told_;
  SiteStacks stacks_;
  std::vector<std::string> remarks_;
};

void Gatherer::read_load_balancer() {
  const auto all = pointers(inventory_.addresses);
  if (all.empty() && !choices_.load_balancer) {
    return;
  }
  std::set<std::string> names;
  for (const LoadBalancerAddress* address : all) {
    names.insert(short_name(*address));
  }
  const std::string listed = shown(cli::join({names.begin(), names.end()}, ", "), 400);
  const std::string wanted = choices_.load_balancer          ? *choices_.load_balancer
                             : stacks_.load_balancer.empty() ? load_balancer_of(known("alb-dns"))
                                                             : stacks_.load_balancer;
  if (wanted.empty() && names.size() > 1) {
    throw Error(ExitCode::data,
                fmt::format("nothing tells which load balancer is the site's: {}", listed),
                "choose one with --alb, or give the output of describe-stacks as well");
  }
  const auto own = those(all, [&](const LoadBalancerAddress& address) {
    return wanted.empty() || same(address.load_balancer, wanted)
           || same(short_name(address), wanted);
  });
  if (own.empty()) {
    throw Error(
        ExitCode::data,
        fmt::format("no network interface belongs to the load balancer '{}'", shown(wanted)),
        names.empty() ? "" : fmt::format("described are those of: {}", listed));
  }
  std::vector<std::string> addresses;
  for (const LoadBalancerAddress* address : own) {
    if (std::find(addresses.begin(), addresses.end(), address->address) == addresses.end()) {
      addresses.push_back(address->address);
    }
  }
  told_.set_list("alb-ip", addresses, "a load balancer's network interface");
}

void Gatherer::read_database() {
  const DatabaseCluster* database =
      pick("database cluster", pointers(inventory_.databases), choices_.db_cluster, "--db-cluster",
           "db-host", [](const DatabaseCluster& cluster) { return cluster.endpoint; });
  if (database == nullptr) {
    return;
  }
  const std::string where = fmt::format("database cluster '{}'", shown(database->id));
  if (database->endpoint.empty()) {
    throw Error(ExitCode::try_again, fmt::format("{} has no endpoint; its status is '{}'", where,
                                                 shown(database->status)));
  }
  told_.set("db-host", database->endpoint, where);
  told_.set_number("db-port", database->port, where);
  told_.set_unless_empty("db-name", database->database, where);
}

void Gatherer::read_file_system() {
  const FileSystem* file_system =
      pick("file system", pointers(inventory_.file_systems), choices_.efs_id, "--efs-id", "efs-id",
           [](const FileSystem& other) { return other.id; });
  if (file_system == nullptr) {
    return;
  }
  const std::string where = fmt::format("file system '{}'", shown(file_system->id));
  told_.set("efs-id", file_system->id, where);
  told_.set_unless_empty("efs-throughput-mode", file_system->throughput_mode, where);
  told_.set_number("efs-size-bytes", file_system->standard_bytes, where);
}

/// The cache that is chosen, or that has the endpoint which a stack tells; nothing when there is
/// none.
const Cache* Gatherer::decided_cache(std::string_view role) const {
  const auto all = pointers(inventory_.caches);
  const auto& choice = role == app_cache ? choices_.app_cache : choices_.session_cache;
  const std::string endpoint = told_.get(fact_name(role, "endpoint"));
  const auto own = those(all, [&](const Cache& cache) {
    return choice ? same(cache.id, *choice) : !endpoint.empty() && has_host(cache, endpoint);
  });
  if (choice && own.empty()) {
    throw Error(ExitCode::data, fmt::format("no document describes the cache '{}'", shown(*choice)),
                all.empty() ? "" : fmt::format("described are: {}", ids(all)));
  }
  return own.empty() ? nullptr : own.front();
}

/// The cache whose name, or else description, says that it is for `role`; nothing when there is
/// none.
const Cache* Gatherer::cache_by_name(std::string_view role, const Cache* other) const {
  const std::string stack = lower(known("stack-name"));
  const auto of_stack = [&](const Cache& cache) {
    return !stack.empty() && lower(cache.id).starts_with(stack);
  };
  auto left = those(pointers(inventory_.caches), [&](const Cache& cache) {
    const std::string_view by_id =
        role_in(std::string_view(cache.id).substr(of_stack(cache) ? stack.size() : 0));
    return &cache != other && (by_id.empty() ? role_in(cache.description) : by_id) == role;
  });
  left = preferred(left, of_stack);
  if (const std::string before = known(fact_name(role, "endpoint")); !before.empty()) {
    left = preferred(left, [&](const Cache& cache) { return has_host(cache, before); });
  }
  if (left.size() > 1) {
    throw Error(ExitCode::data,
                fmt::format("nothing tells which cache is the {}: {}",
                            role == app_cache ? "application's" : "sessions'", ids(left)),
                fmt::format("choose one with --{}", role));
  }
  return left.empty() ? nullptr : left.front();
}

void Gatherer::read_caches() {
  const Cache* app = decided_cache(app_cache);
  const Cache* session = decided_cache(session_cache);
  // A stack that tells an endpoint has decided, even if no document describes that cache.
  const bool app_told = !told_.get("app-cache-endpoint").empty();
  const bool session_told = !told_.get("session-cache-endpoint").empty();
  app = app == nullptr && !app_told ? cache_by_name(app_cache, session) : app;
  session = session == nullptr && !session_told ? cache_by_name(session_cache, app) : session;
  if (app != nullptr && app == session) {
    throw Error(
        ExitCode::data,
        fmt::format("cache '{}' would be both the application's and the sessions'", shown(app->id)),
        "purging Moodle's caches flushes it, and every session with it: use two");
  }
  if (app == nullptr && session == nullptr && !app_told && !session_told
      && !inventory_.caches.empty()) {
    throw Error(
        ExitCode::data,
        fmt::format("nothing tells whether a cache is the application's or the sessions': {}",
                    ids(pointers(inventory_.caches))),
        "choose with --app-cache and --session-cache, or give the output of describe-stacks");
  }
  const auto rest = those(pointers(inventory_.caches),
                          [&](const Cache& cache) { return &cache != app && &cache != session; });
  if (!rest.empty()) {
    remarks_.push_back(
        fmt::format("caches of neither the application nor the sessions: {}", ids(rest)));
  }
  if (app != nullptr) {
    read_cache(app_cache, *app);
  }
  if (session != nullptr) {
    read_cache(session_cache, *session);
  }
  complete_endpoint(app_cache);
  complete_endpoint(session_cache);
}

void Gatherer::read_cache(std::string_view role, const Cache& cache) {
  const std::string where = fmt::format("cache '{}'", shown(cache.id));
  if (cache.endpoint.empty()) {
    const bool ready = cache.status == "available";
    throw Error(ready ? ExitCode::data : ExitCode::try_again,
                fmt::format("{} has no endpoint; its status is '{}'", where, shown(cache.status)),
                ready ? "describe-cache-clusters needs --show-cache-node-info for it" : "");
  }
  told_.set(fact_name(role, "endpoint"), cache.endpoint, where);
  told_.set(fact_name(role, "engine"), cache.engine, where);
  if (cache.tls) {
    told_.set(fact_name(role, "tls"), *cache.tls ? "true" : "false", where);
  }
  if (cache.engine == "memcached" && !cache.nodes.empty()) {
    told_.set_list(fact_name(role, "node"), cache.nodes, where);
  }
}

/// Adds what only the form of an ElastiCache host name tells (Amazon ElastiCache, "Finding
/// connection endpoints"): ".cfg." is memcached; "master.", "clustercfg." in front and
/// ".serverless." mean TLS.
void Gatherer::complete_endpoint(std::string_view role) {
  const std::string fact = fact_name(role, "endpoint");
  const std::string endpoint = told_.get(fact);
  if (endpoint.empty()) {
    return;
  }
  const std::string where = fmt::format("{} '{}'", fact, shown(endpoint));
  const std::string host = host_of(endpoint);
  const bool encrypted = host.starts_with("master.") || host.starts_with("clustercfg.")
                         || host.find(".serverless.") != std::string::npos;
  const bool redis = host.starts_with("master.") || host.find("clustercfg.") != std::string::npos
                     || host.find(".ng.") != std::string::npos;
  if (told_.get(fact_name(role, "engine")).empty() && host.find(".cfg.") != std::string::npos) {
    told_.set(fact_name(role, "engine"), "memcached", where);
  }
  if (told_.get(fact_name(role, "tls")).empty() && encrypted) {
    told_.set(fact_name(role, "tls"), "true", where);
  }
  if (endpoint.find(':') == std::string::npos) {
    const std::string engine = told_.get(fact_name(role, "engine"));
    if (engine.empty() && !redis) {
      throw Error(ExitCode::data,
                  fmt::format("{} has no port, and nothing tells its engine", where),
                  "give the document that describes the cache as well");
    }
    told_.set(fact, endpoint + (engine == "memcached" ? ":11211" : ":6379"), where);
  }
}

/// Only the web servers' group serves a load balancer: neither the bastion's does, nor the one that
/// fills a new EFS in the reference architecture.
void Gatherer::read_scaling_group() {
  const auto all = pointers(inventory_.scaling_groups);
  const bool decided = choices_.web_asg || !told_.get("web-asg").empty();
  const auto candidates =
      decided ? all
              : those(all, [](const ScalingGroup& group) { return group.serves_load_balancer; });
  if (candidates.empty() && !all.empty()) {
    remarks_.push_back(fmt::format(
        "no auto scaling group serves a load balancer, so none is the web servers': {}", ids(all)));
  }
  const ScalingGroup* group = pick("auto scaling group", candidates, choices_.web_asg, "--web-asg",
                                   "web-asg", [](const ScalingGroup& other) { return other.id; });
  if (group == nullptr) {
    return;
  }
  const std::string where = fmt::format("auto scaling group '{}'", shown(group->id));
  told_.set("web-asg", group->id, where);
  told_.set_number("web-asg-min", group->least, where);
  told_.set_number("web-asg-max", group->most, where);
}

SiteFacts Gatherer::result() {
  for (const auto& [identity, attributes] : descriptions()) {
    const std::string now = told_.get(identity);
    const auto before = known_.all(identity);
    if (!now.empty() && !before.empty() && before.back() != now) {
      for (const std::string_view attribute : attributes) {
        if (!told_.has(attribute)) {
          told_.set_list(attribute, {}, "");
        }
      }
    }
  }
  return {told_.facts(), std::move(remarks_)};
}

} // namespace

SiteFacts site_facts(const Inventory& inventory, const Choices& choices, const cli::Facts& known) {
  return Gatherer(inventory, choices, known).gather();
}

} // namespace aws
