#include "handler_settings.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

std::string class_of(const std::string& handler) {
  return "\\core\\session\\" + handler;
}

} // namespace

void HandlerOptions::declare(cli::Options& options) {
  options.text(
      "prefix", prefix, "TEXT",
      "what the key of every session begins with; one of its own for each site that shares "
      "the servers (default: PHP's memcached.sess_prefix)");
  options.number("acquire-lock-timeout", lock_timeout, 1, 86'400,
                 "seconds that a request waits for its session (default 120)");
  options.number("lock-expire", lock_expire, 1, 2'592'000,
                 "seconds after which a lock is given up (default 7200)");
  options.number("lock-retry-sleep", lock_retry_sleep, 1, 60'000,
                 "milliseconds between two tries for a lock (default: Moodle's)");
}

void HandlerOptions::validate() const {
  // memcached keys hold no blanks; PHP's extension refuses longer prefixes (memcached.sess_prefix).
  constexpr std::size_t longest = 200;
  const auto fits = [](char c) { return c > ' ' && c < 0x7F; };
  if (prefix
      && (prefix->empty() || prefix->size() > longest
          || !std::all_of(prefix->begin(), prefix->end(), fits))) {
    throw Error(ExitCode::usage,
                fmt::format("'{}' is not a value for --prefix: it takes 1 to {} ASCII characters "
                            "without blanks",
                            shown(*prefix), longest));
  }
}

moodle::SessionSettings HandlerOptions::memcached(const moodle::Site& site,
                                                  const std::vector<net::Endpoint>& servers) const {
  std::vector<std::string> path;
  for (const net::Endpoint& server : servers) {
    path.push_back(server.text());
  }
  moodle::SessionSettings settings;
  settings.handler_class = class_of("memcached");
  const auto add = [&](const char* key, php::Value value) {
    settings.values.emplace_back(fmt::format("session_memcached_{}", key), std::move(value));
  };
  add("save_path", cli::join(path, ","));
  if (prefix) {
    add("prefix", *prefix);
  }
  add("acquire_lock_timeout", static_cast<std::int64_t>(lock_timeout.value_or(120)));
  add("lock_expire", static_cast<std::int64_t>(lock_expire.value_or(7200)));
  if (lock_retry_sleep) {
    const moodle::Version version = site.version().value_or(moodle::Version{9, 0});
    const bool knows = version >= moodle::Version{3, 3, 3}
                       || (version >= moodle::Version{3, 2, 6} && version < moodle::Version{3, 3});
    if (!knows) {
      throw Error(ExitCode::config,
                  fmt::format("{} does not read session_memcached_lock_retry_sleep", site.name()),
                  "leave --lock-retry-sleep out; it came with Moodle 3.2.6 and 3.3.3");
    }
    add("lock_retry_sleep", static_cast<std::int64_t>(*lock_retry_sleep));
  }
  return settings;
}

moodle::SessionSettings settings_of_plain_handler(const std::string& handler) {
  return {class_of(handler), {}};
}

void require_handler(const moodle::Site& site, const std::string& handler) {
  const std::string file = fmt::format("lib/classes/session/{}.php", handler);
  if (const auto there = site.has_file(file)) {
    if (!*there) {
      throw Error(ExitCode::config, fmt::format("{} has no session handler {}: {}/{} is not there",
                                                site.name(), handler, shown(site.dirroot), file));
    }
    return;
  }
  const auto version = site.version();
  if (handler == "memcached" && version && *version >= moodle::Version{5, 2}) {
    throw Error(
        ExitCode::config, fmt::format("{} has no session handler memcached", site.name()),
        "Moodle 5.2 and later keep sessions in Redis or Valkey, in the database or in files");
  }
}
