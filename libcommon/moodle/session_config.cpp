#include "moodle/session_config.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using php::Array;
using php::Value;

namespace {

constexpr const char* class_key = "session_handler_class";
constexpr std::string_view core_classes = "\\core\\session\\";

/// What a key of the handler begins with: "session_memcached_".
std::string key_prefix(const std::string& handler_class) {
  return "session_" + session_handler_name(handler_class) + "_";
}

bool names_key(const SessionSettings& settings, const std::string& key) {
  return std::any_of(settings.values.begin(), settings.values.end(),
                     [&](const auto& value) { return value.first == key; });
}

/// Whether the settings decide about this key of $CFG. A handler without settings of ours (files,
/// the database) keeps what the site has set for it.
bool is_decided(const std::string& key, const SessionSettings& settings) {
  return key == class_key
         || (!settings.values.empty() && key.starts_with(key_prefix(settings.handler_class)));
}

/// Keys of the handler that the configuration sets and the settings do not name.
std::vector<std::string> stale_keys(const Array& cfg, const SessionSettings& settings) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : cfg.entries) {
    const auto* const name = std::get_if<std::string>(&key);
    if (name != nullptr && *name != class_key && is_decided(*name, settings)
        && !names_key(settings, *name)) {
      keys.push_back(*name);
    }
  }
  return keys;
}

bool has_exactly(const Array& cfg, const SessionSettings& settings) {
  const Value* const handler = cfg.find(class_key);
  return handler != nullptr && *handler == Value(settings.handler_class)
         && stale_keys(cfg, settings).empty()
         && std::all_of(settings.values.begin(), settings.values.end(), [&](const auto& wanted) {
              const Value* const value = cfg.find(wanted.first);
              return value != nullptr && *value == wanted.second;
            });
}

/// $CFG without the keys that the settings are about, for comparing the rest.
Array without_session_keys(Array cfg, const SessionSettings& settings) {
  std::erase_if(cfg.entries, [&](const auto& entry) {
    const auto* const name = std::get_if<std::string>(&entry.first);
    return name != nullptr && is_decided(*name, settings);
  });
  return cfg;
}

/// The same array without the entries in which `a` and `b` differ: those change from one run to the
/// next by themselves ($CFG->jsrev = time()).
Array without_volatile(Array cfg, const Array& a, const Array& b) {
  const auto find = [](const Array& array, const php::Key& key) {
    return std::find_if(array.entries.begin(), array.entries.end(),
                        [&](const auto& entry) { return entry.first == key; });
  };
  std::erase_if(cfg.entries, [&](const auto& entry) {
    const auto in_a = find(a, entry.first);
    const auto in_b = find(b, entry.first);
    return in_a != a.entries.end() && in_b != b.entries.end() && !(in_a->second == in_b->second);
  });
  return cfg;
}

std::vector<std::string> php_lines(const Array& cfg, const SessionSettings& settings) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("$CFG->{} = {};", class_key, php_literal(settings.handler_class)));
  for (const std::string& key : stale_keys(cfg, settings)) {
    lines.push_back(fmt::format("unset($CFG->{});", key));
  }
  for (const auto& [key, value] : settings.values) {
    lines.push_back(fmt::format("$CFG->{} = {};", key, php_literal(value)));
  }
  return lines;
}

/// "host" for "tls://host": up to Moodle 4.2 the host goes to PHP's extension as it is.
std::string_view without_scheme(std::string_view host) {
  for (const std::string_view scheme : {tls_scheme, std::string_view("tcp://")}) {
    if (host.starts_with(scheme)) {
      return host.substr(scheme.size());
    }
  }
  return host;
}

} // namespace

std::string session_handler_class(const Array& cfg) {
  std::string handler = cfg.text(class_key);
  if (handler.empty() || handler == "0") {
    const Value* const in_database = cfg.find("dbsessions");
    const bool database = in_database != nullptr && in_database->truthy();
    return std::string(core_classes) + (database ? "database" : "file");
  }
  return handler.starts_with('\\') ? handler : "\\" + handler;
}

