#include "cli/command.hpp"
#include "cli/text.hpp"
#include "database/connection.hpp"
#include "database/installation.hpp"
#include "handler_settings.hpp"
#include "io/edit.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/session_config.hpp"
#include "moodle/site.hpp"

#include <memory>

namespace {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using moodle::SessionConfig;

constexpr const char* tool_name = "moodle-session";
constexpr std::size_t max_bytes = 4U << 20U;

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

/// Purging caches flushes a cache server, and with it every session there.
void refuse_cache_servers(php::Runtime& php, const moodle::Site& site,
                          const std::vector<net::Endpoint>& servers) {
  const std::string path = site.cache_config_path();
  std::string content;
  try {
    content = io::read_snapshot(path, 64U << 20U).content;
  } catch (const Error& error) {
    if (error.code() == ExitCode::no_input) {
      return; // Moodle has not made it yet
    }
    throw;
  }
  const auto config = moodle::CacheConfig::parse(php, path, content);
  for (const std::string& name : config.store_names()) {
    for (const net::Endpoint& used : moodle::store_servers(*config.store(name))) {
      if (moodle::is_among(used, servers)) {
        throw Error(ExitCode::config,
                    fmt::format("{} is a server of the cache store '{}'; purging caches would end "
                                "all sessions there",
                                used.text(), shown(name)),
                    "sessions and application caches need a cluster each");
      }
    }
  }
}

std::unique_ptr<io::Lock> lock_config(const std::string& path, std::chrono::milliseconds timeout) {
  return std::make_unique<io::FileLock>(path, timeout);
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
};

class Set : public cli::Command {
public:
  void declare(cli::Options& options) override {
    site_.declare(options);
    options.group("Sessions");
    options.choice("handler", handler_, {"memcached", "database", "file"},
                   "where sessions live (default memcached)");
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
    settings_.validate();
    if (handler_ == "memcached") {
      servers_.validate(options);
    }
  }

  ExitCode run(cli::Context& context) override {
    php::Runtime php(site_.php_timeout);
    php.start();
    const moodle::Site site = moodle::load_site(site_, php);
    require_handler(site, handler_);
    const moodle::SessionSettings wanted = handler_ == "memcached"
                                               ? memcached(php, site, context)
                                               : settings_of_plain_handler(handler_);
    return edit(site, wanted, context);
  }

private:
  moodle::SessionSettings memcached(php::Runtime& php, const moodle::Site& site,
                                    cli::Context& context) {
    const moodle::CacheServers chosen = moodle::choose_servers(servers_, php, context.log());
    context.log().detail("chosen: " + chosen.reason);
    std::vector<net::Endpoint> ours = chosen.servers;
    if (servers_.endpoint) {
      ours.push_back(net::parse_endpoint(*servers_.endpoint, 11211));
    }
    refuse_cache_servers(php, site, ours);
    return settings_.memcached(site, chosen.servers);
  }

  ExitCode edit(const moodle::Site& site, const moodle::SessionSettings& wanted,
                cli::Context& context) const {
    const SessionConfig config(site);
    std::string before;
    io::Edit edit;
    edit.path = site.config_path;
    edit.max_bytes = max_bytes;
    edit.plan = [&](const std::string& there) {
      before = there;
      std::string after = config.with(there, wanted);
      if (after != there && handler_ == "memcached" && !force_) {
        require_finished_installation(site, db_timeout_);
      }
      return after;
    };
    edit.verify = [&](const std::string& after) { config.verify(after, before, wanted); };
    edit.lock = [&](const std::string& path) { return lock_config(path, edit_.lock_timeout); };
    const io::Outcome outcome = io::apply(edit, edit_.mode, context);
    context.result("session-result", io::text(outcome));
    return io::exit_code(outcome, edit_.mode);
  }

  moodle::SiteOptions site_;
  std::string handler_ = "memcached";
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
    edit.path = site.config_path;
    edit.max_bytes = max_bytes;
    edit.plan = [&](const std::string& there) { return config.without(there); };
    edit.verify = [&](const std::string& after) {
      moodle::evaluate_config(php, site.config_path, after);
    };
    edit.lock = [&](const std::string& path) { return lock_config(path, edit_.lock_timeout); };
    const io::Outcome outcome = io::apply(edit, edit_.mode, context);
    context.result("session-result", io::text(outcome));
    return io::exit_code(outcome, edit_.mode);
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
