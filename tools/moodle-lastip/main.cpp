#include "address.hpp"
#include "cli/command.hpp"
#include "cli/text.hpp"
#include "moodle/site.hpp"
#include "request.hpp"
#include "watch.hpp"

#include <algorithm>

namespace {

using cli::Error;
using cli::ExitCode;

/// Moodle before 3.9 may look at X-Forwarded-For when getremoteaddrconf is not set at all.
constexpr std::int64_t moodle_3_9 = 2020061500;

/// The path in a site's address, without the slash at its end.
std::string path_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  std::string path = slash == std::string::npos ? "" : url.substr(slash);
  path.erase(path.find_last_not_of('/') + 1);
  return path;
}

class LastIp : public cli::Command {
public:
  void declare(cli::Options& options) override {
    site_.declare(options);
    options.group("The database");
    options.text("dsn", dsn_, "CONNINFO",
                 "instead of --config: a libpq connection string or URI; '' takes all from libpq's "
                 "environment");
    options.text("prefix", prefix_, "TEXT", "with --dsn: the tables' prefix (default: mdl_)");
    options.text("schema", schema_, "NAME", "with --dsn: the schema that holds the tables");
    options.seconds("db-timeout", request_.db_timeout,
                    "how long the database may take to answer (default: 10)");
    options.group("The address");
    options.text("ip", ip_, "IP", "write this address");
    options.list("alb-ip", alb_ips_, "IP", "an address of the load balancer; may be repeated",
                 cli::From::facts);
    options.input("access-log", request_.access_log,
                  "find the address in this web server log ('-' is standard input)");
    options.text("site-url", site_url_, "URL",
                 "the site's address; its path is where /admin/ begins in the log",
                 cli::From::facts);
    options.group("Watching");
    options.flag("watch", watch_, "keep lastip right until the installation has finished");
    options.seconds("interval", interval_, "how often to look (default: 1)");
    options.seconds("timeout", limit_, "when to give up (default: 3600)");
    mode_.declare(options, cli::EditMode::Diff::none);
  }

  void validate(const cli::Options& options) override {
    mode_.validate();
    validate_database(options);
    validate_addresses(options);
    if (watch_) {
      validate_watch();
    } else if (options.given("interval") || options.given("timeout")) {
      throw Error(ExitCode::usage, "--interval and --timeout go with --watch only");
    }
  }

  ExitCode run(cli::Context& context) override {
    const cli::Log& log = context.log();
    if (!dsn_) {
      read_site();
    }
    if (watch_) {
      const bool changed = lastip::watch(request_, log, interval_, limit_);
      log.info("the installation has finished");
      context.result("lastip-result", changed ? "changed" : "unchanged");
      return ExitCode::ok;
    }
    database::Connection connection(request_.database, "moodle-lastip", request_.db_timeout);
    const auto state = database::read_installation_state(connection);
    if (!is_pending(connection, state, log)) {
      context.result("lastip-result", "unchanged");
      return ExitCode::ok;
    }
    lastip::refuse_forwarded(request_, state);
    warn(state, log);
    return set(context, connection, state, lastip::choose_address(request_));
  }

private:
  void validate_database(const cli::Options& options) {
    if (!dsn_) {
      if (!site_.config) {
        throw Error(ExitCode::usage, "nothing says which database: --config or --dsn is missing");
      }
      if (prefix_ || schema_) {
        throw Error(ExitCode::usage, "--prefix and --schema go with --dsn only");
      }
      site_.validate();
      return;
    }
    if (site_.config && !options.from_facts("config")) {
      throw Error(ExitCode::usage, "--config and --dsn exclude each other");
    }
    database::check_dsn(*dsn_);
    request_.database.dsn = *dsn_;
    request_.database.prefix = prefix_.value_or("mdl_");
    request_.database.schema = schema_.value_or("");
    try {
      database::check_prefix(request_.database.prefix);
    } catch (const Error& error) {
      throw Error(ExitCode::usage, error.message());
    }
  }

  void validate_addresses(const cli::Options& options) {
    if (ip_ && request_.access_log) {
      throw Error(ExitCode::usage, "--ip and --access-log exclude each other");
    }
    if (request_.access_log && request_.access_log->empty()) {
      throw Error(ExitCode::usage, "--access-log needs the name of a file");
    }
    if (ip_) {
      request_.ip = address("ip", *ip_, ExitCode::usage);
    }
    const ExitCode code = options.from_facts("alb-ip") ? ExitCode::data : ExitCode::usage;
    for (const std::string& text : alb_ips_) {
      const std::string found = address("alb-ip", text, code);
      auto& known = request_.alb_ips;
      if (std::find(known.begin(), known.end(), found) == known.end()) {
        known.push_back(found);
      }
    }
    request_.site_path = path_of(site_url_.value_or(""));
  }

