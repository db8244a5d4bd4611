#include "moodle/cache_config.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <cctype>
#include <functional>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using php::Array;
using php::Value;

namespace {

constexpr std::array sections{"stores", "modemappings", "definitions", "definitionmappings",
                              "locks"};

/// Moodle's name for the default store of a mode.
std::string default_store(CacheMode mode) {
  return std::string("default_") + text(mode);
}

std::int64_t number_at(const Array& array, std::string_view key) {
  const Value* const value = array.find(key);
  return value == nullptr ? 0 : value->integer().value_or(0);
}

bool is_plain(const Value& value) {
  if (const Array* const array = value.array()) {
    return array->class_name.empty()
           && std::all_of(array->entries.begin(), array->entries.end(),
                          [](const auto& entry) { return is_plain(entry.second); });
  }
  return !std::holds_alternative<php::Opaque>(value.variant());
}

/// Whether a token can be part of a literal: what PHP's var_export writes, and the short forms of
/// it.
bool is_literal(std::string_view token) {
  constexpr std::string_view signs = "=()[],;-+.";
  if (token.size() == 1 && signs.find(token.front()) != std::string_view::npos) {
    return true;
  }
  constexpr std::array words{"=>", "array", "true", "false", "null"};
  const char first = token.front();
  return (first >= '0' && first <= '9') || first == '.' || first == '\''
         || (first == '"' && token.size() > 1)
         || std::any_of(words.begin(), words.end(), [&](std::string_view word) {
              return std::equal(
                  token.begin(), token.end(), word.begin(), word.end(),
                  [](unsigned char a, unsigned char b) { return std::tolower(a) == b; });
            });
}

/// The line of the first token behind `$configuration =` that is more than a literal, or of another
/// variable in front of it.
std::optional<int> find_computation(php::Runtime& php, const std::string& content) {
  bool begun = false;
  for (const php::Token& token : php.tokens(content)) {
    const std::string_view text = std::string_view(content).substr(token.offset, token.length);
    if (token.kind != php::TokenKind::other && token.kind != php::TokenKind::include) {
      continue;
    }
    const bool is_target = text == "$configuration";
    if (begun ? !is_target && !is_literal(text) : text.starts_with('$') && !is_target) {
      return token.line;
    }
    begun |= is_target;
  }
  return std::nullopt;
}

/// One entry of `modemappings`, as set_mode_mappings writes it.
Array mapping(const std::string& store, CacheMode mode, std::int64_t sort) {
  Array entry;
  entry.set("store", store);
  entry.set("mode", static_cast<int>(mode));
  entry.set("sort", sort);
  return entry;
}

void set_if_absent(Array& array, std::string_view key, const Value& value) {
  const Value* const there = array.find(key);
  if (there == nullptr || there->is_null()) {
    array.set(key, value);
  }
}

/// Sessions and requests take Moodle's default sharing, whatever the entry says.
void complete_definition(Array& definition) {
  constexpr int sharing_default = 2;
  constexpr int sharing_options = 15;
  if (number_at(definition, "mode") == static_cast<int>(CacheMode::application)) {
    set_if_absent(definition, "sharingoptions", sharing_options);
    set_if_absent(definition, "selectedsharingoption", sharing_default);
    set_if_absent(definition, "userinputsharingkey", "");
  } else {
    definition.set("sharingoptions", sharing_default);
    definition.set("selectedsharingoption", sharing_default);
    definition.set("userinputsharingkey", "");
  }
}

/// "host:port" from one entry of `servers`: a list of host, port and weight, or "host:port:weight".
std::string memcached_server(const Value& entry) {
  std::vector<std::string> parts;
  if (const Array* const list = entry.array()) {
    for (const auto& [key, part] : list->entries) {
      parts.push_back(part.scalar_text().value_or(""));
    }
    if (!parts.empty() && parts.front().find(':') != std::string::npos) {
      parts.front() = "[" + parts.front() + "]"; // IPv6
    }
  } else {
    parts = cli::split(entry.scalar_text().value_or(""), ':');
  }
  parts.resize(std::min<std::size_t>(parts.size(), 2));
  return cli::join(parts, ":");
}

} // namespace

