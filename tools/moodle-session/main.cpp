#include "cli/command.hpp"
#include "cli/text.hpp"
#include "database/connection.hpp"
#include "database/installation.hpp"
#include "handler_settings.hpp"
#include "io/edit.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/opcache_advice.hpp"
#include "moodle/session_config.hpp"
#include "moodle/shared_servers.hpp"
#include "moodle/site.hpp"
#include "net/memcached.hpp"
#include "net/suitability.hpp"

#include <array>
#include <memory>

namespace {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using moodle::SessionConfig;

constexpr const char* tool_name = "moodle-session";

/// What has no meaning for sessions in the database or in files.
constexpr std::array cache_options{"prefix",
                                   "acquire-lock-timeout",
                                   "lock-expire",
                                   "lock-retry-sleep",
                                   "lock-warn",
                                   "database",
                                   "connection-timeout",
                                   "read-timeout",
                                   "max-retries",
                                   "serialiser",
                                   "compressor",
                                   "session-cache-endpoint",
                                   "session-cache-node",
                                   "session-cache-engine",
                                   "session-cache-tls",
                                   "servers",
                                   "cluster",
                                   "ca-file",
                                   "password-file"};

/// The web installation fails when sessions live in a cache before it has finished.
void require_finished_installation(const moodle::Site& site, std::chrono::milliseconds timeout) {
  const std::string hint = "--force switches without asking";
  database::InstallationState state;
  try {
    database::Connection connection(site.database(hint), tool_name, timeout);
    state = database::read_installation_state(connection);
  } catch (const Error& error) {
    throw Error(
        error.code(),
        fmt::format("cannot tell whether the installation has finished: {}", error.message()),
        hint);
  }
  if (!state.finished) {
    throw Error(
        ExitCode::config,
        state.has_tables
            ? "the installation of the site has not finished; it would fail with sessions in "
              "a cache"
            : "the site's database has no tables yet; the installation would fail with "
              "sessions in a cache",
        "finish the installation first; " + hint);
  }
}

/// The site's cache configuration; none before Moodle has made it.
std::optional<moodle::CacheConfig> read_cache_config(php::Runtime& php, const moodle::Site& site) {
  const std::string path = site.cache_config_path();
  try {
    const std::string content = io::read_snapshot(path, moodle::max_cache_config_bytes).content;
    return moodle::CacheConfig::parse(php, path, content);
  } catch (const Error& error) {
    if (error.code() == ExitCode::no_input) {
      return std::nullopt;
    }
    throw;
  }
}

/// Refuses servers that cannot hold sessions, and warns of those that will lose some.
void judge_servers(const moodle::CacheServers& servers, const moodle::Site& site,
                   std::chrono::milliseconds timeout, const cli::Log& log) {
  const auto judge = [&](const net::Endpoint& server, const std::vector<net::Finding>& findings) {
    for (const net::Finding& finding : findings) {
      const std::string text = fmt::format("{} {}", server.text(), finding.text);
      if (finding.severity == net::Finding::Severity::unusable) {
        throw Error(ExitCode::config, text);
      }
      if (finding.severity == net::Finding::Severity::warning) {
        log.warning(text);
      } else {
        log.detail(text);
      }
    }
  };
  const auto judge_all = [&](const auto& probes) {
    for (const auto& probe : probes) {
      if (probe.failure) {
        throw Error(*probe.failure);
      }
      judge(probe.endpoint, net::session_findings(*probe.status));
    }
  };
  if (servers.protocol == moodle::CacheProtocol::memcached) {
    judge_all(net::probe_memcached(servers.servers, timeout));
  } else {
    const auto probes = net::probe_redis(servers.servers, servers.access, timeout);
    judge_all(probes);
    for (const auto& probe : probes) {
      require_version(site, probe.endpoint, *probe.status);
    }
  }
}

struct EditOptions {
  std::chrono::milliseconds lock_timeout{10'000};
  cli::EditMode mode;

  void declare(cli::Options& options) {
    options.group("Lock");
    options.seconds("lock-timeout", lock_timeout,
                    "how long to wait for another run on the same file (default 10)");
    mode.declare(options);
  }

  /// Carries out the edit of the site's config.php, and reports.
  ExitCode apply(io::Edit edit, const moodle::Site& site, cli::Context& context) const {
    edit.path = site.config_path;
    edit.max_bytes = moodle::max_config_bytes;
    edit.lock = [this](const std::string& path) {
      return std::make_unique<io::FileLock>(path, lock_timeout);
    };
    moodle::ReloadAdvice advice(*site.php, context.log());
    advice.prepare_within(edit, mode);
    const io::Outcome outcome = io::apply(edit, mode, context);
    if (outcome == io::Outcome::changed) {
      advice.give(site.config_path);
    }
    context.result("session-result", io::text(outcome));
    return io::exit_code(outcome, mode);
  }
};

class Set : public cli::Command {
public:
  void declare(cli::Options& options) override {
    site_.declare(options);
    options.group("Sessions");
    options.choice("handler", handler_, {"memcached", "redis", "database", "file"},
                   "where sessions live (default: in the cache servers)");
    settings_.declare(options);
    servers_.declare(options);
    options.group("Safety");
    options.flag("force", force_, "switch without asking whether the installation has finished");
    options.seconds("db-timeout", db_timeout_, "how long the database may take (default 10)");
    edit_.declare(options);
  }

