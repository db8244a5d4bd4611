#include "moodle/php_settings.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "moodle/managed_block.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

namespace moodle {

using cli::Error;
using cli::ExitCode;

namespace {

/// PHP reads its own ini syntax best. Takes $services: [php.ini, folder, pools] each. Gives $found:
/// for each of them [OPcache, Xdebug, [[name, text, file]...], [[name, text, file]...]], the second
/// list from pools. Without a zend_extension line OPcache is not there at all, up to PHP 8.4.
constexpr const char* script = R"php(
$lines = function (string $file): string {
    // Only the lines that matter: php.ini is long, and most of the others are about other things.
    preg_match_all('/^[^;\n]*(?:opcache|xdebug|realpath).*$/mi', (string) @file_get_contents($file), $match);
    return implode("\n", $match[0]);
};
$wanted = fn($name) => preg_match('/^(opcache\.|realpath_cache_|xdebug\.mode$)/', (string) $name) === 1;
$found = [];
foreach ($services as [$main, $folder, $pools]) {
    $extensions = '';
    $set = $pooled = [];
    foreach ([$main, ...(glob("$folder/*.ini") ?: [])] as $file) {
        $text = $lines($file);
        preg_match_all('/^\s*zend_extension\s*=\s*([^;\n]+)/mi', $text, $match);
        $extensions .= implode(' ', $match[1]) . ' ';
        foreach (@parse_ini_string($text, false, INI_SCANNER_RAW) ?: [] as $name => $value) {
            if ($wanted($name) && is_string($value)) {
                $set[] = [$name, trim($value), $file];
            }
        }
    }
    foreach ($pools === '' ? [] : (glob("$pools/*.conf") ?: []) as $file) {
        $ini = @parse_ini_string($lines($file), false, INI_SCANNER_RAW) ?: [];
        foreach (['php_value', 'php_flag', 'php_admin_value', 'php_admin_flag'] as $kind) {
            foreach ((array) ($ini[$kind] ?? []) as $name => $value) {
                if ($wanted($name) && is_string($value)) {
                    $pooled[] = [$name, trim($value), $file];
                }
            }
        }
    }
    $found[] = [stripos($extensions, 'opcache') !== false, stripos($extensions, 'xdebug') !== false, $set, $pooled];
}
)php";

/// The defaults of PHP 8.2 (manual, opcache.configuration and ini.core), where they are not 0 or
/// empty.
const std::map<std::string, std::string>& defaults() {
  static const std::map<std::string, std::string> all{
      {"opcache.enable", "1"},
      {"opcache.memory_consumption", "128"},
      {"opcache.interned_strings_buffer", "8"},
      {"opcache.max_accelerated_files", "10000"},
      {"opcache.max_wasted_percentage", "5"},
      {"opcache.validate_timestamps", "1"},
      {"opcache.revalidate_freq", "2"},
      {"opcache.use_cwd", "1"},
      {"opcache.save_comments", "1"},
      {"opcache.enable_file_override", "0"},
      {"opcache.file_cache_only", "0"},
      {"opcache.max_file_size", "0"},
      {"opcache.jit", "tracing"},
      {"opcache.jit_buffer_size", "0"},
      {"realpath_cache_size", "4096K"},
      {"realpath_cache_ttl", "120"},
  };
  return all;
}

/// Read once, by FPM's master, before it starts a pool.
bool is_of_the_start(const std::string& name) {
  constexpr std::array<std::string_view, 6> all{"opcache.memory_consumption",
                                                "opcache.interned_strings_buffer",
                                                "opcache.max_accelerated_files",
                                                "opcache.jit_buffer_size",
                                                "opcache.preload",
                                                "opcache.preload_user"};
  return std::find(all.begin(), all.end(), name) != all.end();
}

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return made;
}

const php::Array& entry(const php::Array& list, std::size_t at) {
  return *list.entries[at].second.array();
}

void take_pools(const php::Array& pooled, PhpSettings& settings) {
  for (const auto& [key, line] : pooled.entries) {
    const auto& words = line.array()->entries;
    const std::string& name = *words[0].second.string();
    (is_of_the_start(name) ? settings.ineffective : settings.values)[name] = {
        *words[1].second.string(), *words[2].second.string()};
  }
}

php::Array ask(php::Runtime& php, const std::vector<PhpService>& services) {
  php::Array list;
  for (const PhpService& service : services) {
    php::Array one;
    one.push(service.ini_file);
    one.push(service.ini_folder);
    one.push(service.pools);
    list.push(one);
  }
  const php::Run run =
      php.run({.path = "/php-settings.php",
               .content = fmt::format("<?php $services = {};{}", php_literal(list), script),
               .stop_at = {},
               .stop_marker = {},
               .constants = {},
               .variables = {"found"}});
  const php::Value* const found = run.variables.find("found");
  if (found == nullptr || found->array() == nullptr
      || found->array()->entries.size() != services.size()) {
    throw Error(ExitCode::bug, "cannot read PHP's ini files: " + cli::shown(run.message));
  }
  return *found->array();
}

/// From PHP 8.5 on (its UPGRADING, "OPcache").
bool has_opcache_built_in(const PhpService& service) {
  const auto version = cli::split(service.version, '.');
  const auto part = [&](std::size_t i) {
    return i < version.size() ? cli::parse_unsigned(version[i]).value_or(0) : 0;
  };
  return part(0) > 8 || (part(0) == 8 && part(1) >= 5);
}