std::vector<net::Endpoint> store_servers(const Array& store) {
  const Value* const value = store.find("configuration");
  const Array* const configuration = value == nullptr ? nullptr : value->array();
  std::vector<std::string> texts;
  std::uint16_t port = 6379;
  if (configuration != nullptr && store.text("plugin") == "memcached") {
    port = 11211;
    for (const char* key : {"servers", "setservers"}) {
      const Value* const servers = configuration->find(key);
      if (servers == nullptr || servers->array() == nullptr) {
        continue;
      }
      for (const auto& [index, entry] : servers->array()->entries) {
        texts.push_back(memcached_server(entry));
      }
    }
  } else if (configuration != nullptr) {
    texts = cli::split(configuration->text("server"), '\n');
  }
  std::vector<net::Endpoint> servers;
  for (const std::string& text : texts) {
    try {
      const net::Endpoint server = net::parse_endpoint(cli::trim(text), port);
      if (std::find(servers.begin(), servers.end(), server) == servers.end()) {
        servers.push_back(server);
      }
    } catch (const Error&) {
      continue; // no server at all, or a form that only PHP's extension knows
    }
  }
  return servers;
}

const char* text(CacheMode mode) noexcept {
  switch (mode) {
  case CacheMode::application:
    return "application";
  case CacheMode::session:
    return "session";
  case CacheMode::request:
    break;
  }
  return "request";
}

std::optional<CacheMode> parse_cache_mode(std::string_view name) noexcept {
  const auto* const found = std::find_if(cache_modes.begin(), cache_modes.end(),
                                         [&](CacheMode mode) { return text(mode) == name; });
  return found == cache_modes.end() ? std::nullopt : std::optional(*found);
}

CacheConfig CacheConfig::parse(php::Runtime& php, const std::string& path,
                               const std::string& content) {
  php::Run run = php.run({.path = path,
                          .content = content,
                          .stop_at = {},
                          .stop_marker = {},
                          .constants = {"MOODLE_INTERNAL"},
                          .variables = {"configuration"}});
  const auto fail = [&](std::string_view why) {
    return Error(ExitCode::data, fmt::format("{} is no cache configuration: {}", shown(path), why));
  };
  if (run.end == php::Run::End::failed) {
    throw fail(fmt::format("line {}: {}", run.line, shown(run.message)));
  }
  Value* const found = run.variables.find("configuration");
  if (run.end != php::Run::End::finished || found == nullptr || found->array() == nullptr) {
    throw fail("it sets no $configuration array");
  }
  if (!is_plain(*found)) {
    throw fail("it holds something that is neither scalar nor array");
  }
  CacheConfig config(std::move(*found->array()));
  for (const char* name : sections) {
    const Value* const value = config.configuration_.find(name);
    if (value == nullptr || value->array() == nullptr) {
      throw fail(fmt::format("it has no array '{}'", name));
    }
  }
  if (config.text(php) != content) { // not what Moodle writes
    config.computed_line_ = find_computation(php, content);
  }
  return config;
}

std::string CacheConfig::text(php::Runtime& php) const {
  return fmt::format("{}{}{}", cache_config_head, php.var_export(configuration_),
                     cache_config_tail);
}

const Array& CacheConfig::section(std::string_view name) const {
  return *configuration_.find(name)->array();
}

Array& CacheConfig::section(std::string_view name) {
  return *configuration_.find(name)->array();
}

std::vector<std::string> CacheConfig::store_names() const {
  std::vector<std::string> names;
  for (const auto& [key, store] : section("stores").entries) {
    if (const Array* const entry = store.array()) {
      names.push_back(entry->text("name"));
    }
  }
  return names;
}

