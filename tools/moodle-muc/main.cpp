#include "cli/command.hpp"
#include "cli/text.hpp"
#include "io/edit.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/cache_lock.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/opcache_advice.hpp"
#include "moodle/shared_servers.hpp"
#include "moodle/site.hpp"
#include "store_settings.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <unistd.h>

namespace {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using moodle::CacheConfig;
using moodle::CacheMode;

constexpr const char* tool_name = "moodle-muc";

/// What all three verbs start from.
struct Muc {
  explicit Muc(const moodle::SiteOptions& options) : php(options.php_timeout) {
    php.start();
    site = moodle::load_site(options, php);
    path = site.cache_config_path();
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
      throw Error(ExitCode::no_input,
                  fmt::format("there is no cache configuration at {} yet", shown(path)),
                  "Moodle makes it when the first page of the site is opened");
    }
  }

  php::Runtime php;
  moodle::Site site;
  std::string path;
};

struct StoreName {
  std::string name = "elasticache";
  std::optional<std::string> given;

  void declare(cli::Options& options) {
    options.group("Store");
    options.text("store", given, "NAME", "the store's name in Moodle (default elasticache)");
  }

  /// As Moodle's page for a store has it (Moodle 4.5 cache/classes/form/…, storenameinvalid).
  void validate() {
    name = given.value_or(name);
    constexpr std::string_view others = "-_ ";
    const bool fits = std::all_of(name.begin(), name.end(), [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
             || others.find(c) != std::string_view::npos;
    });
    constexpr std::size_t longest = 100;
    if (name.empty() || !fits || name.size() > longest || cli::trim(name) != name) {
      throw Error(ExitCode::usage,
                  fmt::format("'{}' is not a value for --store: it takes letters, digits, '-', '_' "
                              "and blanks between them, at most {}",
                              shown(name), longest));
    }
  }
};

/// Plans, shows and writes; `change` turns the configuration that is there into the wanted one.
ExitCode edit(Muc& muc, const cli::EditMode& mode, const moodle::CacheLockOptions& lock,
              const std::function<void(CacheConfig&)>& change, cli::Context& context) {
  std::optional<CacheConfig> wanted;
  moodle::ReloadAdvice advice(muc.php, context.log());
  io::Edit edit;
  edit.path = muc.path;
  edit.max_bytes = moodle::max_cache_config_bytes;
  edit.plan = [&](const std::string& before) {
    const CacheConfig there = CacheConfig::parse(muc.php, muc.path, before);
    wanted = there;
    change(*wanted);
    if (*wanted == there) {
      return before; // in other bytes, maybe
    }
    if (there.computed_line()) {
      throw Error(ExitCode::config,
                  fmt::format("{}: line {} computes a value, and writing the file would freeze it",
                              shown(muc.path), *there.computed_line()),
                  "it was written by hand; change it by hand, or let Moodle make a new one");
    }
    wanted->complete();
    return wanted->text(muc.php);
  };
  edit.verify = [&](const std::string& after) {
    if (!(CacheConfig::parse(muc.php, muc.path, after) == *wanted)) {
      throw Error(ExitCode::bug,
                  fmt::format("the new {} would not mean what was planned", shown(muc.path)));
    }
  };
  edit.lock_file = [&] { return moodle::cache_lock_path(muc.site, &*wanted); };
  edit.lock = [&](const std::string&) {
    return moodle::lock_cache_config(muc.site, *wanted, tool_name, lock);
  };
  advice.prepare_within(edit, mode);
  const io::Outcome outcome = io::apply(edit, mode, context);
  if (outcome == io::Outcome::changed) {
    advice.give(muc.path);
  }
  context.result("muc-result", io::text(outcome));
  return io::exit_code(outcome, mode);
}

/// "application=elasticache,default_application"
struct Mapping {
  CacheMode mode;
  std::vector<std::string> stores;

  static Mapping parse(const std::string& text) {
    const std::size_t equals = text.find('=');
    const auto mode = moodle::parse_cache_mode(text.substr(0, equals));
    const auto stores = equals == std::string::npos ? std::vector<std::string>{}
                                                    : cli::split(text.substr(equals + 1), ',');
    if (!mode || stores.empty() || std::find(stores.begin(), stores.end(), "") != stores.end()) {
      throw Error(ExitCode::usage,
                  fmt::format("'{}' is not a value for --map: it takes MODE=STORE[,STORE]..., the "
                              "mode being application, session or request",
                              shown(text)));
    }
    return {*mode, stores};
  }
};

class Set : public cli::Command {
public:
  void declare(cli::Options& options) override {
    site_.declare(options);
    servers_.declare(options);
    store_.declare(options);
    options.list("map", map_, "MODE=STORE[,STORE]...",
                 "the stores of a mode, first choice first (default application=STORE, unless the "
                 "store is the first choice already)");
    settings_.declare(options);
    lock_.declare(options);
    mode_.declare(options);
  }

  void validate(const cli::Options& options) override {
    site_.validate();
    servers_.validate(options);
    store_.validate();
    settings_.validate(servers_.protocol());
    mode_.validate();
    for (const std::string& text : map_) {
      const Mapping mapping = Mapping::parse(text);
      for (const Mapping& other : mappings_) {
        if (other.mode == mapping.mode) {
          throw Error(ExitCode::usage,
                      fmt::format("--map gives the stores of {} caches more than once",
                                  moodle::text(mapping.mode)));
        }
      }
      mappings_.push_back(mapping);
    }
  }

