#include "checks.hpp"
#include "cli/command.hpp"
#include "cli/size.hpp"
#include "cli/text.hpp"
#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

using cli::Error;
using cli::ExitCode;
using cli::shown;

constexpr std::uint64_t most_servers = 10'000;

/// How a person who looks at this terminal likes it.
Style style_of(const cli::Log& log) {
  Style style;
  style.verbose = log.verbosity() == cli::Verbosity::verbose;
  if (::isatty(STDOUT_FILENO) == 0) {
    return style;
  }
  winsize size{};
  constexpr std::size_t usual = 80;
  style.width =
      ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual;
  const char* const no_colour = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  style.colour = (no_colour == nullptr || *no_colour == '\0') && terminal != nullptr
                 && std::string_view(terminal) != "dumb";
  return style;
}

class CheckSite : public cli::Command {
public:
  void declare(cli::Options& options) override {
    given_.site.declare(options);
    options.group("Report");
    options.choice("format", format_, {"text", "json", "junit"},
                   "how the findings are printed (default text)");
    options.choice("fail-on", fail_on_, {"note", "warning", "error"},
                   "exit with 1 for a finding of this severity or a higher one (default warning)");
    options.group("What the site should have");
    declare(options, given_.app_cache, "application caches");
    declare(options, given_.session_cache, "sessions");
    options.list("alb-ip", given_.alb_ips, "IP", "an address of the load balancer; may be repeated",
                 cli::From::facts);
    options.text("alb-dns", given_.alb_dns, "NAME", "the load balancer's own name",
                 cli::From::facts);
    options.text("site-url", given_.site_url, "URL", "the site's address", cli::From::facts);
    options.number("web-asg-max", given_.web_servers, 0, most_servers,
                   "how many web servers there may be at most", cli::From::facts);
    options.text("efs-id", given_.efs_id, "ID", "the EFS file system", cli::From::facts);
    options.text("efs-throughput-mode", given_.efs_mode, "bursting|elastic|provisioned",
                 "how EFS grants throughput", cli::From::facts);
    declare_size(options, "efs-size-bytes", given_.efs_size_bytes,
                 "what is stored in its Standard class");
    declare_size(options, "efs-burst-credits", given_.efs_credits,
                 "the burst credits that are left (CloudWatch's BurstCreditBalance)");
    options.group("This host");
    options.text(
        "web-user", given_.web_user, "NAME",
        "as whom the web server runs (default: the owner of dataroot, unless that is root)");
    options.text("access-log", given_.access_log, "FILE",
                 "the web server's log, for the command that mends an unfinished installation "
                 "(default /var/log/apache2/access.log)");
    options.text("etc", etc_, "DIR", "where PHP's configuration is (default /etc)");
    options.text("ca-file", given_.ca_file, "FILE",
                 "trust these authorities where config.php names none");
    options.text("password-file", given_.password_file, "FILE",
                 "the file with the Redis password, for the commands that mend");
    options.seconds("timeout", given_.timeout, "how long a server may take to answer (default 5)");
  }

  void validate(const cli::Options& options) override {
    given_.site.validate();
    given_.etc = etc_.value_or("/etc");
    validate(options, given_.app_cache);
    validate(options, given_.session_cache);
    const auto& mode = given_.efs_mode;
    if (mode && *mode != "bursting" && *mode != "elastic" && *mode != "provisioned") {
      throw wrong(options, "efs-throughput-mode",
                  fmt::format("'{}' is none of bursting, elastic, provisioned", shown(*mode)));
    }
  }

  ExitCode run(cli::Context& context) override {
    php::Runtime php(given_.site.php_timeout);
    php.start();
    const SharedSubject subject = look_at(given_, php);
    std::vector<Check> checks;
    for (const auto& make : {folder_checks, code_checks, database_checks, session_checks,
                             cache_checks, php_checks, efs_checks, web_checks}) {
      for (Check& check : make(subject)) {
        checks.push_back(std::move(check));
      }
    }
    const std::vector<Result> results = ask_all(checks, subject->deadline);
    const Severity least = severity(fail_on_);
    if (format_ == "json") {
      context.print(as_json(results, subject->site.config_path,
                            subject->version ? subject->version->text() : ""));
    } else if (format_ == "junit") {
      context.print(as_junit(results, least));
    } else {
      context.print(as_text(results, style_of(context.log())));
    }
    const bool failed = std::any_of(results.begin(), results.end(), [&](const Result& result) {
      return std::any_of(result.outcome.findings.begin(), result.outcome.findings.end(),
                         [&](const Finding& finding) { return is_at_or_above(finding, least); });
    });
    return failed ? ExitCode::negative : ExitCode::ok;
  }

private:
  static void declare(cli::Options& options, CacheFacts& cache, const std::string& what) {
    options.text(cache.name + "-endpoint", cache.endpoint, "HOST[:PORT]",
                 "the endpoint of the cluster for " + what, cli::From::facts);
    options.list(cache.name + "-node", cache.nodes, "HOST[:PORT]", "a node of that cluster",
                 cli::From::facts);
    options.text(cache.name + "-engine", cache.engine, "memcached|redis|valkey",
                 "what it is (default memcached)", cli::From::facts);
    options.parsed(
        cache.name + "-tls", "true|false", "whether it wants TLS (default false)",
        [&cache](const std::string& text) {
          if (text != "true" && text != "false") {
            throw Error(ExitCode::usage,
                        fmt::format("'{}' is neither true nor false", shown(text)));
          }
          cache.tls = text == "true";
        },
        cli::From::facts);
  }

  static void declare_size(cli::Options& options, const char* name,
                           std::optional<std::uint64_t>& target, const char* help) {
    options.parsed(
        name, "SIZE", help, [&target](const std::string& text) { target = cli::parse_size(text); },
        cli::From::facts);
  }

  static Error wrong(const cli::Options& options, const std::string& name, const std::string& why) {
    const bool fact = options.from_facts(name);
    return {fact ? ExitCode::data : ExitCode::usage,
            fmt::format("{}{}: {}", fact ? "in the facts: " : "--", name, why)};
  }

  static void validate(const cli::Options& options, const CacheFacts& cache) {
    if (cache.engine && *cache.engine != "memcached" && *cache.engine != "redis"
        && *cache.engine != "valkey") {
      throw wrong(options, cache.name + "-engine",
                  fmt::format("'{}' is none of memcached, redis, valkey", shown(*cache.engine)));
    }
    const auto parse = [&](const std::string& option, const std::string& text) {
      try {
        net::parse_endpoint(text, moodle::default_port(cache.protocol()));
      } catch (const Error& error) {
        throw wrong(options, cache.name + option, error.message());
      }
    };
    if (cache.endpoint) {
      parse("-endpoint", *cache.endpoint);
    }
    for (const std::string& node : cache.nodes) {
      parse("-node", node);
    }
  }

  static Severity severity(const std::string& name) {
    for (const Severity one : {Severity::note, Severity::error}) {
      if (name == text(one)) {
        return one;
      }
    }
    return Severity::warning;
  }

  Given given_;
  std::string format_;
  std::string fail_on_;
  std::optional<std::string> etc_;
};

} // namespace

int main(int argc, char** argv) {
  const std::string summary = "Say what is wrong with a Moodle site, and which command mends it";
  return cli::run(
      {.name = "moodle-check", .summary = summary, .verbs = {cli::verb<CheckSite>("", summary)}},
      argc, argv);
}
