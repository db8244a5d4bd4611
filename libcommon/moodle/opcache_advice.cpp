#include "moodle/opcache_advice.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

namespace moodle {

namespace {

/// PHP reads its own ini syntax best. Gives $found: a list of service, enabled, validates, seconds.
/// The defaults are those of PHP's manual; without a zend_extension line OPcache is not there at
/// all.
constexpr const char* script = R"php(<?php
$read = function (string $service, array $files): array {
    $set = ['opcache.enable' => '1', 'opcache.validate_timestamps' => '1', 'opcache.revalidate_freq' => '2'];
    $loaded = false;
    foreach ($files as $file) {
        $ini = @parse_ini_file($file, false, INI_SCANNER_RAW) ?: [];
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
foreach (glob('/etc/php/*/fpm') as $dir) {
    $found[] = $read('php' . basename(dirname($dir)) . '-fpm',
        ["$dir/php.ini", ...glob("$dir/conf.d/*.ini"), ...glob("$dir/pool.d/*.conf")]);
}
foreach (glob('/etc/apache2/mods-enabled/php*.load') as $module) {
    $dir = '/etc/php/' . substr(basename($module, '.load'), 3) . '/apache2';
    $found[] = $read('apache2', ["$dir/php.ini", ...glob("$dir/conf.d/*.ini")]);
}
if (is_dir('/etc/php-fpm.d')) {
    $found[] = $read('php-fpm', ['/etc/php.ini', ...glob('/etc/php.d/*.ini'), ...glob('/etc/php-fpm.d/*.conf')]);
}
)php";

} // namespace

std::vector<OpcacheSettings> opcache_settings(php::Runtime& php) {
  const php::Run run = php.run({.path = "/opcache-settings.php",
                                .content = script,
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

void advise_reload(php::Runtime& php, const std::string& path, const cli::Log& log) {
  const std::string file = cli::shown(path);
  const std::vector<OpcacheSettings> all = opcache_settings(php);
  if (all.empty()) {
    log.info(
        fmt::format("no PHP serves pages on this host: on each web server, reload PHP so that its "
                    "OPcache sees the new {}",
                    file));
    return;
  }
  for (const OpcacheSettings& one : all) {
    if (!one.enabled) {
      log.info(
          fmt::format("{} on this host sees the new {} at once (no OPcache)", one.service, file));
    } else if (!one.validates) {
      log.info(fmt::format("{} on this host does not see the new {} until 'systemctl reload {}' "
                           "(opcache.validate_timestamps is 0)",
                           one.service, file, one.service));
    } else {
      log.info(
          fmt::format("{} on this host sees the new {} within {} s (opcache.revalidate_freq), or "
                      "after 'systemctl reload {}'",
                      one.service, file, one.seconds, one.service));
    }
  }
  log.info("the other web servers keep the file in an OPcache of their own, each");
}

} // namespace moodle