const Array* CacheConfig::store(std::string_view name) const {
  for (const auto& [key, store] : section("stores").entries) {
    if (const Array* const entry = store.array(); entry && entry->text("name") == name) {
      return entry;
    }
  }
  return nullptr;
}

Array* CacheConfig::editable_store(std::string_view name) {
  return const_cast<Array*>(store(name));
}

std::vector<std::string> CacheConfig::chain(CacheMode mode) const {
  std::vector<std::pair<std::int64_t, std::string>> found;
  for (const auto& [key, value] : section("modemappings").entries) {
    const Array* const entry = value.array();
    if (entry != nullptr && number_at(*entry, "mode") == static_cast<int>(mode)
        && store(entry->text("store")) != nullptr) {
      found.emplace_back(number_at(*entry, "sort"), entry->text("store"));
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (auto& [sort, name] : found) {
    names.push_back(std::move(name));
  }
  return names;
}

const Array* CacheConfig::first_lock() const {
  for (const auto& [key, lock] : section("locks").entries) {
    const Array* const entry = lock.array();
    if (entry != nullptr && entry->find("name") != nullptr) {
      return entry;
    }
  }
  return nullptr;
}

std::string CacheConfig::default_lock() const {
  const auto& locks = section("locks").entries;
  const auto found = std::find_if(locks.begin(), locks.end(), [](const auto& lock) {
    const Array* const entry = lock.second.array();
    const Value* const flag = entry == nullptr ? nullptr : entry->find("default");
    return flag != nullptr && flag->truthy();
  });
  const auto chosen = found == locks.end() ? locks.begin() : found;
  return chosen == locks.end() || chosen->second.array() == nullptr
             ? "cachelock_file_default"
             : chosen->second.array()->text("name");
}

void CacheConfig::refuse_default_store(const std::string& name) const {
  const Array* const there = store(name);
  const Value* const flag = there == nullptr ? nullptr : there->find("default");
  if (flag != nullptr && flag->truthy()) {
    throw Error(ExitCode::config,
                fmt::format("'{}' is one of Moodle's own default stores", shown(name)),
                "choose another name with --store");
  }
}

void CacheConfig::set_store(const std::string& name, const StorePlugin& plugin,
                            Array configuration) {
  refuse_default_store(name);
  const Array* const there = store(name);
  if (there != nullptr && there->text("plugin") != plugin.name) {
    throw Error(ExitCode::config,
                fmt::format("the store '{}' is there already, of the kind {}", shown(name),
                            shown(there->text("plugin"))),
                "choose another name with --store, or remove that store first");
  }
  if (there == nullptr && section("stores").find(name) != nullptr) {
    throw Error(
        ExitCode::config,
        fmt::format("the entry '{}' of the cache stores is no store of that name", shown(name)),
        "somebody changed the file by hand: choose another name with --store, or mend it");
  }
  std::string lock = there == nullptr ? "" : there->text("lock");
  Array entry;
  entry.set("name", name);
  entry.set("plugin", plugin.name);
  entry.set("configuration", std::move(configuration));
  entry.set("features", plugin.features);
  entry.set("modes", plugin.modes);
  entry.set("mappingsonly", false);
  entry.set("class", "cachestore_" + plugin.name);
  entry.set("default", false);
  entry.set("lock", lock.empty() ? default_lock() : std::move(lock));
  if (Array* const place = editable_store(name)) {
    *place = std::move(entry);
  } else {
    section("stores").set(name, std::move(entry));
  }
}

void CacheConfig::set_chain(CacheMode mode, const std::vector<std::string>& stores) {
  std::array<std::vector<std::string>, cache_modes.size()> chains;
  for (std::size_t i = 0; i < cache_modes.size(); ++i) {
    chains[i] = cache_modes[i] == mode ? stores : chain(cache_modes[i]);
  }
  for (const std::string& name : stores) {
    const Array* const there = store(name);
    if (there == nullptr) {
      throw Error(ExitCode::config, fmt::format("there is no cache store '{}'", shown(name)),
                  "the stores are: " + shown(cli::join(store_names(), ", "), 1000));
    }
    if ((number_at(*there, "modes") & static_cast<int>(mode)) == 0) {
      throw Error(ExitCode::config,
                  fmt::format("the store '{}' ({}) cannot serve {} caches", shown(name),
                              shown(there->text("plugin")), moodle::text(mode)));
    }
    if (std::count(stores.begin(), stores.end(), name) > 1) {
      throw Error(ExitCode::config, fmt::format("the store '{}' is twice in the {} chain",
                                                shown(name), moodle::text(mode)));
    }
  }
  write_chains(chains);
}

void CacheConfig::write_chains(
    const std::array<std::vector<std::string>, cache_modes.size()>& chains) {
  Array mappings;
  for (std::size_t i = 0; i < cache_modes.size(); ++i) {
    std::int64_t sort = 0;
    for (const std::string& store : chains[i]) {
      mappings.push(mapping(store, cache_modes[i], sort++));
    }
  }
  section("modemappings") = std::move(mappings);
}

std::vector<std::string> CacheConfig::mapped_stores() const {
  std::vector<std::string> mapped;
  for (const char* const mappings : {"modemappings", "definitionmappings"}) {
    for (const auto& [key, value] : section(mappings).entries) {
      const std::string name = value.array() == nullptr ? "" : value.array()->text("store");
      if (!name.empty() && std::find(mapped.begin(), mapped.end(), name) == mapped.end()) {
        mapped.push_back(name);
      }
    }
  }
  return mapped;
}

std::vector<std::string> CacheConfig::missing_stores() const {
  std::vector<std::string> missing = mapped_stores();
  std::erase_if(missing, [this](const std::string& name) { return store(name) != nullptr; });
  return missing;
}

bool CacheConfig::remove_store(const std::string& name) {
  const std::vector<std::string> missing = missing_stores();
  const bool is_missing = std::find(missing.begin(), missing.end(), name) != missing.end();
  if (store(name) == nullptr && !is_missing) {
    return false;
  }
  refuse_default_store(name);
  std::array<std::vector<std::string>, cache_modes.size()> chains;
  bool mapped = is_missing; // the chains are without it already
  for (std::size_t i = 0; i < cache_modes.size(); ++i) {
    chains[i] = chain(cache_modes[i]);
    if (std::erase(chains[i], name) > 0) {
      mapped = true;
      if (chains[i].empty()) {
        chains[i].push_back(default_store(cache_modes[i]));
      }
    }
  }
  const auto belongs = [&](const auto& entry, std::string_view key) {
    return entry.second.array() != nullptr && entry.second.array()->text(key) == name;
  };
  std::erase_if(section("stores").entries,
                [&](const auto& entry) { return belongs(entry, "name"); });
  std::erase_if(section("definitionmappings").entries,
                [&](const auto& entry) { return belongs(entry, "store"); });
  if (mapped) {
    write_chains(chains);
  }
  return true;
}

void CacheConfig::complete() {
  const auto each = [&](std::string_view name, const std::function<void(Array&)>& edit) {
    for (auto& [key, value] : section(name).entries) {
      if (Array* const entry = value.array()) {
        edit(*entry);
      }
    }
  };
  const auto set_flag = [](Array& entry, const char* key) {
    const Value* const flag = entry.find(key);
    entry.set(key, flag != nullptr && flag->truthy());
  };
  each("locks", [&](Array& lock) { set_flag(lock, "default"); });
  each("stores", [&](Array& store) {
    store.set("class", "cachestore_" + store.text("plugin"));
    set_flag(store, "default");
    if (section("locks").find(store.text("lock")) == nullptr) {
      store.set("lock", default_lock());
    }
  });
  each("definitions", complete_definition);
}

} // namespace moodle
