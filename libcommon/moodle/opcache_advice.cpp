#include "moodle/opcache_advice.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "moodle/managed_block.hpp"

namespace moodle {

namespace {

/// PHP reads its own ini syntax best. Gives $found: a list of service, enabled, validates, seconds.
/// The defaults are those of PHP's manual; without a zend_extension line OPcache is not there at
/// all.
constexpr const char* script = R"php(
$read = function (string $service, array $files): array {
    $set = ['opcache.enable' => '1', 'opcache.validate_timestamps' => '1', 'opcache.revalidate_freq' => '2'];
    $loaded = false;
    foreach ($files as $file) {
        // Only the lines that matter: php.ini is long, and most of the others are about other things.
        $lines = implode('', preg_grep('/opcache/i', @file($file) ?: []));
        $ini = @parse_ini_string($lines, false, INI_SCANNER_RAW) ?: [];
        $loaded = $loaded || str_contains(implode(' ', (array) ($ini['zend_extension'] ?? '')), 'opcache');
        foreach ([$ini, $ini['php_value'] ?? [], $ini['php_flag'] ?? [], $ini['php_admin_value'] ?? [],
                $ini['php_admin_flag'] ?? []] as $values) {
            $set = array_merge($set, array_intersect_key((array) $values, $set));
        }
    }
    $on = fn($text) => in_array(strtolower(trim((string) $text)), ['1', 'on', 'yes', 'true'], true);
    return [$service, $loaded && $on($set['opcache.enable']), $on($set['opcache.validate_timestamps']),
            (int) $set['opcache.revalidate_freq']];
};
$found = [];
foreach (glob("$etc/php/*/fpm") as $dir) {
    $found[] = $read('php' . basename(dirname($dir)) . '-fpm',
        ["$dir/php.ini", ...glob("$dir/conf.d/*.ini"), ...glob("$dir/pool.d/*.conf")]);
}
foreach (glob("$etc/apache2/mods-enabled/php*.load") as $module) {
    $dir = "$etc/php/" . substr(basename($module, '.load'), 3) . '/apache2';
    $found[] = $read('apache2', ["$dir/php.ini", ...glob("$dir/conf.d/*.ini")]);
}
if (is_dir("$etc/php-fpm.d")) {
    $found[] = $read('php-fpm', ["$etc/php.ini", ...glob("$etc/php.d/*.ini"), ...glob("$etc/php-fpm.d/*.conf")]);
}
)php";

} // namespace

std::vector<OpcacheSettings> opcache_settings(php::Runtime& php, const std::string& etc) {
  const php::Run run =
      php.run({.path = "/opcache-settings.php",
               .content = fmt::format("<?php $etc = {};{}", php_literal(etc), script),
               .stop_at = {},
               .stop_marker = {},
               .constants = {},
               .variables = {"found"}});
  std::vector<OpcacheSettings> all;
  const php::Value* const found = run.variables.find("found");
  if (found == nullptr || found->array() == nullptr) {
    return all;
  }
  for (const auto& [key, entry] : found->array()->entries) {
    const auto& values = entry.array()->entries;
    all.push_back({*values[0].second.string(), values[1].second.truthy(), values[2].second.truthy(),
                   *values[3].second.integer()});
  }
  return all;
}

std::vector<std::string> reload_advice(const std::vector<OpcacheSettings>& settings,
                                       const std::string& path) {
  const std::string file = cli::shown(path);
  if (settings.empty()) {
    return {fmt::format("no PHP serves pages on this host: on each web server, reload PHP so that "
                        "its OPcache sees the new {}",
                        file)};
  }
  std::vector<std::string> advice;
  for (const OpcacheSettings& one : settings) {
    const std::string who = one.service + " on this host";
    if (!one.enabled) {
      advice.push_back(fmt::format("{} sees the new {} at once (no OPcache)", who, file));
    } else if (!one.validates) {
      advice.push_back(fmt::format("{} does not see the new {} until 'systemctl reload {}' "
                                   "(opcache.validate_timestamps is 0)",
                                   who, file, one.service));
    } else {
      advice.push_back(fmt::format("{} sees the new {} within {} s (opcache.revalidate_freq), or "
                                   "after 'systemctl reload {}'",
                                   who, file, one.seconds, one.service));
    }
  }
  advice.emplace_back("the other web servers keep the file in an OPcache of their own, each");
  return advice;
}

void advise_reload(php::Runtime& php, const std::string& path, const cli::Log& log) {
  if (log.verbosity() == cli::Verbosity::quiet) {
    return;
  }
  for (const std::string& line : reload_advice(opcache_settings(php, "/etc"), path)) {
    log.info(line);
  }
}

} // namespace moodle