  /// Takes from config.php what --dsn would have said, and what Moodle itself goes by.
  void read_site() {
    php::Runtime php(site_.php_timeout);
    const moodle::Site site = moodle::load_site(site_, php);
    request_.database = site.database(by_hand(site.text("prefix")));
    const php::Value* const setting = site.evaluation.cfg.find("getremoteaddrconf");
    if (setting != nullptr && !setting->is_null()) {
      const std::string conf = site.text("getremoteaddrconf");
      const auto number = cli::parse_unsigned(conf.empty() ? "0" : conf);
      if (!number || *number > 255) {
        throw Error(ExitCode::config,
                    fmt::format("{}: $CFG->getremoteaddrconf is '{}', which is no bit set",
                                cli::shown(site.config_path), cli::shown(conf)));
      }
      request_.getremoteaddrconf = static_cast<int>(*number);
    }
    if (!site_url_) {
      request_.site_path = path_of(site.text("wwwroot"));
    }
  }

  /// What an operator of another kind of database can do.
  [[nodiscard]] std::string by_hand(const std::string& prefix) const {
    const std::string ip = request_.ip                    ? *request_.ip
                           : request_.alb_ips.size() == 1 ? request_.alb_ips.front()
                                                          : "ADDRESS";
    const std::string shown = cli::shown(prefix);
    return fmt::format("by hand: SELECT value FROM {0}config WHERE name = 'siteadmins'; then, with "
                       "the first number of that as ID: UPDATE {0}user SET lastip = '{1}' WHERE "
                       "id = ID AND password = 'adminsetuppending';",
                       shown, ip);
  }

  void validate_watch() const {
    if (!mode_.writes()) {
      throw Error(ExitCode::usage, "--watch excludes --dry-run and --check");
    }
    if (request_.access_log == "-") {
      throw Error(ExitCode::usage, "--watch cannot follow standard input: give a log file");
    }
    if (!request_.access_log && !request_.ip && request_.alb_ips.size() != 1) {
      throw Error(ExitCode::usage,
                  request_.alb_ips.empty()
                      ? "--watch needs --access-log, --ip, or one alb-ip fact"
                      : fmt::format("--watch needs --access-log to choose between {}",
                                    cli::join(request_.alb_ips, ", ")));
    }
  }

  static std::string address(const char* name, const std::string& text, ExitCode code) {
    if (auto found = lastip::moodle_address(text)) {
      return *found;
    }
    throw Error(code, fmt::format("'{}' is not a value for {}: it takes an IPv4 or IPv6 address, "
                                  "without port or zone",
                                  cli::shown(text), name));
  }

  /// Whether an administrator waits for the right address. Throws when that cannot be said yet.
  bool is_pending(const database::Connection& connection, const database::InstallationState& state,
                  const cli::Log& log) const {
    if (!state.has_tables) {
      throw Error(ExitCode::config,
                  fmt::format("the {} has no tables {} and {}", connection.where(),
                              connection.table("config"), connection.table("user")),
                  "the installation has not created them yet, or the prefix or the schema is "
                  "another one; --watch waits for them");
    }
    if (state.pending_user_id) {
      return true;
    }
    if (!state.has_administrator) {
      throw Error(
          ExitCode::try_again,
          fmt::format("the {} has no administrator yet: the installation is still creating it",
                      connection.where()),
          "run the command again, or with --watch, which waits");
    }
    log.info(state.finished
                 ? "the installation has finished: lastip does not matter any more"
                 : "the administrator has a password already: lastip does not matter any more");
    return false;
  }

  void warn(const database::InstallationState& state, const cli::Log& log) const {
    if (!request_.ip && !request_.getremoteaddrconf && !state.getremoteaddrconf
        && state.version != 0 && state.version < moodle_3_9) {
      log.warning("Moodle before 3.9 may compare lastip with the browser's own address: if its "
                  "message stays, run this again with that address as --ip");
    }
  }

  ExitCode set(cli::Context& context, database::Connection& connection,
               const database::InstallationState& state, const std::string& address) const {
    const cli::Log& log = context.log();
    const std::string subject = lastip::subject(request_, state);
    if (state.pending_lastip == address) {
      log.info(fmt::format("{} is {} already", subject, address));
      context.result("lastip-result", "unchanged");
      return ExitCode::ok;
    }
    const std::string change =
        fmt::format("to {} (was '{}')", address, cli::shown(state.pending_lastip));
    if (!mode_.writes()) {
      log.info(fmt::format("{} would be set {}", subject, change));
      context.result("lastip-result", "planned");
      return mode_.check ? ExitCode::negative : ExitCode::ok;
    }
    const bool changed = database::set_pending_lastip(connection, *state.pending_user_id, address);
    log.info(fmt::format("{} set {}", subject, change));
    context.result("lastip-result", changed ? "changed" : "unchanged");
    return ExitCode::ok;
  }

  lastip::Request request_;
  moodle::SiteOptions site_;
  cli::EditMode mode_;
  std::optional<std::string> dsn_;
  std::optional<std::string> prefix_;
  std::optional<std::string> schema_;
  std::optional<std::string> ip_;
  std::vector<std::string> alb_ips_;
  std::optional<std::string> site_url_;
  bool watch_ = false;
  std::chrono::milliseconds interval_{1'000};
  std::chrono::milliseconds limit_{3'600'000};
};

} // namespace

int main(int argc, char** argv) {
  return cli::run({.name = "moodle-lastip",
                   .summary = "Repair the address that Moodle's unfinished installation waits for",
                   .verbs = {cli::verb<LastIp>("", "Repair the address that Moodle's unfinished "
                                                   "installation waits for")}},
                  argc, argv);
}
