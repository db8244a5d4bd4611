#include "checks.hpp"
#include "cli/text.hpp"
#include "moodle/session_config.hpp"
#include "net/suitability.hpp"
#include "servers.hpp"

#include <algorithm>
#include <array>

using cli::shown;
using moodle::CacheProtocol;
using php::Value;

namespace {

std::string handler_of(const Subject& subject) {
  return moodle::session_handler_name(moodle::session_handler_class(subject.site.evaluation.cfg));
}

bool in_cache(const Subject& subject) {
  return !subject.sessions.group.endpoints.empty();
}

Outcome not_in_cache(const Subject& subject) {
  return Outcome::not_applicable(
      fmt::format("sessions are not in cache servers (handler {})", shown(handler_of(subject))));
}

/// A TLS option of session_redis_encrypt.
const Value* tls_option(const Subject& subject, const char* key) {
  const Value* const encrypt = subject.site.evaluation.cfg.find("session_redis_encrypt");
  return encrypt == nullptr || encrypt->array() == nullptr ? nullptr : encrypt->array()->find(key);
}

bool turns_verification_off(const Subject& subject) {
  const auto is_off = [&](const char* key) {
    const Value* const value = tls_option(subject, key);
    return value != nullptr && !value->truthy();
  };
  return is_off("verify_peer") || is_off("verify_peer_name");
}

/// Whether Moodle expects another name than the host's in the server's certificate.
bool has_other_name(const Subject& subject) {
  return tls_option(subject, "peer_name") != nullptr;
}

GroupUse use_of(const Subject& subject) {
  return {.object = "sessions",
          .consequence = "nobody can log in, and requests wait for their session",
          .mend = subject.set_sessions(),
          .facts = &subject.given.session_cache,
          .verifies = !turns_verification_off(subject) && !has_other_name(subject)};
}

Outcome found_all(std::vector<Finding> findings) {
  return {Outcome::State::checked, {}, std::move(findings)};
}

/// Where sessions are to be put when the present handler will not do.
std::string mend_handler(const Subject& subject) {
  return subject.given.session_cache.known()
             ? subject.set_sessions()
             : subject.command("moodle-session set") + " --handler file";
}

Outcome handler_exists(const Subject& subject) {
  const std::string handler = handler_of(subject);
  if (handler.starts_with('\\')) {
    return Outcome::not_applicable("the handler " + shown(handler) + " is none of Moodle's own");
  }
  const std::string file = fmt::format("lib/classes/session/{}.php", handler);
  const auto there = subject.site.has_file(file);
  constexpr moodle::Version last_memcached{5, 2, 0};
  const bool gone =
      there ? !*there
            : handler == "memcached" && subject.version && *subject.version >= last_memcached;
  if (!gone) {
    return there || subject.version
               ? Outcome::good()
               : Outcome::not_applicable("it cannot be told which Moodle this is");
  }
  return Outcome::found({Severity::error, "sessions",
                         fmt::format("are to be kept by the handler {}, which {} does not have",
                                     shown(handler), subject.release()),
                         "every page fails", "Moodle 4.5 lib/classes/session/manager.php",
                         mend_handler(subject)});
}

/// Where sessions are that are in no cache: config.php decides, and else the administration page.
std::string plain_handler(const Subject& subject) {
  const std::string handler = handler_of(subject);
  if (handler != "file" || subject.site.evaluation.cfg.find("dbsessions") != nullptr) {
    return handler;
  }
  return subject.database->get().server.sessions_in_database ? "database" : handler;
}

Outcome are_cached(const Subject& subject) {
  const std::string handler = handler_of(subject);
  if (in_cache(subject) || (handler != "file" && handler != "database")) {
    return Outcome::good();
  }
  const bool known = subject.given.session_cache.known();
  const std::string where = plain_handler(subject);
  return Outcome::found(
      {known ? Severity::warning : Severity::note, "sessions",
       where == "database" ? "are in the database" : "are in files, in dataroot",
       fmt::format("every request reads and writes its session there, and holds a lock on it{}",
                   known ? fmt::format("; the site's stack has a session cache at {}",
                                       subject.given.session_cache.endpoint.value_or("its nodes"))
                         : ""),
       "https://docs.moodle.org/en/Session_handling", known ? subject.set_sessions() : ""});
}

Outcome are_reachable(const Subject& subject) {
  return in_cache(subject)
             ? found_all(unreachable_servers(subject, subject.sessions, use_of(subject)))
             : not_in_cache(subject);
}

Outcome are_safe(const Subject& subject) {
  if (!in_cache(subject)) {
    return not_in_cache(subject);
  }
  Outcome outcome;
  const auto add_all = [&](const auto& probes) {
    for (const auto& probe : probes) {
      if (!probe.status) {
        continue; // which has a finding of its own
      }
      for (const net::Finding& finding : net::session_findings(*probe.status)) {
        if (finding.severity != net::Finding::Severity::note) {
          const bool unusable = finding.severity == net::Finding::Severity::unusable;
          outcome.findings.push_back(
              {unusable ? Severity::error : Severity::warning, probe.endpoint.text(), finding.text,
               "it holds the site's sessions: who loses one is logged out",
               "https://redis.io/docs/latest/develop/reference/eviction/", ""});
        }
      }
    }
  };
  std::visit(add_all, subject.sessions.probes->get());
  return outcome;
}

Outcome are_encrypted(const Subject& subject) {
  if (!in_cache(subject) || subject.sessions.group.protocol != CacheProtocol::redis) {
    return in_cache(subject) ? Outcome::not_applicable("Moodle has no TLS to memcached")
                             : not_in_cache(subject);
  }
  if (turns_verification_off(subject)) {
    return Outcome::found({Severity::warning, "$CFG->session_redis_encrypt",
                           "turns the verification of the server off",
                           "whoever can answer in its place reads and writes all sessions",
                           "https://www.php.net/manual/en/context.ssl.php",
                           subject.set_sessions()});
  }
  const CacheFacts& facts = subject.given.session_cache;
  if (facts.tls && !subject.sessions.group.access.tls) {
    return Outcome::found({Severity::error, "sessions",
                           "go to the session cache without TLS, which it wants",
                           "it does not answer, or everybody on the way can read them", "the facts",
                           subject.set_sessions()});
  }
  return Outcome::good();
}

/// Keys that look like settings, and since when Moodle's code reads them.
struct Key {
  const char* name;
  std::optional<moodle::Version> since; ///< none: no Moodle ever has
  const char* instead;
};

const std::vector<Key>& known_keys() {
  static const std::vector<Key> keys{
      {"session_redis_lock_retry", std::nullopt, "session_redis_acquire_lock_retry"},
      {"session_redis_maxretries", std::nullopt, "session_redis_max_retries"},
      {"session_redis_acquire_lock_retry", {{3, 9, 0}}, ""},
      {"session_redis_acquire_lock_warn", {{3, 9, 0}}, ""},
      {"session_redis_compressor", {{3, 11, 0}}, ""},
      {"session_redis_encrypt", {{4, 3, 0}}, ""},
      {"session_redis_connection_timeout", {{4, 5, 5}}, ""},
      {"session_redis_max_retries", {{4, 5, 5}}, ""},
      {"session_redis_read_timeout", {{5, 2, 0}}, ""}};
  return keys;
}

Outcome settings_are_read(const Subject& subject) {
  if (!in_cache(subject) || !subject.version) {
    return in_cache(subject) ? Outcome::not_applicable("it cannot be told which Moodle this is")
                             : not_in_cache(subject);
  }
  Outcome outcome;
  const auto add = [&](const std::string& object, const std::string& what, const std::string& why) {
    outcome.findings.push_back({Severity::warning, object, what, why,
                                "Moodle's lib/classes/session/redis.php", subject.set_sessions()});
  };
  for (const Key& key : known_keys()) {
    if (handler_of(subject) != "redis" || subject.site.evaluation.cfg.find(key.name) == nullptr
        || (key.since && *subject.version >= *key.since)) {
      continue;
    }
    add(std::string("$CFG->") + key.name, fmt::format("is not read by {}", subject.release()),
        key.since
            ? fmt::format("it came with Moodle {}", key.since->text())
            : fmt::format("Moodle's example config names it, and its code reads {}", key.instead));
  }
  constexpr moodle::Version split{4, 4, 0};
  if (handler_of(subject) == "redis" && *subject.version >= split
      && subject.site.text("session_redis_host").starts_with(moodle::tls_scheme)) {
    add("$CFG->session_redis_host",
        fmt::format("begins with {}, which {} takes for the host", moodle::tls_scheme,
                    subject.release()),
        "from Moodle 4.4 on the host is split at its first colon, and TLS comes from "
        "session_redis_encrypt alone");
  }
  return outcome;
}

Outcome endpoint_is_followed(const Subject& subject) {
  return in_cache(subject) ? found_all(misused_endpoint(subject, subject.sessions, use_of(subject)))
                           : not_in_cache(subject);
}

Outcome nodes_are_announced(const Subject& subject) {
  return in_cache(subject) ? found_all(drifted_servers(subject, subject.sessions, use_of(subject)))
                           : not_in_cache(subject);
}

Outcome are_apart(const Subject& subject) {
  if (!in_cache(subject)) {
    return not_in_cache(subject);
  }
  if (!subject.caches.config) {
    return Outcome::not_possible(subject.caches.reason);
  }
  std::vector<moodle::ServerGroup> groups{subject.sessions.group};
  for (const Store& store : subject.caches.stores) {
    groups.push_back(store.servers);
  }
  const auto known = moodle::identify(groups, subject.given.server_time(), true);
  const CacheFacts& facts = subject.given.session_cache;
  Outcome outcome;
  for (std::size_t i = 0; i < subject.caches.stores.size(); ++i) {
    const Store& store = subject.caches.stores[i];
    const auto shared = moodle::shared_server(store.servers, known[i + 1], known[0]);
    if (!shared) {
      continue;
    }
    const bool memcached = store.servers.protocol == CacheProtocol::memcached;
    const std::string database = subject.site.text("session_redis_database");
    const bool other_database = !memcached && !database.empty() && database != "0";
    // Only a cluster that is another one mends it.
    const bool elsewhere =
        facts.endpoint && !moodle::is_among(*facts.parsed_endpoint(), store.servers.endpoints);
    outcome.findings.push_back(
        {other_database ? Severity::warning : Severity::error, shared->text(),
         fmt::format("holds the sessions and the cache store '{}'", shown(store.name)),
         memcached ? "purging caches empties the whole server, and logs everybody out"
                   : "they share its memory and its eviction policy: caches push sessions out, or "
                     "fill what sessions need",
         "https://docs.moodle.org/en/Session_handling", elsewhere ? subject.set_sessions() : ""});
  }
  return outcome;
}

} // namespace

std::vector<Check> session_checks(const SharedSubject& subject) {
  return checks_of(subject, {{"sessions-handler", handler_exists},
                             {"sessions-cached", are_cached},
                             {"sessions-reachable", are_reachable},
                             {"sessions-safe", are_safe},
                             {"sessions-tls", are_encrypted},
                             {"sessions-settings", settings_are_read},
                             {"sessions-endpoint", endpoint_is_followed},
                             {"sessions-drift", nodes_are_announced},
                             {"sessions-apart", are_apart}});
}
