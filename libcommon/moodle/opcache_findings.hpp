#pragma once

#include "moodle/opcache_plan.hpp"
#include "moodle/php_settings.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace moodle {

/// One mistake in the settings of a PHP.
struct OpcacheFinding {
  std::string setting; ///< "opcache.use_cwd"; "zend_extension" when OPcache is not loaded
  std::string found;
  std::string wanted;
  std::string why;
  std::string source; ///< who says so
  std::string where;  ///< the file that sets it, as far as is known; empty for PHP's default
  /// Whether the plan sets it, so that 'moodle-opcache write' mends it; else a line has to go.
  bool planned = true;
};

/// What the settings are judged by, besides the code.
struct OpcacheSurroundings {
  std::string dirroot;
  /// The type of the file system that holds the path when hosts share it ("nfs4"), else empty.
  std::function<std::string(const std::string& path)> shared_type;
};

/// All that is wrong, by itself or for this code. A PHP without OPcache has one finding and no
/// other, and so has one where it is switched off. Sizes are wrong when they are below the need
/// itself, without headroom.
std::vector<OpcacheFinding> opcache_findings(const PhpSettings& settings, const OpcacheNeed& need,
                                             const OpcachePolicy& policy,
                                             const OpcacheSurroundings& surroundings);

/// The name of the file that 'moodle-opcache write' makes: PHP reads the files of a folder in the
/// order of their names, and the last one wins.
constexpr const char* opcache_ini_name = "99-moodle-opcache.ini";

/// Whether a setting from `where` wins over that file of the service's: a pool's, or a later
/// file's.
bool wins_over_ini(const std::string& where, const PhpService& service);

/// The whole path of that file.
std::string opcache_ini(const PhpService& service);

/// With what 'moodle-opcache write' has written such a file.
struct WrittenOpcache {
  OpcachePolicy policy;
  bool measured = false; ///< whether its sizes come from compiling the code
};
/// Reads it back from the file's text; nothing when that is not the command's.
std::optional<WrittenOpcache> read_written(const std::string& ini);

/// The policy as options of 'moodle-opcache write', each with a blank before it.
std::string write_options(const OpcachePolicy& policy);

/// The shell command that mends it, and reloads PHP; `config` is the site's config.php, `options`
/// are those of 'moodle-opcache write' that the site wants, `etc` is where PHP's configuration was
/// found.
std::string mend_command(const OpcacheFinding& finding, const PhpService& service,
                         const std::string& config, const std::string& options = "",
                         const std::string& etc = "/etc");

} // namespace moodle
