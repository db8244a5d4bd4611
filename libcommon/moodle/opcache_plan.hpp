#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace moodle {

/// The code of a site, as far as OPcache has to hold it.
struct PhpCode {
  /// Every regular file below the folder whose name ends in ".php", sorted: as `find DIR -name
  /// '*.php' -type f` finds them, symbolic links not followed. PHP can be asked for any of them.
  std::vector<std::string> paths;
  std::uint64_t bytes = 0;             ///< of these files
  std::uint64_t lang_bytes = 0;        ///< of those in lang/ folders: mostly text, and less code
  std::uint64_t largest = 0;           ///< bytes of the largest file
  std::uint64_t templates = 0;         ///< *.mustache: Moodle compiles each into a PHP file
  std::uint64_t realpath_bytes = 0;    ///< what PHP's realpath cache takes for all of their paths
  std::vector<std::string> unreadable; ///< folders that could not be looked into
};

/// Walks the folder. Throws cli::Error{no_input, no_permission, io} when it cannot be read at all.
PhpCode find_php_code(const std::string& dirroot);

/// What OPcache needs for all of the code at once.
struct OpcacheNeed {
  std::uint64_t files = 0;
  std::uint64_t templates = 0;
  std::uint64_t largest_file = 0;
  std::uint64_t script_bytes = 0; ///< shared memory besides the interned strings and the hash table
  std::uint64_t string_bytes = 0; ///< interned strings, without the table that finds them
  std::uint64_t realpath_bytes = 0;
  bool measured = false; ///< compiled, rather than estimated from the bytes
};

/// From coefficients that were measured on a whole Moodle 4.5.6 (17,567 files, 161 MB) with PHP
/// 8.2 on amd64; another code base may need a third more or less.
OpcacheNeed estimate_need(const PhpCode& code);

/// What is a matter of taste.
struct OpcachePolicy {
  std::uint64_t revalidate_seconds = 60; ///< Moodle's own advice
  bool immutable = false;                ///< the code changes with the server's image only
  std::uint64_t headroom_percent = 20;
};

struct OpcacheSetting {
  std::string name;  ///< "opcache.memory_consumption"
  std::string value; ///< as it stands in the file
  std::string reason;
};

/// The settings for the code, in the order of the file.
std::vector<OpcacheSetting> opcache_plan(const OpcacheNeed& need, const OpcachePolicy& policy);

/// The size that PHP really gives its table of scripts: the first of its primes that is not less
/// (PHP 8.2 ext/opcache/zend_accelerator_hash.c).
std::uint64_t table_size(std::uint64_t max_accelerated_files);

/// What a buffer for interned strings of so many MiB holds besides the table that finds them (PHP
/// 8.2 ext/opcache/ZendAccelerator.c, zend_accel_init_shm).
std::uint64_t usable_strings(std::uint64_t buffer_mib);

/// What opcache_get_status() calls used memory once all of the code is there, with these sizes: the
/// buffer for interned strings is taken out of the shared memory as a whole.
std::uint64_t used_memory(const OpcacheNeed& need, std::uint64_t buffer_mib,
                          std::uint64_t max_accelerated_files);

/// The same with the sizes of a plan.
std::uint64_t planned_memory(const OpcacheNeed& need, const std::vector<OpcacheSetting>& plan);

} // namespace moodle
