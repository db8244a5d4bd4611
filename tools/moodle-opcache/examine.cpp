#include "cli/size.hpp"
#include "verbs.hpp"

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

/// A list is cut where nobody reads on.
constexpr std::size_t most_lines = 20;

void warn_of_unreadable(const moodle::PhpCode& code, const cli::Log& log) {
  for (std::size_t i = 0; i < code.unreadable.size() && i < most_lines; ++i) {
    log.warning(
        fmt::format("cannot look into {}: its files are not counted", shown(code.unreadable[i])));
  }
  if (code.unreadable.size() > most_lines) {
    log.warning(fmt::format("and {} more folders", code.unreadable.size() - most_lines));
  }
}

void warn_of_failures(const moodle::OpcacheMeasure& measure, const cli::Log& log) {
  for (std::size_t i = 0; i < measure.failures.size() && i < most_lines; ++i) {
    const auto& [path, reason] = measure.failures[i];
    log.warning(fmt::format("{} does not compile: {}", shown(path), shown(reason)));
  }
  if (measure.failures.size() > most_lines) {
    log.warning(fmt::format("and {} more files", measure.failures.size() - most_lines));
  }
}

moodle::OpcacheMeasure measure(const moodle::PhpCode& code, const PlanOptions& options,
                               const PhpOptions& php, const cli::Log& log) {
  moodle::MeasureLimits limits;
  limits.timeout = options.timeout.value_or(limits.timeout);
  limits.memory_bytes = options.memory.value_or(limits.memory_bytes);
  cli::Progress progress(options.progress, log.verbosity() == cli::Verbosity::quiet, code.bytes);
  return moodle::measure_need(code, php.choose_for_measuring(), limits,
                              [&](std::uint64_t bytes) { progress.show(bytes); });
}

} // namespace

Code examine(const PlanOptions& options, const PhpOptions& php, php::Runtime& runtime,
             const cli::Context& context) {
  const moodle::Site site = moodle::load_site(options.site, runtime);
  if (site.dirroot.empty()) {
    throw Error(ExitCode::no_input,
                fmt::format("{}: the site's code is not on this host", shown(site.config_path)));
  }
  const moodle::PhpCode files = moodle::find_php_code(site.dirroot);
  warn_of_unreadable(files, context.log());
  Code code;
  code.dirroot = site.dirroot;
  code.config_path = *options.site.config;
  code.bytes = files.bytes;
  code.need = moodle::estimate_need(files);
  if (options.measure) {
    code.measure = measure(files, options, php, context.log());
    code.need = code.measure->need;
    warn_of_failures(*code.measure, context.log());
  } else if (options.script_bytes) {
    code.need.script_bytes = *options.script_bytes;
    code.need.string_bytes = *options.string_bytes;
    code.need.measured = true;
  }
  return code;
}
