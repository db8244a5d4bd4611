#include "cli/input.hpp"
#include "cli/text.hpp"
#include "io/mounts.hpp"
#include "process.hpp"
#include "verbs.hpp"

#include <algorithm>

using cli::ExitCode;
using cli::shown;

namespace {

constexpr std::size_t max_phpinfo = 16U << 20U;

/// The command that has this PHP's settings: Apache's module can only be asked through the command
/// line's PHP.
std::string program(const moodle::PhpService& service) {
  return (service.sapi == "fpm" ? "php-fpm" : "php") + service.version;
}

/// PHP tells what is set, and the files tell where, and what exactly: PHP shows every switch as On
/// or Off.
void explain(moodle::PhpSettings& told, const moodle::PhpSettings& read) {
  for (auto& [name, value] : told.values) {
    const auto line = read.values.find(name);
    if (line == read.values.end()) {
      value.where.clear(); // nobody set it
      continue;
    }
    value.where = line->second.where;
    if ((value.text == "On" || value.text == "Off") && told.on(name) == read.on(name)) {
      value.text = line->second.text;
    }
  }
}

/// Whatever is mended by the same command is mended by it at once.
void report(const std::vector<moodle::OpcacheFinding>& findings,
            const std::vector<std::string>& mending, const cli::Log& log) {
  for (const moodle::OpcacheFinding& finding : findings) {
    log.warning(fmt::format("{} is {}, and should be {}{}: {} ({})", finding.setting,
                            finding.found.empty() ? "empty" : shown(finding.found),
                            finding.wanted.empty() ? "empty" : finding.wanted,
                            finding.where.empty() ? "" : ", in " + shown(finding.where),
                            finding.why, finding.source));
  }
  for (const std::string& command : mending) {
    log.info("mend it with: " + command);
  }
}

std::vector<std::string> distinct(std::vector<std::string> words) {
  std::vector<std::string> once;
  for (std::string& word : words) {
    if (std::find(once.begin(), once.end(), word) == once.end()) {
      once.push_back(std::move(word));
    }
  }
  return once;
}

} // namespace

void Check::declare(cli::Options& options) {
  plan_.declare(options);
  php_.declare(options);
  options.group("Settings");
  options.input(
      "phpinfo", phpinfo_,
      "what 'php-fpm -i' or 'php -i' printed, instead of running it; - is standard input");
}

void Check::validate(const cli::Options& options) {
  plan_.validate(options);
  php_.validate();
}

moodle::PhpSettings Check::read(const moodle::PhpService& service, php::Runtime& runtime,
                                const cli::Log& log) const {
  if (phpinfo_) {
    const cli::Input input = cli::read_input(*phpinfo_, max_phpinfo);
    moodle::PhpSettings told = moodle::parse_phpinfo(input.text, input.name);
    for (auto& [name, value] : told.values) {
      value.where.clear(); // perhaps another host's
    }
    return told;
  }
  const std::vector<std::string> command{program(service), "-c", service.ini_file, "-i"};
  const std::optional<std::string> text = output_of(
      command, {{std::string("PHP_INI_SCAN_DIR"), service.ini_folder}}, plan_.site.php_timeout);
  if (!text) {
    log.warning(fmt::format("'{}' failed: its .ini files are read in its place",
                            shown(cli::join(command, " "))));
    return moodle::read_settings(runtime, {service}).front();
  }
  moodle::PhpSettings told = moodle::parse_phpinfo(*text, command.front() + " -i");
  moodle::PhpService without_pools = service;
  without_pools.pools.clear();
  explain(told, moodle::read_settings(runtime, {without_pools}).front());
  moodle::apply_pools(runtime, service, told);
  return told;
}

ExitCode Check::run(cli::Context& context) {
  php::Runtime runtime(plan_.site.php_timeout);
  runtime.start();
  const moodle::PhpService service = php_.choose();
  const moodle::PhpSettings settings = read(service, runtime, context.log());
  const Code code = examine(plan_, php_, runtime, context);
  const std::vector<moodle::OpcacheFinding> findings =
      moodle::opcache_findings(settings, code.need, plan_.policy(),
                               {.dirroot = code.dirroot, .shared_type = io::shared_type});
  std::string options = moodle::write_options(plan_.policy());
  if (code.need.measured) {
    options += fmt::format(" --opcache-script-bytes {} --opcache-string-bytes {}",
                           code.need.script_bytes, code.need.string_bytes);
  }
  std::vector<std::string> mending;
  for (const moodle::OpcacheFinding& finding : findings) {
    mending.push_back(
        moodle::mend_command(finding, service, code.config_path, options, php_.etc_folder()));
  }
  report(findings, distinct(std::move(mending)), context.log());
  if (findings.empty()) {
    context.log().info(
        fmt::format("{} has the right settings for {} PHP files", service.name(), code.need.files));
  }
  std::vector<std::string> names;
  for (const moodle::OpcacheFinding& finding : findings) {
    names.push_back(finding.setting);
  }
  context.result("opcache-service", service.name());
  context.result("opcache-files", std::to_string(code.need.files));
  context.result("opcache-finding", names);
  context.result("opcache-result", findings.empty() ? "good" : "bad");
  return findings.empty() ? ExitCode::ok : ExitCode::negative;
}