  ExitCode run(cli::Context& context) override {
    Muc muc(site_);
    require_store(muc.site, servers_.protocol());
    moodle::CacheServers servers = moodle::choose_servers(servers_, muc.php, context.log());
    servers.access.key_prefix = settings_.prefix.value_or(""); // the keys that an ACL may allow
    context.log().detail("chosen: " + servers.reason);
    moodle::refuse_session_servers(muc.site, servers, servers_, context.log());
    if (mode_.writes()) {
      moodle::prove_servers(servers_, servers);
    }
    return edit(
        muc, mode_, lock_,
        [&](CacheConfig& config) { change(config, muc.site, servers, context.log()); }, context);
  }

private:
  void change(CacheConfig& config, const moodle::Site& site, const moodle::CacheServers& servers,
              const cli::Log& log) const {
    const std::string name = store_.given ? store_.name : adopted(config, servers, log);
    const php::Array* const existing = config.store(name);
    config.set_store(name, store_plugin(servers.protocol),
                     servers.protocol == moodle::CacheProtocol::memcached
                         ? memcached_configuration(settings_, servers, existing)
                         : redis_configuration(settings_, servers, site, existing));
    for (const Mapping& mapping : mappings_) {
      config.set_chain(mapping.mode, mapping.stores);
    }
    const auto chain = config.chain(CacheMode::application);
    if (mappings_.empty() && (chain.empty() || chain.front() != name)) {
      config.set_chain(CacheMode::application, {name});
    }
  }

  /// The store that somebody else made for these servers, so that there are not two; else our own
  /// name.
  std::string adopted(const CacheConfig& config, const moodle::CacheServers& servers,
                      const cli::Log& log) const {
    std::vector<net::Endpoint> ours = servers.servers;
    if (servers.endpoint) {
      ours.push_back(*servers.endpoint);
    }
    if (config.store(store_.name) != nullptr) {
      return store_.name;
    }
    for (const std::string& name : config.store_names()) {
      const php::Value* const plugin = config.store(name)->find("plugin");
      if (plugin == nullptr || *plugin != php::Value(text(servers.protocol))) {
        continue;
      }
      for (const net::Endpoint& used : moodle::store_servers(*config.store(name))) {
        if (moodle::is_among(used, ours)) {
          log.info(fmt::format("the store '{}' has these servers already and is kept in its place",
                               shown(name)));
          return name;
        }
      }
    }
    return store_.name;
  }

  moodle::SiteOptions site_;
  moodle::CacheServerOptions servers_{moodle::CacheUse::application};
  StoreName store_;
  std::vector<std::string> map_;
  std::vector<Mapping> mappings_;
  StoreOptions settings_;
  moodle::CacheLockOptions lock_;
  cli::EditMode mode_;
};

class Remove : public cli::Command {
public:
  void declare(cli::Options& options) override {
    site_.declare(options);
    store_.declare(options);
    lock_.declare(options);
    mode_.declare(options);
  }

  void validate(const cli::Options&) override {
    site_.validate();
    store_.validate();
    mode_.validate();
  }

  ExitCode run(cli::Context& context) override {
    Muc muc(site_);
    return edit(
        muc, mode_, lock_, [&](CacheConfig& config) { config.remove_store(store_.name); }, context);
  }

private:
  moodle::SiteOptions site_;
  StoreName store_;
  moodle::CacheLockOptions lock_;
  cli::EditMode mode_;
};

class Show : public cli::Command {
public:
  void declare(cli::Options& options) override { site_.declare(options); }
  void validate(const cli::Options&) override { site_.validate(); }

  ExitCode run(cli::Context& context) override {
    Muc muc(site_);
    const CacheConfig config = CacheConfig::parse(
        muc.php, muc.path, io::read_snapshot(muc.path, moodle::max_cache_config_bytes).content);
    if (config.computed_line()) {
      context.log().warning(fmt::format(
          "{}: line {} computes a value: a web server may see another one than this host",
          shown(muc.path), *config.computed_line()));
    }
    std::vector<std::string> stores;
    for (const std::string& name : config.store_names()) {
      stores.push_back(describe(name, *config.store(name)));
    }
    context.result("muc-store", stores);
    for (const CacheMode mode : moodle::cache_modes) {
      std::vector<std::string> chain;
      for (const std::string& name : config.chain(mode)) {
        chain.push_back(shown(name));
      }
      context.result(fmt::format("muc-{}", moodle::text(mode)), chain);
    }
    return ExitCode::ok;
  }

private:
  /// "elasticache memcached 10.0.0.1:11211 10.0.0.2:11211"; blanks in a name are shown as they are.
  static std::string describe(const std::string& name, const php::Array& store) {
    const php::Value* const plugin = store.find("plugin");
    std::string text = fmt::format(
        "{} {}", shown(name), plugin == nullptr ? "" : shown(plugin->scalar_text().value_or("")));
    for (const net::Endpoint& server : moodle::store_servers(store)) {
      text += " " + server.text();
    }
    return text;
  }

  moodle::SiteOptions site_;
};

} // namespace

int main(int argc, char** argv) {
  return cli::run({.name = tool_name,
                   .summary = "Configure the cache stores of a Moodle site",
                   .verbs = {cli::verb<Show>("show", "Show the cache stores and their mappings"),
                             cli::verb<Set>("set", "Configure a cache store and map caches to it"),
                             cli::verb<Remove>("remove", "Remove a cache store and its mappings")}},
                  argc, argv);
}
