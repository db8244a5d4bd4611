#include "moodle/opcache_plan.hpp"

#include "cli/size.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

namespace moodle {

namespace {

using cli::mib;

// Bytes of shared memory for a byte of source; see estimate_need().
constexpr double code_ratio = 2.55;
constexpr double lang_ratio = 0.96;
constexpr double string_ratio = 0.222;

/// What opcache_get_status() calls used before the first script, besides buffer and table.
constexpr std::uint64_t fixed_bytes = 512;
/// An entry of the table of scripts, and its place in the table (zend_accel_hash.h).
constexpr std::uint64_t entry_bytes = 48;

/// PHP takes no more (opcache.max_accelerated_files).
constexpr std::uint64_t most_files = 1'000'000;

/// Scripts are found by more names than their own: "../../config.php" from each folder is one.
constexpr std::uint64_t keys_percent = 150;

std::uint64_t with_percent(std::uint64_t amount, std::uint64_t more) {
  return amount + (amount * more + 99) / 100;
}

std::uint64_t round_up(std::uint64_t amount, std::uint64_t step) {
  return (amount + step - 1) / step * step;
}

std::uint64_t planned_files(const OpcacheNeed& need, const OpcachePolicy& policy) {
  const std::uint64_t keys = (need.files + need.templates) * keys_percent / 100;
  return std::min(most_files, std::max(table_size(with_percent(keys, policy.headroom_percent)),
                                       table_size(10'000)));
}

std::uint64_t planned_buffer(const OpcacheNeed& need, const OpcachePolicy& policy) {
  constexpr std::uint64_t step = 8;
  const std::uint64_t wanted = with_percent(need.string_bytes, policy.headroom_percent);
  std::uint64_t buffer = step;
  while (usable_strings(buffer) < wanted) {
    buffer += step;
  }
  return buffer;
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.0f} MiB", static_cast<double>(bytes) / static_cast<double>(mib));
}

} // namespace

OpcacheNeed estimate_need(const PhpCode& code) {
  const auto code_bytes = static_cast<double>(code.bytes - code.lang_bytes);
  const auto lang_bytes = static_cast<double>(code.lang_bytes);
  OpcacheNeed need;
  need.files = code.paths.size();
  need.templates = code.templates;
  need.largest_file = code.largest;
  need.script_bytes = static_cast<std::uint64_t>(code_bytes * code_ratio + lang_bytes * lang_ratio);
  need.string_bytes = static_cast<std::uint64_t>((code_bytes + lang_bytes) * string_ratio);
  need.realpath_bytes = code.realpath_bytes;
  return need;
}

std::uint64_t table_size(std::uint64_t max_accelerated_files) {
  constexpr std::array<std::uint64_t, 16> primes{5,      11,     19,      53,     107,  223,
                                                 463,    983,    1979,    3907,   7963, 16'229,
                                                 32'531, 65'407, 130'987, 262'237};
  constexpr std::array<std::uint64_t, 2> last{524'521, 1'048'793};
  const std::uint64_t least = 200;
  const std::uint64_t wanted = std::clamp(max_accelerated_files, least, most_files);
  for (const std::uint64_t prime : primes) {
    if (prime >= wanted) {
      return prime;
    }
  }
  return wanted <= last[0] ? last[0] : last[1];
}

std::uint64_t usable_strings(std::uint64_t buffer_mib) {
  // A place for every 32 bytes, rounded up to more than that, to a power of two; four bytes each.
  const std::uint64_t places = std::bit_ceil(buffer_mib * 32 * 1024 + 1);
  const std::uint64_t table = places * 4;
  return buffer_mib * mib > table ? buffer_mib * mib - table : 0;
}

std::uint64_t used_memory(const OpcacheNeed& need, std::uint64_t buffer_mib,
                          std::uint64_t max_accelerated_files) {
  return need.script_bytes + buffer_mib * mib + table_size(max_accelerated_files) * entry_bytes
         + fixed_bytes;
}

std::uint64_t planned_memory(const OpcacheNeed& need, const std::vector<OpcacheSetting>& plan) {
  const auto number = [&](std::string_view name) {
    const auto one = std::find_if(plan.begin(), plan.end(),
                                  [&](const OpcacheSetting& set) { return set.name == name; });
    return one == plan.end() ? 0 : cli::parse_unsigned(one->value).value_or(0);
  };
  return used_memory(need, number("opcache.interned_strings_buffer"),
                     number("opcache.max_accelerated_files"));
}

std::vector<OpcacheSetting> opcache_plan(const OpcacheNeed& need, const OpcachePolicy& policy) {
  const std::uint64_t files = planned_files(need, policy);
  const std::uint64_t buffer = planned_buffer(need, policy);
  const std::uint64_t used = used_memory(need, buffer, files);
  constexpr std::uint64_t least_memory = 128;
  constexpr std::uint64_t memory_step = 16;
  const std::uint64_t memory = std::max(
      least_memory,
      round_up(with_percent(used - buffer * mib, policy.headroom_percent) / mib + buffer + 1,
               memory_step));
  const char* const known = need.measured ? "measured" : "estimated";
  std::vector<OpcacheSetting> plan;
  const auto set = [&](const char* name, std::string value, std::string reason) {
    plan.push_back({name, std::move(value), std::move(reason)});
  };
  set("opcache.enable", "1", "Moodle's pages take several times as long without it");
  set("opcache.memory_consumption", std::to_string(memory),
      fmt::format("all code takes {} ({}), and {} % headroom for classes that are linked as they "
                  "run, templates and updates",
                  megabytes(used), known, policy.headroom_percent));
  set("opcache.interned_strings_buffer", std::to_string(buffer),
      fmt::format("{} of strings ({}), their table and {} % headroom; part of the memory above",
                  megabytes(need.string_bytes), known, policy.headroom_percent));
  set("opcache.max_accelerated_files", std::to_string(files),
      fmt::format("{} files and {} templates under 1.5 names each, and {} % headroom; a prime that "
                  "PHP would round up to",
                  need.files, need.templates, policy.headroom_percent));
  set("opcache.max_wasted_percentage", "5",
      "PHP's default: start afresh when so much is taken by code that was replaced");
  if (policy.immutable) {
    set("opcache.validate_timestamps", "0",
        "the code changes with the image only: a changed config.php or cache configuration needs "
        "a reload of PHP on every server");
    set("opcache.revalidate_freq", "0", "has no effect then");
  } else {
    set("opcache.validate_timestamps", "1", "Moodle requires it: changed files are seen");
    set("opcache.revalidate_freq", std::to_string(policy.revalidate_seconds),
        fmt::format("a file is looked at again after {} s; Moodle advises 60",
                    policy.revalidate_seconds));
  }
  set("opcache.use_cwd", "1", "Moodle requires it: relative names depend on the folder");
  set("opcache.save_comments", "1", "Moodle requires it: it reads comments of its own code");
  set("opcache.enable_file_override", "0",
      "Moodle requires it: file_exists() must tell what is there now");
  set("opcache.file_cache", "", "memory is enough; a file cache on shared storage is slower");
  set("opcache.file_cache_only", "0", "the cache is in memory, not in files");
  set("opcache.jit", "disable", "pages wait for the database, and debuggers break with it");
  set("opcache.jit_buffer_size", "0", "no memory for it either");
  constexpr std::uint64_t least_realpath = 4;
  const std::uint64_t realpath = std::max(
      least_realpath, with_percent(need.realpath_bytes, policy.headroom_percent) / mib + 1);
  set("realpath_cache_size", fmt::format("{}M", realpath),
      fmt::format("the paths of all code take {} in each PHP process; what does not fit is looked "
                  "up folder by folder",
                  megabytes(need.realpath_bytes)));
  return plan;
}

} // namespace moodle
