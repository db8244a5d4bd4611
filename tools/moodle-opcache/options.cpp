#include "cli/size.hpp"
#include "cli/text.hpp"
#include "verbs.hpp"

#include <algorithm>

using cli::Error;
using cli::ExitCode;
using cli::shown;
using moodle::PhpService;

namespace {

std::string listed(const std::vector<PhpService>& services) {
  std::vector<std::string> words;
  for (const PhpService& service : services) {
    words.push_back(service.version.empty() ? service.sapi : service.sapi + " " + service.version);
  }
  return cli::join(words, ", ");
}

} // namespace

void PhpOptions::declare(cli::Options& options) {
  options.group("PHP");
  options.parsed("sapi", "fpm|apache2|cli", "whose PHP it is (default: the one that serves pages)",
                 [this](const std::string& text) { sapi = text; });
  options.text("php", version, "VERSION", "its version, such as 8.2 (default: the only one)");
  options.text("etc", etc, "DIR", "where PHP's configuration is (default /etc)");
}

void PhpOptions::validate() const {
  if (sapi && *sapi != "fpm" && *sapi != "apache2" && *sapi != "cli") {
    throw Error(ExitCode::usage, fmt::format("'{}' is not a value for --sapi: it is one of fpm, "
                                             "apache2, cli",
                                             shown(*sapi)));
  }
  constexpr std::string_view digits = "0123456789.";
  if (version
      && (version->empty() || version->find_first_not_of(digits) != std::string::npos
          || version->starts_with('.'))) {
    throw Error(ExitCode::usage,
                fmt::format("'{}' is not a version of PHP such as 8.2", shown(*version)));
  }
}

std::vector<PhpService> PhpOptions::fitting() const {
  std::vector<PhpService> fitting;
  for (const PhpService& service : moodle::find_php(etc_folder())) {
    const bool of_kind = sapi ? service.sapi == *sapi : service.serves;
    // A host with one PHP only does not name its version.
    if (of_kind && (!version || service.version.empty() || service.version == *version)) {
      fitting.push_back(service);
    }
  }
  return fitting;
}

PhpService PhpOptions::choose() const {
  const std::vector<PhpService> found = fitting();
  if (found.size() == 1) {
    return found.front();
  }
  const std::vector<PhpService> all = moodle::find_php(etc_folder());
  const std::string folder = shown(etc_folder());
  if (found.empty()) {
    const std::string what =
        fmt::format("PHP{}{}", version ? " " + *version : "",
                    sapi ? " for " + *sapi : std::string(" that serves pages"));
    throw Error(ExitCode::no_input, fmt::format("there is no {} below {}", what, folder),
                all.empty() ? "is PHP installed?" : "there is: " + listed(all));
  }
  throw Error(
      ExitCode::usage,
      fmt::format("there is more than one PHP that fits below {}: {}", folder, listed(found)),
      "choose one with --sapi and --php");
}

PhpService PhpOptions::choose_for_measuring() const {
  const std::vector<PhpService> found = fitting();
  if (sapi || version) {
    return choose();
  }
  if (!found.empty()) {
    return found.front();
  }
  PhpService none;
  none.ini_file = "/dev/null";
  none.ini_folder = "/dev/null";
  return none;
}

void PlanOptions::declare(cli::Options& options) {
  site.declare(options);
  options.group("Memory");
  options.flag("measure", measure,
               "compile all code to learn what it needs, instead of estimating");
  options.seconds("timeout", timeout, "how long that may take (default 300)");
  options.parsed("memory", "SIZE", "how much memory OPcache may have for that (default 2GiB)",
                 [this](const std::string& text) { memory = cli::parse_size(text); });
  constexpr std::uint64_t most = std::uint64_t{1} << 40U;
  options.number("opcache-script-bytes", script_bytes, 0, most,
                 "what 'plan --measure' has found for the code", cli::From::facts);
  options.number("opcache-string-bytes", string_bytes, 0, most,
                 "what it has found for the code's strings", cli::From::facts);
  constexpr std::uint64_t most_headroom = 1000;
  options.number("headroom", headroom_percent, 0, most_headroom,
                 "how many percent more than needed (default 20)");
  progress.declare(options);
  options.group("Changed files");
  constexpr std::uint64_t day = 86'400;
  options.number(
      "revalidate-freq", revalidate_seconds, 1, day,
      "after how many seconds a file is looked at again (default 60, as Moodle advises)");
  options.flag("immutable", immutable,
               "never look at a file again: a change needs a reload of PHP on every server");
}

void PlanOptions::validate(const cli::Options& options) const {
  site.validate();
  progress.validate();
  if (immutable && revalidate_seconds) {
    throw Error(ExitCode::usage, "--immutable and --revalidate-freq exclude each other");
  }
  if (!measure && (timeout || memory)) {
    throw Error(ExitCode::usage, "--timeout and --memory need --measure");
  }
  constexpr std::uint64_t least_memory = 32 * cli::mib;
  constexpr std::uint64_t most_memory = 64 * cli::gib;
  if (memory && (*memory < least_memory || *memory > most_memory)) {
    throw Error(ExitCode::usage, "--memory takes from 32MiB to 64GiB");
  }
  if (script_bytes.has_value() != string_bytes.has_value()) {
    throw Error(options.from_facts("opcache-script-bytes")
                        || options.from_facts("opcache-string-bytes")
                    ? ExitCode::data
                    : ExitCode::usage,
                "--opcache-script-bytes and --opcache-string-bytes belong together");
  }
}

moodle::OpcachePolicy PlanOptions::policy() const {
  moodle::OpcachePolicy policy;
  policy.immutable = immutable;
  policy.revalidate_seconds = revalidate_seconds.value_or(policy.revalidate_seconds);
  policy.headroom_percent = headroom_percent.value_or(policy.headroom_percent);
  return policy;
}
