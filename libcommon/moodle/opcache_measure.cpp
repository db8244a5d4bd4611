#include "moodle/opcache_measure.hpp"

#include "cli/error.hpp"
#include "cli/size.hpp"
#include "moodle/managed_block.hpp"

#include <sys/stat.h>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using Clock = std::chrono::steady_clock;

namespace {

/// Takes $files. Gives $failed: the reason by the file's place in the list. Warnings are no news,
/// and what ends PHP's compiler ends one file only.
constexpr const char* compile = R"php(
$last = '';
set_error_handler(static function ($level, $text) use (&$last) {
    $last = $text;
    return true;
});
$failed = [];
foreach ($files as $at => $file) {
    $last = '';
    error_clear_last();
    try {
        if (!opcache_compile_file($file)) {
            $failed[$at] = error_get_last()['message'] ?? $last;
        }
    } catch (Throwable $problem) {
        $failed[$at] = $problem->getMessage() . ' in line ' . $problem->getLine();
    }
}
)php";

constexpr const char* status = R"php(
$status = function_exists('opcache_get_status') ? @opcache_get_status(false) : false;
$status = is_array($status) ? [$status['cache_full'], $status['memory_usage']['used_memory'],
    $status['memory_usage']['wasted_memory'], $status['interned_strings_usage']['used_memory'],
    $status['interned_strings_usage']['free_memory'], $status['opcache_statistics']['num_cached_scripts']] : [];
)php";

/// Few enough for a timely look at the clock, and for a PHP that forgets what it declared.
constexpr std::size_t files_at_a_time = 250;

class Compiler {
public:
  Compiler(php::Setup setup, const MeasureLimits& limits)
      : php_(limits.timeout, std::move(setup)), limits_(limits) {}

  /// The reasons of those that failed, by their place in the list.
  std::vector<std::pair<std::size_t, std::string>>
  compile_all(const std::vector<std::string>& files) {
    php::Array list;
    for (const std::string& file : files) {
      list.push(file);
    }
    const php::Value found =
        run(fmt::format("$files = {};{}", php_literal(list), compile), "failed");
    std::vector<std::pair<std::size_t, std::string>> failed;
    for (const auto& [key, reason] : found.array()->entries) {
      failed.emplace_back(static_cast<std::size_t>(std::get<std::int64_t>(key)),
                          reason.string() == nullptr ? "" : *reason.string());
    }
    return failed;
  }

  /// See the script; empty when there is no OPcache.
  std::vector<std::uint64_t> state() {
    std::vector<std::uint64_t> numbers;
    const php::Value found = run(status, "status");
    for (const auto& [key, number] : found.array()->entries) {
      numbers.push_back(number.integer() ? static_cast<std::uint64_t>(*number.integer())
                                         : static_cast<std::uint64_t>(number.truthy()));
    }
    return numbers;
  }

private:
  php::Value run(const std::string& code, const char* variable) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now());
    if (left <= std::chrono::milliseconds::zero()) {
      late();
    }
    php_.set_timeout(left);
    php::Run made;
    try {
      made = php_.run({.path = "/compiling the code",
                       .content = "<?php " + code,
                       .stop_at = {},
                       .stop_marker = {},
                       .constants = {},
                       .variables = {variable}});
    } catch (const Error& error) {
      if (error.code() == ExitCode::unavailable) {
        late();
      }
      throw;
    }
    const php::Value* const found = made.variables.find(variable);
    if (found == nullptr || found->array() == nullptr) {
      throw Error(ExitCode::config, "PHP gave up compiling the code: " + cli::shown(made.message));
    }
    return *found;
  }

  [[noreturn]] void late() const {
    throw Error(ExitCode::unavailable,
                fmt::format("cannot measure: compiling all code takes more than {:g} s",
                            static_cast<double>(limits_.timeout.count()) / 1000),
                "give it more with --timeout, or estimate without --measure");
  }

  php::Runtime php_;
  MeasureLimits limits_;
  Clock::time_point end_ = Clock::now() + limits_.timeout;
};