bool is_directory(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& found : std::filesystem::directory_iterator(folder, error)) {
    names.push_back(found.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

} // namespace

std::string PhpService::name() const {
  return unit.empty() ? fmt::format("php{} ({})", version, sapi) : unit;
}

std::vector<PhpService> find_php(const std::string& etc) {
  std::vector<PhpService> all;
  for (const std::string& version : names_in(etc + "/php")) {
    const std::string root = fmt::format("{}/php/{}", etc, version);
    const auto add = [&](const std::string& sapi, const std::string& unit, bool serves) {
      const std::string folder = fmt::format("{}/{}", root, sapi);
      if (is_directory(folder)) {
        all.push_back({.sapi = sapi,
                       .version = version,
                       .unit = unit,
                       .serves = serves,
                       .ini_file = folder + "/php.ini",
                       .ini_folder = folder + "/conf.d",
                       .pools = sapi == "fpm" ? folder + "/pool.d" : ""});
      }
    };
    // A package that was removed leaves its folder behind (Debian Policy, "conffiles").
    std::error_code error;
    add("fpm", "php" + version + "-fpm",
        etc != "/etc" || std::filesystem::exists("/usr/sbin/php-fpm" + version, error));
    add("apache2", "apache2",
        std::filesystem::exists(fmt::format("{}/apache2/mods-enabled/php{}.load", etc, version),
                                error));
    add("cli", "", false);
  }
  if (is_directory(etc + "/php.d") || is_directory(etc + "/php-fpm.d")) {
    const bool fpm = is_directory(etc + "/php-fpm.d");
    all.push_back({.sapi = fpm ? "fpm" : "cli",
                   .version = "",
                   .unit = fpm ? "php-fpm" : "",
                   .serves = fpm,
                   .ini_file = etc + "/php.ini",
                   .ini_folder = etc + "/php.d",
                   .pools = fpm ? etc + "/php-fpm.d" : ""});
  }
  return all;
}

std::vector<PhpSettings> read_settings(php::Runtime& php, const std::vector<PhpService>& services) {
  std::vector<PhpSettings> all;
  const php::Array found = services.empty() ? php::Array{} : ask(php, services);
  for (std::size_t i = 0; i < services.size(); ++i) {
    const php::Array& one = entry(found, i);
    PhpSettings settings;
    settings.opcache = one.entries[0].second.truthy() || has_opcache_built_in(services[i]);
    settings.xdebug = one.entries[1].second.truthy();
    for (const auto& [key, line] : entry(one, 2).entries) {
      const auto& words = line.array()->entries;
      settings.values[*words[0].second.string()] = {*words[1].second.string(),
                                                    *words[2].second.string()};
    }
    take_pools(entry(one, 3), settings);
    all.push_back(std::move(settings));
  }
  return all;
}

std::vector<ServingPhp> read_serving_php(php::Runtime& php, const std::string& etc) {
  std::vector<PhpService> services = find_php(etc);
  std::erase_if(services, [](const PhpService& service) { return !service.serves; });
  std::vector<PhpSettings> settings = read_settings(php, services);
  std::vector<ServingPhp> serving;
  for (std::size_t i = 0; i < services.size(); ++i) {
    serving.push_back({std::move(services[i]), std::move(settings[i])});
  }
  return serving;
}

void apply_pools(php::Runtime& php, const PhpService& service, PhpSettings& settings) {
  const php::Array found = ask(php, {service});
  take_pools(entry(entry(found, 0), 3), settings);
}

PhpSettings parse_phpinfo(std::string_view text, const std::string& where) {
  PhpSettings settings;
  bool is_phpinfo = false;
  for (const std::string& whole : cli::split(text, '\n')) {
    const std::string_view line = cli::trim(whole);
    constexpr std::string_view arrow = " => ";
    const std::size_t first = line.find(arrow);
    if (first == std::string_view::npos) {
      continue;
    }
    const std::string name(line.substr(0, first));
    is_phpinfo = is_phpinfo || name == "PHP Version";
    if (!name.starts_with("opcache.") && !name.starts_with("realpath_cache_")
        && name != "xdebug.mode") {
      continue;
    }
    // "name => the value here => the value of the whole server"
    const std::string_view rest = line.substr(first + arrow.size());
    const std::string value(rest.substr(0, rest.rfind(arrow)));
    settings.opcache = settings.opcache || name == "opcache.enable";
    settings.xdebug = settings.xdebug || name == "xdebug.mode";
    settings.values[name] = {value == "no value" ? "" : value, where};
  }
  if (!is_phpinfo) {
    throw Error(ExitCode::data, fmt::format("{} is not what 'php -i' prints", cli::shown(where)),
                "an HTML page of phpinfo() will not do");
  }
  return settings;
}

std::string PhpSettings::text(const std::string& name) const {
  if (const auto found = values.find(name); found != values.end()) {
    return found->second.text;
  }
  const auto preset = defaults().find(name);
  return preset == defaults().end() ? "" : preset->second;
}

bool PhpSettings::on(const std::string& name) const {
  const std::string word = lower(text(name));
  return word == "on" || word == "yes" || word == "true" || number(name) != 0;
}

std::int64_t PhpSettings::number(const std::string& name) const {
  const std::string value = text(name);
  std::size_t at = 0;
  const bool negative = value.starts_with('-');
  at += negative ? 1 : 0;
  std::int64_t total = 0;
  constexpr std::int64_t most = std::int64_t{1} << 50U;
  for (; at < value.size() && value[at] >= '0' && value[at] <= '9'; ++at) {
    total = std::min(most, total * 10 + (value[at] - '0'));
  }
  constexpr std::string_view units = "kmg";
  if (at < value.size()) {
    const std::size_t unit = units.find(lower(value.substr(at, 1)));
    for (std::size_t i = 0; unit != std::string_view::npos && i <= unit; ++i) {
      total = std::min(most, total * 1024);
    }
  }
  return negative ? -total : total;
}

std::string PhpSettings::where(const std::string& name) const {
  const auto found = values.find(name);
  return found == values.end() ? "" : found->second.where;
}

} // namespace moodle
