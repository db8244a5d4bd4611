#pragma once

#include "php/runtime.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moodle {

/// One PHP of a host: a version of it, as one kind of server uses it, with settings of its own.
struct PhpService {
  std::string sapi;       ///< "fpm", "apache2" or "cli"
  std::string version;    ///< "8.2"; empty where a host has one PHP only (Amazon Linux)
  std::string unit;       ///< what systemctl reloads: "php8.2-fpm"; empty for "cli"
  bool serves = false;    ///< whether it answers requests: FPM, and Apache's module when it is on
  std::string ini_file;   ///< php.ini
  std::string ini_folder; ///< the *.ini files that are read after it, in the order of their names
  std::string pools;      ///< the folder of FPM's pools; empty for the others

  /// "php8.2-fpm", "apache2" or "php8.2 (cli)".
  [[nodiscard]] std::string name() const;
};

/// Every PHP whose folders are below `etc`, which is "/etc", on Debian (/etc/php/8.2/fpm) and on
/// Amazon Linux (/etc/php.d), by version and kind.
std::vector<PhpService> find_php(const std::string& etc);

/// What a PHP is set to, as far as OPcache goes.
struct PhpSettings {
  struct Value {
    std::string text;  ///< as it stands in the file, or as PHP shows it ("On", "128")
    std::string where; ///< the file, or the command that told
  };
  /// Settings of PHP, OPcache and Xdebug by name; what is not here has PHP's default.
  std::map<std::string, Value> values;
  /// Sizes that a pool of FPM sets, without effect: PHP takes them once, before there are pools.
  std::map<std::string, Value> ineffective;
  bool opcache = false; ///< whether OPcache is loaded
  bool xdebug = false;  ///< whether Xdebug is loaded

  /// The value, or PHP's default (manual of PHP 8.2, opcache.configuration); empty for neither.
  [[nodiscard]] std::string text(const std::string& name) const;
  /// As PHP reads a switch: "on", "yes", "true" or a number other than 0.
  [[nodiscard]] bool on(const std::string& name) const;
  /// As PHP reads a number: the digits at the start, 0 when there are none; times 1024 for each
  /// step of a K, M or G behind them.
  [[nodiscard]] std::int64_t number(const std::string& name) const;
  /// Where it was set; empty for a default.
  [[nodiscard]] std::string where(const std::string& name) const;
};

/// Reads the ini files and pools of the services, in their order; PHP itself parses them. A file
/// that cannot be read counts as empty.
std::vector<PhpSettings> read_settings(php::Runtime& php, const std::vector<PhpService>& services);

/// A PHP that serves pages on this host.
struct ServingPhp {
  PhpService service;
  PhpSettings settings;
};

/// Finds those below `etc`, which is "/etc", and reads their settings.
std::vector<ServingPhp> read_serving_php(php::Runtime& php, const std::string& etc);

/// What the pools of a service change in the settings that its `php-fpm -i` has told.
void apply_pools(php::Runtime& php, const PhpService& service, PhpSettings& settings);

/// Reads what `php -i` or `php-fpm -i` printed. `where` is what told it. Throws cli::Error{data}
/// when it is something else.
PhpSettings parse_phpinfo(std::string_view text, const std::string& where);

} // namespace moodle
