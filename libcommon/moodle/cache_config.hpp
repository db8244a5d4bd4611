#pragma once

#include "net/endpoint.hpp"
#include "php/runtime.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace moodle {

/// What a cache is for; Moodle's own numbers (Moodle 4.5 cache/classes/store.php, MODE_*).
enum class CacheMode : int { application = 1, session = 2, request = 4 };

inline constexpr std::array cache_modes{CacheMode::application, CacheMode::session,
                                        CacheMode::request};

const char* text(CacheMode mode) noexcept;
std::optional<CacheMode> parse_cache_mode(std::string_view text) noexcept;

/// The bytes around Moodle's `$configuration`, as config_writer::config_save writes them
/// (Moodle 3.3 to 4.5 cache/classes/config_writer.php).
inline constexpr std::string_view cache_config_head =
    "<?php defined('MOODLE_INTERNAL') || die();\n $configuration = ";
inline constexpr std::string_view cache_config_tail = ";";

inline constexpr std::size_t max_cache_config_bytes = 64U << 20U;

/// What a store plugin adds to a store, beside its configuration.
struct StorePlugin {
  std::string name;      ///< "memcached"
  std::int64_t features; ///< cache_store::SUPPORTS_* and DEREFERENCES_OBJECTS
  std::int64_t modes;    ///< bit set of CacheMode
};

/// The servers in a store's configuration, as "host:port"; none for a store without servers.
std::vector<net::Endpoint> store_servers(const php::Array& store);

/// Moodle's cache configuration (MUC) as its own writer handles it: every store, definition,
/// mapping and lock that is not named in a call stays as it is.
class CacheConfig {
public:
  /// Evaluates the file's bytes. Throws cli::Error{data} when they do not give a $configuration of
  /// scalars and arrays.
  static CacheConfig parse(php::Runtime& php, const std::string& path, const std::string& content);

  /// Moodle's own bytes for it.
  [[nodiscard]] std::string text(php::Runtime& php) const;

  /// The line in which the file computes something, which writing it would freeze; none where all
  /// that it says are literals.
  [[nodiscard]] std::optional<int> computed_line() const noexcept { return computed_line_; }

  [[nodiscard]] std::vector<std::string> store_names() const;
  /// The whole entry of a store: name, plugin, configuration, …; null when there is none.
  [[nodiscard]] const php::Array* store(std::string_view name) const;
  /// The stores of a mode, first choice first; those that do not exist are left out, as Moodle
  /// does.
  [[nodiscard]] std::vector<std::string> chain(CacheMode mode) const;

  /// Adds the store, or edits it in its place, with the keys in the order of
  /// config_writer::add_store_instance. Throws cli::Error{config} for one of Moodle's default
  /// stores, for a store of another plugin, and where another store stands under this name's key.
  void set_store(const std::string& name, const StorePlugin& plugin, php::Array configuration);
  /// Sets the stores of one mode and rewrites the mappings of all three, as
  /// config_writer::set_mode_mappings does. Throws cli::Error{config} for a store that does not
  /// exist or does not serve the mode.
  void set_chain(CacheMode mode, const std::vector<std::string>& stores);
  /// The first of the locks, which Moodle's own writer takes (Moodle 3.3 to 4.5
  /// cache/classes/config_writer.php, config_save); null when there is none.
  [[nodiscard]] const php::Array* first_lock() const;
  /// The stores that mappings of modes and definitions name, each once.
  [[nodiscard]] std::vector<std::string> mapped_stores() const;
  /// The stores that mappings name and that do not exist: Moodle passes over such mappings without
  /// a word.
  [[nodiscard]] std::vector<std::string> missing_stores() const;
  /// Removes the store and every mapping to it, also where only mappings are left of it; a mode
  /// that had no other store gets Moodle's default one. False when nothing names such a store.
  /// Throws cli::Error{config} for one of Moodle's default stores.
  bool remove_store(const std::string& name);

  /// Adds what Moodle adds to every entry when it loads a file, and so writes with its next change
  /// (Moodle 3.3 to 4.5 cache/classes/config.php, load); the file that it makes first lacks it.
  void complete();

  bool operator==(const CacheConfig& other) const { return configuration_ == other.configuration_; }

private:
  explicit CacheConfig(php::Array configuration) : configuration_(std::move(configuration)) {}

  [[nodiscard]] const php::Array& section(std::string_view name) const;
  php::Array& section(std::string_view name);
  php::Array* editable_store(std::string_view name);
  [[nodiscard]] std::string default_lock() const;
  void write_chains(const std::array<std::vector<std::string>, cache_modes.size()>& chains);
  void refuse_default_store(const std::string& name) const;

  php::Array configuration_;
  std::optional<int> computed_line_;
};

} // namespace moodle
