#include "cli/size.hpp"
#include "verbs.hpp"

#include <algorithm>

using cli::ExitCode;

namespace {

/// "opcache.memory_consumption" as a fact's name: opcache-memory-consumption.
std::string fact_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '_'; }, '-');
  return name;
}

void show(const Code& code, const std::vector<moodle::OpcacheSetting>& plan, const cli::Log& log) {
  log.info(fmt::format("{} PHP files with {} below {}", code.need.files, cli::size_text(code.bytes),
                       cli::shown(code.dirroot)));
  if (code.measure) {
    log.info(fmt::format("measured: {} of them compiled, {} did not",
                         code.need.files - code.measure->failures.size(),
                         code.measure->failures.size()));
  } else if (code.need.measured) {
    log.info("the memory was measured earlier");
  } else {
    log.info("the memory is estimated, by what a Moodle 4.5 needs for its bytes; --measure tells");
  }
  for (const moodle::OpcacheSetting& setting : plan) {
    log.info(fmt::format("{:<34} {}", fmt::format("{} = {}", setting.name, setting.value),
                         setting.reason));
  }
}

} // namespace

void Plan::declare(cli::Options& options) {
  plan_.declare(options);
  php_.declare(options);
}

void Plan::validate(const cli::Options& options) {
  plan_.validate(options);
  php_.validate();
}

ExitCode Plan::run(cli::Context& context) {
  php::Runtime runtime(plan_.site.php_timeout);
  runtime.start();
  const Code code = examine(plan_, php_, runtime, context);
  const std::vector<moodle::OpcacheSetting> plan = moodle::opcache_plan(code.need, plan_.policy());
  show(code, plan, context.log());
  context.result("opcache-files", std::to_string(code.need.files));
  context.result("opcache-php-bytes", std::to_string(code.bytes));
  context.result("opcache-templates", std::to_string(code.need.templates));
  context.result("opcache-need", code.need.measured ? "measured" : "estimated");
  if (code.need.measured) {
    // Under these names 'write' and 'check' take a measurement; an estimate is none.
    context.result("opcache-script-bytes", std::to_string(code.need.script_bytes));
    context.result("opcache-string-bytes", std::to_string(code.need.string_bytes));
  }
  if (code.measure) {
    context.result("opcache-scripts", std::to_string(code.measure->scripts));
    context.result("opcache-failed", std::to_string(code.measure->failures.size()));
  }
  context.result("opcache-used-bytes", std::to_string(moodle::planned_memory(code.need, plan)));
  for (const moodle::OpcacheSetting& setting : plan) {
    context.result(fact_name(setting.name), setting.value);
  }
  return ExitCode::ok;
}