  void validate(const cli::Options& options) override {
    site_.validate();
    edit_.mode.validate();
    if (!in_cache()) {
      refuse_cache_options(options);
      return;
    }
    if (!servers_.engine && handler_ == "redis") {
      servers_.engine = "redis";
    }
    servers_.validate(options);
    settings_.validate(servers_.protocol());
    const std::string handler = text(servers_.protocol());
    if (handler_.empty()) {
      handler_ = handler;
    } else if (handler_ != handler) {
      throw Error(ExitCode::usage, fmt::format("--handler is {}, and --session-cache-engine is {}",
                                               handler_, shown(servers_.engine.value_or(handler))));
    }
  }

  ExitCode run(cli::Context& context) override {
    php::Runtime php(site_.php_timeout);
    php.start();
    const moodle::Site site = moodle::load_site(site_, php);
    require_handler(site, handler_);
    return edit(
        site, in_cache() ? cache_settings(php, site, context) : settings_of_plain_handler(handler_),
        context);
  }

private:
  [[nodiscard]] bool in_cache() const { return handler_ != "database" && handler_ != "file"; }

  /// Facts about the site's caches are no contradiction; the same typed by somebody is.
  void refuse_cache_options(const cli::Options& options) const {
    for (const char* name : cache_options) {
      if (options.given(name) && !options.from_facts(name)) {
        throw Error(ExitCode::usage,
                    fmt::format("--{} is for sessions in cache servers, and --handler is {}", name,
                                handler_));
      }
    }
  }

  moodle::SessionSettings cache_settings(php::Runtime& php, const moodle::Site& site,
                                         cli::Context& context) {
    moodle::CacheServers servers = moodle::choose_servers(servers_, php, context.log());
    servers.access.database = settings_.database.value_or(0);
    context.log().detail("chosen: " + servers.reason);
    const moodle::SessionSettings wanted = settings_.settings(site, servers);
    if (const auto config = read_cache_config(php, site)) {
      if (config->computed_line()) {
        context.log().warning(fmt::format("{}: line {} computes a value: a web server may have "
                                          "other cache servers than are seen here",
                                          shown(site.cache_config_path()),
                                          *config->computed_line()));
      }
      moodle::refuse_store_servers(*config, servers, settings_.database.value_or(0), servers_,
                                   context.log());
    }
    for (const auto& [key, value] : wanted.values) {
      if (key == "session_redis_prefix") {
        servers.access.key_prefix = *value.string(); // the keys that an ACL may allow
      }
    }
    if (edit_.mode.writes() && !servers_.no_probe) {
      judge_servers(servers, site, servers_.timeout, context.log());
      moodle::prove_servers(servers_, servers);
    }
    return wanted;
  }

  ExitCode edit(const moodle::Site& site, const moodle::SessionSettings& wanted,
                cli::Context& context) const {
    const SessionConfig config(site);
    std::string before;
    io::Edit edit;
    edit.plan = [&](const std::string& there) {
      before = there;
      std::string after = config.with(there, wanted);
      if (after != there && in_cache() && !force_) {
        require_finished_installation(site, db_timeout_);
      }
      return after;
    };
    edit.verify = [&](const std::string& after) { config.verify(after, before, wanted); };
    return edit_.apply(edit, site, context);
  }

  moodle::SiteOptions site_;
  std::string handler_;
  HandlerOptions settings_;
  moodle::CacheServerOptions servers_{moodle::CacheUse::session};
  bool force_ = false;
  std::chrono::milliseconds db_timeout_{10'000};
  EditOptions edit_;
};

class Unset : public cli::Command {
public:
  void declare(cli::Options& options) override {
    site_.declare(options);
    edit_.declare(options);
  }

  void validate(const cli::Options&) override {
    site_.validate();
    edit_.mode.validate();
  }

  ExitCode run(cli::Context& context) override {
    php::Runtime php(site_.php_timeout);
    php.start();
    const moodle::Site site = moodle::load_site(site_, php);
    const SessionConfig config(site);
    io::Edit edit;
    edit.plan = [&](const std::string& there) { return config.without(there); };
    edit.verify = [&](const std::string& after) {
      moodle::evaluate_config(php, site.config_path, after);
    };
    return edit_.apply(edit, site, context);
  }

private:
  moodle::SiteOptions site_;
  EditOptions edit_;
};

class Show : public cli::Command {
public:
  void declare(cli::Options& options) override { site_.declare(options); }
  void validate(const cli::Options&) override { site_.validate(); }

  ExitCode run(cli::Context& context) override {
    php::Runtime php(site_.php_timeout);
    const moodle::Site site = moodle::load_site(site_, php);
    const php::Array& cfg = site.evaluation.cfg;
    const SessionConfig config(site);
    context.result("session-handler",
                   shown(moodle::session_handler_name(moodle::session_handler_class(cfg))));
    std::vector<std::string> servers;
    for (const net::Endpoint& server : moodle::session_servers(cfg)) {
      servers.push_back(server.text());
    }
    context.result("session-server", servers);
    context.result("session-managed", config.is_managed(site.config_content) ? "true" : "false");
    context.result("session-elsewhere", config.keys_elsewhere());
    return ExitCode::ok;
  }

private:
  moodle::SiteOptions site_;
};

} // namespace

int main(int argc, char** argv) {
  return cli::run({.name = tool_name,
                   .summary = "Switch where the sessions of a Moodle site live",
                   .verbs = {cli::verb<Show>("show", "Show where sessions live now"),
                             cli::verb<Set>("set", "Switch sessions to a handler"),
                             cli::verb<Unset>("unset", "Take back what set has written")}},
                  argc, argv);
}
