#pragma once

#include "cli/log.hpp"
#include "io/edit.hpp"
#include "php/runtime.hpp"

#include <future>
#include <string>
#include <vector>

namespace moodle {

/// The settings of one PHP of this host that serves pages, as its ini files and pools give them.
struct OpcacheSettings {
  std::string service; ///< "php8.2-fpm" or "apache2": what is to be reloaded
  bool enabled = true;
  bool validates = true;    ///< opcache.validate_timestamps
  std::int64_t seconds = 2; ///< opcache.revalidate_freq
};

/// Reads the ini files of PHP-FPM and of Apache's module, on Debian and on Amazon Linux, below
/// `etc`, which is "/etc"; pools of PHP-FPM win over them. Empty on a host that serves no PHP.
std::vector<OpcacheSettings> opcache_settings(php::Runtime& php, const std::string& etc);

/// When the changed file is seen, and what has to be done where; a line each.
std::vector<std::string> reload_advice(const std::vector<OpcacheSettings>& settings,
                                       const std::string& path);

/// Says that for this host, after an edit.
class ReloadAdvice {
public:
  ReloadAdvice(php::Runtime& php, const cli::Log& log, std::string etc = "/etc")
      : php_(php), log_(log), etc_(std::move(etc)) {}

  /// Lets PHP read the settings in a thread of its own while the edit writes and flushes the file.
  /// From then on until give() nobody but the edit's `plan` and `verify` may use `php`. The edit
  /// is not to be applied once this is gone.
  void prepare_within(io::Edit& edit, const cli::EditMode& mode);
  /// Reads them first, where that was not done. The file is in place by then: what cannot be read
  /// is only warned of.
  void give(const std::string& path);

private:
  void prepare();
  void wait();

  php::Runtime& php_;
  const cli::Log& log_;
  std::string etc_;
  std::future<std::vector<OpcacheSettings>> settings_;
};

} // namespace moodle
