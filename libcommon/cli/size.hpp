#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// Sizes and rates: one rule to read them, one way to show them.
namespace cli {

constexpr std::uint64_t kib = std::uint64_t{1} << 10U;
constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::uint64_t gib = std::uint64_t{1} << 30U;
constexpr std::uint64_t tib = std::uint64_t{1} << 40U;

/// The largest size that a file can have (off_t), and that parse_size() takes.
constexpr std::uint64_t max_size = (std::uint64_t{1} << 63U) - 1;

/// Bytes from a decimal number and a unit, with at most one space between them: "205GiB", "1.5 TB",
/// "4096". B, KiB, MiB, GiB, TiB, PiB and EiB count in 1024, kB (or KB), MB, GB, TB, PB and EB in
/// 1000; no unit means bytes. Exact: what a fraction leaves below one byte is dropped. Throws
/// Error{usage} that states this rule.
std::uint64_t parse_size(std::string_view text);

/// Bytes a second, above 0: a size and "/s". Throws Error{usage} that states the rule.
std::uint64_t parse_rate(std::string_view text);

/// A size for a person, in the binary unit that fits: "512 bytes", "205 GiB", "1.46 TiB".
std::string size_text(std::uint64_t bytes);

/// "98.7 MiB/s".
std::string rate_text(double bytes_per_second);

/// A time for a person, in the two units that fit: "45 s", "3 min 20 s", "2 h 5 min", "4 d 1 h".
std::string duration_text(double seconds);

} // namespace cli
