#include "checks.hpp"
#include "cli/size.hpp"
#include "cli/text.hpp"
#include "io/file.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>

using cli::shell_word;
using cli::shown;

namespace {

constexpr std::int64_t moodle_3_9 = 2020061500; ///< the first that keeps when cron began

Outcome is_reachable(const Subject& subject) {
  try {
    (void)subject.database->get();
    return Outcome::good();
  } catch (const cli::Error& error) {
    if (subject.site.text("dbtype") != "pgsql") {
      return Outcome::not_applicable(error.message());
    }
    return Outcome::found({Severity::error, "the database", "cannot be asked: " + error.message(),
                           "no page works without it", "Moodle 4.5 lib/setup.php", ""});
  }
}

constexpr std::size_t largest_environment = 4U << 20U;
constexpr int since_10 = 100'000; ///< from here on the first number is the release

/// The text between two others, and nothing when they are not there.
std::optional<std::string> between(const std::string& text, const std::string& begin,
                                   const std::string& end) {
  const std::size_t at = text.find(begin);
  const std::size_t start = at == std::string::npos ? at : at + begin.size();
  const std::size_t stop = start == std::string::npos ? start : text.find(end, start);
  return stop == std::string::npos ? std::nullopt : std::optional(text.substr(start, stop - start));
}

/// "13" as 130000 and "9.6" as 90600, which is how PostgreSQL counts them.
int version_number(const std::string& text) {
  const std::vector<std::string> parts = cli::split(text, '.');
  const auto part = [&](std::size_t i) {
    return i < parts.size() ? static_cast<int>(cli::parse_unsigned(parts[i]).value_or(0)) : 0;
  };
  return part(0) * 10'000 + (part(0) < 10 ? part(1) * 100 : 0);
}

/// The least PostgreSQL of a release, by the code's own admin/environment.xml; nothing when that
/// does not say.
std::optional<int> least_postgres(const moodle::Site& site, const moodle::Version& version) {
  const std::string file = site.dirroot + "/admin/environment.xml";
  std::error_code error;
  if (site.dirroot.empty() || !std::filesystem::exists(file, error)) {
    return std::nullopt;
  }
  const std::string text = io::read_snapshot(file, largest_environment).content;
  const auto release = between(
      text, fmt::format("<MOODLE version=\"{}.{}\"", version.major, version.minor), "</MOODLE>");
  const auto least =
      release ? between(*release, "name=\"postgres\" version=\"", "\"") : std::nullopt;
  return least ? std::optional(version_number(*least)) : std::nullopt;
}

std::string postgres_text(int version) {
  return version >= since_10 ? std::to_string(version / 10'000)
                             : fmt::format("{}.{}", version / 10'000, version / 100 % 100);
}

Outcome is_new_enough(const Subject& subject) {
  const DatabaseView& view = subject.database->get();
  if (!subject.version) {
    return Outcome::not_applicable("it cannot be told which Moodle this is");
  }
  const auto least = least_postgres(subject.site, *subject.version);
  if (!least) {
    return Outcome::not_applicable("the site's code does not say which PostgreSQL it needs");
  }
  if (view.server.version >= *least) {
    return Outcome::good();
  }
  return Outcome::found(
      {Severity::error, view.where,
       fmt::format("is PostgreSQL {}, and {} needs {}", postgres_text(view.server.version),
                   subject.release(), postgres_text(*least)),
       "Moodle neither installs nor upgrades itself with it",
       subject.site.dirroot + "/admin/environment.xml", ""});
}

Outcome is_near(const Subject& subject) {
  const DatabaseView& view = subject.database->get();
  constexpr std::chrono::microseconds longest{10'000};
  if (view.server.round_trip <= longest) {
    return Outcome::good();
  }
  return Outcome::found(
      {Severity::warning, view.where,
       fmt::format("takes {:.1f} ms to answer a query that does nothing",
                   static_cast<double>(view.server.round_trip.count()) / 1000),
       "a page asks the database a hundred times and more; within a region an answer takes about a "
       "millisecond",
       "https://docs.moodle.org/en/Performance_recommendations", ""});
}

/// The command that lets the wizard go on, whatever address the balancer has next.
std::string mend_lastip(const Subject& subject) {
  const Given& given = subject.given;
  std::string text = subject.command("moodle-lastip");
  // With bit 2 of getremoteaddrconf Moodle sees the balancer's address, else the browser's, which
  // only the log tells (Moodle 4.5 lib/moodlelib.php, getremoteaddr).
  const php::Value* const set = subject.site.evaluation.cfg.find("getremoteaddrconf");
  constexpr std::int64_t skip_forwarded_for = 2;
  const std::int64_t skipped =
      set != nullptr && !set->is_null()
          ? static_cast<std::int64_t>(
              cli::parse_unsigned(set->scalar_text().value_or("")).value_or(0))
          : subject.database->get().installation.getremoteaddrconf.value_or(3);
  const bool sees_balancer = (skipped & skip_forwarded_for) != 0;
  if (given.alb_ips.size() == 1 && !given.access_log && sees_balancer) {
    return text + " --ip " + shell_word(given.alb_ips.front());
  }
  for (const std::string& ip : given.alb_ips) {
    text += " --alb-ip " + shell_word(ip);
  }
  return text + " --access-log "
         + shell_word(given.access_log.value_or("/var/log/apache2/access.log")) + " --watch";
}

Outcome is_installed(const Subject& subject) {
  const DatabaseView& view = subject.database->get();
  const database::InstallationState& state = view.installation;
  const std::string url = subject.site.text("wwwroot") + "/admin/index.php";
  if (!state.has_tables) {
    return Outcome::found({Severity::error, view.where, "holds no Moodle yet",
                           "the installation has not been started; " + shown(url) + " starts it",
                           "Moodle 4.5 admin/index.php", ""});
  }
  if (state.finished) {
    return Outcome::good();
  }
  if (!state.pending_user_id) {
    return Outcome::found({Severity::error, view.where,
                           "holds an installation that has not finished",
                           shown(url) + " goes on with it", "Moodle 4.5 admin/index.php", ""});
  }
  return Outcome::found(
      {Severity::error, view.where,
       fmt::format("holds an installation that waits for the administrator '{}' to come from {}",
                   shown(state.pending_username), shown(state.pending_lastip)),
       "the wizard goes on for a request from that address alone; this keeps it right until the "
       "administrator has finished the installation at "
           + shown(url),
       "Moodle 4.5 admin/index.php", mend_lastip(subject)});
}

/// $version of version.php, with its fraction.
std::optional<std::string> code_version(const std::string& dirroot) {
  constexpr std::size_t largest = 1U << 20U;
  const std::string text = io::read_snapshot(dirroot + "/version.php", largest).content;
  const std::size_t at = text.find("$version");
  const std::size_t start = at == std::string::npos ? at : text.find_first_of("0123456789", at);
  if (start == std::string::npos) {
    return std::nullopt;
  }
  const std::size_t end = text.find_first_not_of("0123456789.", start);
  return text.substr(start, end - start);
}

/// As PHP compares versions: 2024100706 and "2024100706.00" are the same, "2024100706.01" is later.
double version_value(const std::string& text) {
  return std::strtod(text.c_str(), nullptr);
}

/// A script of Moodle's command line: from 5.1 on beside public/ or in it.
std::string cli_script(const Subject& subject, const std::string& name) {
  const std::string code = subject.code_root();
  const std::string root =
      code.empty() ? std::filesystem::path(subject.site.config_path).parent_path().string() : code;
  const std::string usual = fmt::format("{}/admin/cli/{}", root, name);
  const std::string in_public = fmt::format("{}/public/admin/cli/{}", root, name);
  std::error_code error;
  return !std::filesystem::exists(usual, error) && std::filesystem::exists(in_public, error)
             ? in_public
             : usual;
}

Outcome is_upgraded(const Subject& subject) {
  const DatabaseView& view = subject.database->get();
  if (subject.site.dirroot.empty()) {
    return Outcome::not_applicable("the site's code is not on this host");
  }
  const auto code = code_version(subject.site.dirroot);
  const std::string& there = view.installation.version_text;
  if (view.installation.version == 0 || !code) {
    return Outcome::not_applicable("the installation has not finished");
  }
  const double ahead = version_value(*code) - version_value(there);
  if (ahead == 0) {
    return Outcome::good();
  }
  const bool newer = ahead > 0;
  return Outcome::found(
      {Severity::error, view.where,
       fmt::format("is of version {}, and the code of {}", shown(there), *code),
       newer ? "every page leads to the upgrade, or fails"
             : "Moodle refuses to run code that is older than its database",
       "Moodle 4.5 admin/index.php",
       newer ? fmt::format(
           "{}php {} --non-interactive",
           subject.web_user ? fmt::format("sudo -u {} ", shell_word(subject.web_user->name)) : "",
           shell_word(cli_script(subject, "upgrade.php")))
             : ""});
}

Outcome cron_runs(const Subject& subject) {
  const DatabaseView& view = subject.database->get();
  if (!view.installation.finished) {
    return Outcome::not_applicable("the installation has not finished");
  }
  if (view.installation.version < moodle_3_9 && !view.server.last_cron) {
    return Outcome::not_applicable("this Moodle does not keep when cron ran last");
  }
  const std::string user = subject.web_user ? subject.web_user->name : "www-data";
  const std::string line =
      fmt::format("* * * * * {} /usr/bin/php {} >/dev/null", user, cli_script(subject, "cron.php"));
  const std::string mend = fmt::format("echo {} >/etc/cron.d/moodle", cli::shell_quoted(line));
  Finding finding{Severity::error,
                  view.where,
                  "",
                  "without cron no mail, no course completion, no "
                  "backup and no clean-up happens",
                  "Moodle 4.5 admin/tool/task/classes/check/cronrunning.php",
                  mend};
  if (!view.server.last_cron) {
    finding.what = "has never seen cron run";
    return Outcome::found(std::move(finding));
  }
  // As Moodle's own check.
  constexpr std::uint64_t longest = 1U << 30U;
  constexpr std::uint64_t minute = 60;
  constexpr std::int64_t day = 86'400;
  const php::Value* const set = subject.site.evaluation.cfg.find("expectedcronfrequency");
  const auto frequency = set == nullptr || set->is_null()
                             ? std::nullopt
                             : cli::parse_unsigned(set->scalar_text().value_or(""));
  const auto expected =
      static_cast<std::int64_t>(std::min(frequency.value_or(minute), longest) + minute);
  const std::int64_t age = std::time(nullptr) - *view.server.last_cron;
  if (age <= expected) {
    return Outcome::good();
  }
  finding.what =
      fmt::format("has not seen cron for {}", cli::duration_text(static_cast<double>(age)));
  finding.severity = age > day ? Severity::error : Severity::warning;
  return Outcome::found(std::move(finding));
}

/// Starts anew what keeps this host's clock right, and so sets it; nothing where that is not known.
std::string set_clock() {
  for (const char* const unit : {"chronyd", "chrony", "systemd-timesyncd"}) {
    for (const char* const folder : {"/usr/lib/systemd/system", "/lib/systemd/system"}) {
      std::error_code error;
      if (std::filesystem::exists(fmt::format("{}/{}.service", folder, unit), error)) {
        return fmt::format("systemctl restart {}", unit);
      }
    }
  }
  return {};
}

Outcome clocks_agree(const Subject& subject) {
  const DatabaseView& view = subject.database->get();
  constexpr std::chrono::milliseconds most{2'000};
  const std::chrono::milliseconds ahead = view.server.clock_ahead;
  if (std::chrono::abs(ahead) <= most) {
    return Outcome::good();
  }
  return Outcome::found(
      {Severity::warning, "this host's clock",
       fmt::format("is {} {} the database server's",
                   cli::duration_text(static_cast<double>(std::chrono::abs(ahead).count()) / 1000),
                   ahead.count() > 0 ? "behind" : "ahead of"),
       "sessions, tasks and caches expire by each web server's own clock",
       "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/set-time.html", set_clock()});
}

} // namespace

std::vector<Check> database_checks(const SharedSubject& subject) {
  return checks_of(subject, {{"database-reachable", is_reachable},
                             {"database-version", is_new_enough},
                             {"database-latency", is_near},
                             {"installation-finished", is_installed},
                             {"installation-upgraded", is_upgraded},
                             {"cron-running", cron_runs},
                             {"clock-skew", clocks_agree}});
}