php::Setup setup_for(const PhpService& service, std::uint64_t memory_mib, std::uint64_t buffer_mib,
                     std::uint64_t max_files) {
  return {.ini_file = service.ini_file,
          .ini_folder = service.ini_folder,
          .settings = {{"zend_extension", "opcache"},
                       {"opcache.enable", "1"},
                       {"opcache.memory_consumption", std::to_string(memory_mib)},
                       {"opcache.interned_strings_buffer", std::to_string(buffer_mib)},
                       {"opcache.max_accelerated_files", std::to_string(max_files)},
                       // Everything is to be compiled and kept, however new or large it is.
                       {"opcache.file_update_protection", "0"},
                       {"opcache.max_file_size", "0"},
                       {"opcache.blacklist_filename", ""},
                       {"opcache.file_cache", ""},
                       {"opcache.file_cache_only", "0"},
                       {"opcache.preload", ""},
                       {"opcache.restrict_api", ""},
                       {"opcache.use_cwd", "1"},
                       {"opcache.save_comments", "1"},
                       {"opcache.jit", "disable"},
                       {"opcache.jit_buffer_size", "0"},
                       {"opcache.log_verbosity_level", "0"},
                       {"disable_functions", ""},
                       {"open_basedir", ""},
                       {"memory_limit", "-1"},
                       {"max_execution_time", "0"}},
          .memory_bytes = memory_mib * cli::mib + cli::gib};
}

std::uint64_t size_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

} // namespace

OpcacheMeasure measure_need(const PhpCode& code, const PhpService& service,
                            const MeasureLimits& limits,
                            const std::function<void(std::uint64_t bytes)>& done) {
  OpcacheMeasure measure;
  measure.need = estimate_need(code);
  // Room for twice the estimate: only what is used is taken from the host.
  const OpcacheNeed guess = measure.need;
  const std::uint64_t most_mib = limits.memory_bytes / cli::mib;
  const std::uint64_t memory_mib =
      std::min(most_mib, std::max<std::uint64_t>(128, 3 * (guess.script_bytes + guess.string_bytes)
                                                          / cli::mib));
  measure.buffer_mib =
      std::min(memory_mib / 4, std::uint64_t{16} + 3 * guess.string_bytes / cli::mib);
  measure.max_accelerated_files = std::min<std::uint64_t>(1'000'000, table_size(guess.files * 2));
  Compiler compiler(
      setup_for(service, memory_mib, measure.buffer_mib, measure.max_accelerated_files), limits);
  const std::vector<std::uint64_t> before = compiler.state();
  if (before.empty()) {
    throw Error(ExitCode::config, "cannot measure: PHP has no OPcache on this host",
                "install it (Debian: php8.2-opcache, Amazon Linux: php-opcache)");
  }
  std::uint64_t bytes = 0;
  std::vector<std::string> again;
  for (std::size_t at = 0; at < code.paths.size(); at += files_at_a_time) {
    const std::size_t end = std::min(code.paths.size(), at + files_at_a_time);
    const std::vector<std::string> files(code.paths.begin() + static_cast<std::ptrdiff_t>(at),
                                         code.paths.begin() + static_cast<std::ptrdiff_t>(end));
    for (const auto& [place, reason] : compiler.compile_all(files)) {
      again.push_back(files.at(place));
    }
    for (const std::string& file : files) {
      bytes += size_of(file);
    }
    done(bytes);
  }
  for (const std::string& file : again) {
    for (const auto& [place, reason] : compiler.compile_all({file})) {
      measure.failures.emplace_back(file, reason);
    }
  }
  const std::vector<std::uint64_t> after = compiler.state();
  const bool full = after.at(0) != 0 || after.at(4) < 4096;
  measure.scripts = after.at(5);
  if (full) {
    throw Error(ExitCode::unavailable,
                fmt::format("cannot measure: all code takes more than the {} that OPcache had",
                            cli::size_text(memory_mib * cli::mib)),
                "give it more with --memory, or estimate without --measure");
  }
  measure.used_memory = after.at(1) + after.at(2);
  const std::uint64_t buffer = measure.buffer_mib * cli::mib;
  measure.need.measured = true;
  OpcacheNeed nothing;
  measure.need.script_bytes =
      measure.used_memory - used_memory(nothing, measure.buffer_mib, measure.max_accelerated_files);
  measure.need.string_bytes = after.at(3) - (buffer - usable_strings(measure.buffer_mib));
  return measure;
}

} // namespace moodle