std::string session_handler_name(const std::string& handler_class) {
  return handler_class.starts_with(core_classes) ? handler_class.substr(core_classes.size())
                                                 : handler_class;
}

std::vector<net::Endpoint> session_servers(const Array& cfg) {
  const std::string handler = session_handler_name(session_handler_class(cfg));
  std::vector<std::string> texts;
  std::uint16_t port = 11211;
  if (handler == "memcached") {
    texts = cli::split(cfg.text("session_memcached_save_path"), ',');
  } else if (handler == "redis") {
    port = static_cast<std::uint16_t>(
        cli::parse_unsigned(cfg.text("session_redis_port")).value_or(6379));
    texts = cli::split(cfg.text("session_redis_host"), ',');
    for (std::string& host : texts) {
      host = without_scheme(cli::trim(host));
    }
  }
  std::vector<net::Endpoint> servers;
  for (const std::string& text : texts) {
    try {
      servers.push_back(net::parse_endpoint(cli::trim(text), port));
    } catch (const Error&) {
      continue; // a socket, or a form that only PHP's extension knows
    }
  }
  return servers;
}

Evaluation SessionConfig::evaluate(const std::string& content) const {
  return content == site_.config_content ? site_.evaluation
                                         : evaluate_config(*site_.php, site_.config_path, content);
}

std::string SessionConfig::with(const std::string& content, const SessionSettings& settings) const {
  const std::string base = block_.strip(*site_.php, site_.config_path, content);
  const Evaluation evaluation = evaluate(base);
  if (base == content && has_exactly(evaluation.cfg, settings)) {
    return content;
  }
  return block_.insert(*site_.php, site_.config_path, base, evaluation,
                       php_lines(evaluation.cfg, settings));
}

std::string SessionConfig::without(const std::string& content) const {
  return block_.strip(*site_.php, site_.config_path, content);
}

bool SessionConfig::is_managed(const std::string& content) const {
  return block_.is_in(*site_.php, site_.config_path, content);
}

std::vector<std::string> SessionConfig::keys_elsewhere() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : evaluate(without(site_.config_content)).cfg.entries) {
    const auto* const name = std::get_if<std::string>(&key);
    if (name != nullptr && (*name == "dbsessions" || name->starts_with("session_"))) {
      keys.push_back(*name);
    }
  }
  return keys;
}

void SessionConfig::verify(const std::string& after, const std::string& before,
                           const SessionSettings& settings) const {
  const auto fail = [&](std::string_view why) {
    return Error(ExitCode::config,
                 fmt::format("{}: the lines cannot be placed so that they count: {}",
                             shown(site_.config_path), why),
                 "put the statement that requires lib/setup.php on lines of its own");
  };
  std::optional<Evaluation> evaluation;
  try {
    evaluation = evaluate(after);
  } catch (const Error& error) {
    if (error.code() != ExitCode::config) {
      throw;
    }
    throw fail(error.message());
  }
  if (!has_exactly(evaluation->cfg, settings)) {
    throw fail("Moodle would not see the session settings");
  }
  // What the lines set that are there now is not the site's.
  const std::string base = block_.strip(*site_.php, site_.config_path, before);
  const Array rest = without_session_keys(evaluation->cfg, settings);
  const Array rest_before = without_session_keys(evaluate(base).cfg, settings);
  if (rest == rest_before) {
    return;
  }
  const Array again = evaluate_config(*site_.php, site_.config_path, base).cfg;
  const auto steady = [&](const Array& cfg) { return without_volatile(cfg, rest_before, again); };
  if (!(rest == without_session_keys(again, settings)) && !(steady(rest) == steady(rest_before))) {
    throw fail("other settings would change");
  }
}

} // namespace moodle
