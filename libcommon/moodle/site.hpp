#pragma once

#include "cli/options.hpp"
#include "database/settings.hpp"
#include "moodle/version.hpp"
#include "php/runtime.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moodle {

/// What config.php leaves in $CFG at the moment when lib/setup.php is required; what it assigns
/// after that comes too late for Moodle.
struct Evaluation {
  php::Array cfg;
  std::string setup_path; ///< as it was required
  std::string setup_file; ///< the file that requires it: config.php, or one that it requires
  int setup_line = 0;
};

/// Runs the bytes as if they stood at `path`. Throws cli::Error{config} that names file, line and
/// reason when they do not get as far as lib/setup.php with a $CFG.
Evaluation evaluate_config(php::Runtime& php, const std::string& path, const std::string& content);

inline constexpr std::size_t max_config_bytes = 4U << 20U; ///< of a config.php

/// The settings of folders in which Moodle keeps data, and where below dataroot each is unless it
/// is set (Moodle 3.3 to 5.0 lib/setup.php).
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 4> data_folders{
    {{"dataroot", ""},
     {"cachedir", "/cache"},
     {"tempdir", "/temp"},
     {"localcachedir", "/localcache"}}};

/// A Moodle site, as its config.php describes it.
struct Site {
  std::string config_path; ///< resolved; config.php or whatever was given for it
  std::string config_content;
  Evaluation evaluation;
  /// The folder with version.php (5.1 and later: public/); empty when the code is not on this host.
  std::string dirroot;
  php::Runtime* php = nullptr;          ///< what evaluated it; outlives the site
  std::optional<Version> given_version; ///< from --moodle-version, or a fact that may be old

  /// The release: what version.php says where the code is on this host, else what was given, if
  /// anything. Throws cli::Error{data} when version.php names none.
  [[nodiscard]] std::optional<Version> version() const;
  /// A setting's text; empty when absent. Throws cli::Error{config} when it is no scalar.
  [[nodiscard]] std::string text(std::string_view name) const;
  /// $CFG->dataroot. Throws cli::Error{config} when it is not an absolute path, {no_input} when
  /// there is no such folder.
  [[nodiscard]] std::string dataroot() const;
  /// Where Moodle keeps data of the kind that a setting of data_folders names: its value, or the
  /// default below $CFG->dataroot. Not whether it is there.
  [[nodiscard]] std::string data_folder(std::string_view setting) const;
  /// data_folder("cachedir"); throws as dataroot() does when that is needed for it.
  [[nodiscard]] std::string cachedir() const;
  /// Where the cache configuration is kept (Moodle 4.5 cache/classes/config.php,
  /// get_config_file_path): altcacheconfigpath, or dataroot/muc/config.php, also where the former's
  /// folder is not there. (Moodle also passes over one that the web server may not write.)
  [[nodiscard]] std::string cache_config_path() const;
  /// The mode of folders that Moodle makes: $CFG->directorypermissions, by default 02777.
  [[nodiscard]] unsigned directory_permissions() const;
  /// How to reach the database. Throws cli::Error{config} when dbtype is not pgsql; the hint is
  /// then `unsupported_hint`.
  [[nodiscard]] database::Settings database(const std::string& unsupported_hint) const;
  /// Whether the code holds this file below dirroot; nothing when the code is not on this host.
  [[nodiscard]] std::optional<bool> has_file(const std::string& relative_path) const;
  /// "Moodle 4.5.6", or "this Moodle" when the release cannot be told.
  [[nodiscard]] std::string name() const;
};

/// The options of every command that reads a site.
struct SiteOptions {
  std::optional<std::string> config;
  std::optional<std::string> version;
  std::chrono::milliseconds php_timeout{10'000};

  void declare(cli::Options& options);
  /// Throws cli::Error{usage} when --config is missing or --moodle-version is no version.
  void validate() const;
};

/// Reads and evaluates the site's config.php and finds its code and version.
Site load_site(const SiteOptions& options, php::Runtime& php);

} // namespace moodle
