#include "checks.hpp"
#include "cli/text.hpp"
#include "servers.hpp"

#include <algorithm>

using cli::shell_word;
using cli::shown;
using moodle::CacheProtocol;
using php::Array;
using php::Value;

namespace {

constexpr const char* caching_docs = "https://docs.moodle.org/en/Caching";

/// Nothing when the cache configuration is there.
std::optional<Outcome> without_configuration(const Subject& subject) {
  const CacheView& caches = subject.caches;
  switch (caches.state) {
  case CacheView::State::read:
    return std::nullopt;
  case CacheView::State::absent:
    return Outcome::not_applicable(caches.reason);
  case CacheView::State::broken:
  case CacheView::State::unknown:
    break;
  }
  return Outcome::not_possible(caches.reason);
}

bool has_servers(const Subject& subject, const std::string& name) {
  const auto& stores = subject.caches.stores;
  return std::any_of(stores.begin(), stores.end(),
                     [&](const Store& store) { return store.name == name; });
}

Outcome file_is_whole(const Subject& subject) {
  const CacheView& caches = subject.caches;
  switch (caches.state) {
  case CacheView::State::read:
    return Outcome::good();
  case CacheView::State::unknown:
    return Outcome::not_possible(caches.reason);
  case CacheView::State::absent:
    return Outcome::found({Severity::note, caches.path, "is not there yet",
                           "Moodle makes it with the first page, and caches in files meanwhile",
                           "Moodle 4.5 cache/classes/config.php", ""});
  case CacheView::State::broken:
    break;
  }
  return Outcome::found({Severity::error, caches.path, "cannot be used: " + caches.reason,
                         "every page fails; without the file Moodle makes a new one, with its "
                         "default stores",
                         "Moodle 4.5 cache/classes/config.php",
                         fmt::format("mv -- {0} {0}.broken", shell_word(caches.path))});
}

Outcome file_is_moodles(const Subject& subject) {
  if (auto none = without_configuration(subject)) {
    return *none;
  }
  if (subject.caches.as_moodle_writes) {
    return Outcome::good();
  }
  return Outcome::found({Severity::note, subject.caches.path, "is not as Moodle writes it",
                         "somebody has edited it: what is in it but no value (comments, code) is "
                         "lost with the next change in Moodle's administration",
                         "Moodle 4.5 cache/classes/config_writer.php", ""});
}

Outcome application_is_mapped(const Subject& subject) {
  if (auto none = without_configuration(subject)) {
    return *none;
  }
  const std::string first = subject.caches.first_choice();
  if (has_servers(subject, first)) {
    return Outcome::good();
  }
  const bool known = subject.given.app_cache.known();
  return Outcome::found(
      {known ? Severity::warning : Severity::note, "application caches",
       fmt::format("are in the store '{}', which has no servers", shown(first)),
       fmt::format("they are files in cachedir, which several web servers share over the network{}",
                   known ? fmt::format("; the site's stack has a cache for them at {}",
                                       subject.given.app_cache.endpoint.value_or("its nodes"))
                         : ""),
       caching_docs, known ? subject.set_store() : ""});
}

Outcome mappings_are_whole(const Subject& subject) {
  if (auto none = without_configuration(subject)) {
    return *none;
  }
  Outcome outcome;
  for (const std::string& name : subject.caches.config->missing_stores()) {
    outcome.findings.push_back(
        {Severity::warning, subject.caches.path,
         fmt::format("maps caches to the store '{}', which does not exist", shown(name)),
         "Moodle passes over such a mapping without a word, and takes the default store",
         "Moodle 4.5 cache/classes/config.php",
         subject.command("moodle-muc remove") + " --store " + shell_word(name)});
  }
  return outcome;
}

/// Plugins that this Moodle does not have.
Outcome plugins_are_there(const Subject& subject) {
  if (auto none = without_configuration(subject)) {
    return *none;
  }
  constexpr moodle::Version without_memcached{4, 2, 0};
  Outcome outcome;
  for (const std::string& name : subject.caches.config->store_names()) {
    const std::string plugin = subject.caches.config->store(name)->text("plugin");
    const auto there = subject.site.has_file(fmt::format("cache/stores/{}/lib.php", plugin));
    const bool gone =
        there ? !*there
              : plugin == "memcached" && subject.version && *subject.version >= without_memcached;
    if (gone) {
      outcome.findings.push_back(
          {Severity::error, fmt::format("the store '{}'", shown(name)),
           fmt::format("is of the kind {}, which {} does not have", shown(plugin),
                       subject.release()),
           "Moodle passes over it without a word, and its caches are in files",
           "Moodle 4.5 cache/classes/config.php",
           subject.command("moodle-muc remove") + " --store " + shell_word(name)});
    }
  }
  return outcome;
}

/// Asks `ask` about each store that has servers.
template <typename Ask>
Outcome for_each_store(const Subject& subject, const Ask& ask) {
  if (auto none = without_configuration(subject)) {
    return *none;
  }
  if (subject.caches.stores.empty()) {
    return Outcome::not_applicable("no cache store has servers");
  }
  Outcome outcome;
  for (std::size_t i = 0; i < subject.caches.stores.size(); ++i) {
    for (Finding& finding : ask(subject.caches.stores[i], subject.store_servers[i])) {
      outcome.findings.push_back(std::move(finding));
    }
  }
  return outcome;
}

const Array& configuration_of(const Store& store) {
  static const Array none;
  const Value* const value = store.entry.find("configuration");
  return value == nullptr || value->array() == nullptr ? none : *value->array();
}

/// Whether Moodle uses TLS without looking who answers (Moodle 4.5 cache/stores/redis/lib.php).
bool trusts_everybody(const Store& store) {
  return store.servers.access.tls && configuration_of(store).text("cafile").empty();
}

/// The commands are about the store that application caches use first.
GroupUse use_of(const Subject& subject, const Store& store) {
  const bool meant = subject.caches.first_choice() == store.name;
  return {.object = fmt::format("the caches of the store '{}'", shown(store.name)),
          .consequence = store.mapped
                             ? "each page that needs them waits, and does the work again that they "
                               "hold"
                             : "no cache is mapped to the store, so no page needs it",
          .mend = meant ? subject.set_store(store.name) : "",
          .facts = meant ? &subject.given.app_cache : nullptr,
          .verifies = !trusts_everybody(store),
          .severity = store.mapped ? Severity::error : Severity::note};
}

Outcome stores_are_reachable(const Subject& subject) {
  return for_each_store(subject, [&](const Store& store, const ProbedGroup& group) {
    return unreachable_servers(subject, group, use_of(subject, store));
  });
}

Outcome endpoint_is_followed(const Subject& subject) {
  return for_each_store(subject, [&](const Store& store, const ProbedGroup& group) {
    return misused_endpoint(subject, group, use_of(subject, store));
  });
}

Outcome nodes_are_announced(const Subject& subject) {
  return for_each_store(subject, [&](const Store& store, const ProbedGroup& group) {
    return drifted_servers(subject, group, use_of(subject, store));
  });
}

/// A Redis that refuses to write when it is full, where caches only ever grow: Moodle's keys have
/// no expiry, so a policy for those that have one removes nothing (cache/stores/redis/lib.php).
Outcome stores_can_evict(const Subject& subject) {
  return for_each_store(subject, [&](const Store& store, const ProbedGroup& group) {
    std::vector<Finding> findings;
    if (store.servers.protocol != CacheProtocol::redis) {
      return findings;
    }
    for (const auto& probe :
         std::get<std::vector<net::Probe<net::RedisStatus>>>(group.probes->get())) {
      const std::string policy = probe.status ? probe.status->eviction_policy : "";
      if (probe.status && probe.status->limit_bytes > 0
          && (policy == "noeviction" || policy.starts_with("volatile-"))) {
        findings.push_back(
            {Severity::warning, probe.endpoint.text(),
             fmt::format("writes nothing more when its memory is full (maxmemory-policy {})",
                         cli::shown(policy)),
             fmt::format("the store '{}' never removes anything by itself: caches need "
                         "allkeys-lru",
                         shown(store.name)),
             "https://redis.io/docs/latest/develop/reference/eviction/", ""});
      }
    }
    return findings;
  });
}

Outcome stores_are_encrypted(const Subject& subject) {
  return for_each_store(subject, [&](const Store& store, const ProbedGroup&) {
    std::vector<Finding> findings;
    const GroupUse use = use_of(subject, store);
    const std::string object = fmt::format("the store '{}'", shown(store.name));
    if (trusts_everybody(store)) {
      findings.push_back(
          {Severity::warning, object,
           "uses TLS without a file of authorities: Moodle does not verify the server",
           "whoever can answer in its place decides what Moodle finds in its caches",
           "Moodle 4.5 cache/stores/redis/lib.php", use.mend});
    } else if (!store.servers.access.tls && use.facts != nullptr && use.facts->tls) {
      findings.push_back({Severity::error, object, "uses its servers without TLS, which they want",
                          "they do not answer, or everybody on the way can read what is cached",
                          "the facts", use.mend});
    }
    return findings;
  });
}

Outcome stores_give_up(const Subject& subject) {
  return for_each_store(subject, [&](const Store& store, const ProbedGroup&) {
    std::vector<Finding> findings;
    const Value* const timeout = configuration_of(store).find("connectiontimeout");
    constexpr moodle::Version since{4, 5, 5};
    if (store.servers.protocol == CacheProtocol::redis && timeout != nullptr && !timeout->truthy()
        && subject.version && *subject.version >= since) {
      findings.push_back({Severity::warning, fmt::format("the store '{}'", shown(store.name)),
                          "waits without end for a server that does not answer (connectiontimeout)",
                          "one node that is gone makes every page hang",
                          "Moodle 4.5 cache/stores/redis/lib.php", use_of(subject, store).mend});
    }
    return findings;
  });
}

/// How many entries a list of the configuration has.
std::size_t length_of(const Array& configuration, const char* key) {
  const Value* const value = configuration.find(key);
  return value == nullptr || value->array() == nullptr ? 0 : value->array()->entries.size();
}

Outcome clusters_are_whole(const Subject& subject) {
  return for_each_store(subject, [&](const Store& store, const ProbedGroup&) {
    std::vector<Finding> findings;
    const Array& configuration = configuration_of(store);
    const Value* const clustered = configuration.find("clustered");
    if (store.plugin != "memcached" || clustered == nullptr || !clustered->truthy()) {
      return findings;
    }
    const std::size_t reads = length_of(configuration, "servers");
    const std::size_t writes = length_of(configuration, "setservers");
    if (reads != 1 || writes == 0) {
      findings.push_back(
          {Severity::error, fmt::format("the store '{}'", shown(store.name)),
           fmt::format("is clustered with {} servers to read from and {} to write to", reads,
                       writes),
           "it takes exactly one to read from, and those to write to: the web servers would "
           "disagree about what is cached",
           "Moodle 4.1 cache/stores/memcached/lib.php", use_of(subject, store).mend});
    }
    return findings;
  });
}

} // namespace

std::vector<Check> cache_checks(const SharedSubject& subject) {
  return checks_of(subject, {{"caches-file", file_is_whole},
                             {"caches-form", file_is_moodles},
                             {"caches-mapped", application_is_mapped},
                             {"caches-mappings", mappings_are_whole},
                             {"caches-plugin", plugins_are_there},
                             {"caches-reachable", stores_are_reachable},
                             {"caches-endpoint", endpoint_is_followed},
                             {"caches-drift", nodes_are_announced},
                             {"caches-eviction", stores_can_evict},
                             {"caches-tls", stores_are_encrypted},
                             {"caches-timeout", stores_give_up},
                             {"caches-cluster", clusters_are_whole}});
}
