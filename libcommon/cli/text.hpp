#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Small, strict text parsing that every command shares.
namespace cli {

/// The length in bytes (1 to 4) of the UTF-8 sequence at `at`, or 0 when the bytes there are not
/// well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at) noexcept;

/// Whether one UTF-8 sequence is a control character: C0, DEL or C1.
bool is_control(std::string_view sequence) noexcept;

/// Where `text` first holds a control character or a byte that is not UTF-8.
std::optional<std::size_t> find_unprintable(std::string_view text) noexcept;

/// A whole decimal number without sign, blanks or leading plus; nothing when it is not one, or does
/// not fit.
std::optional<std::uint64_t> parse_unsigned(std::string_view text) noexcept;

/// The parts of `text` between separators; empty parts are kept, so "" gives one empty part.
std::vector<std::string> split(std::string_view text, char separator);

/// `text` without blanks, tabs and line ends at both ends.
std::string_view trim(std::string_view text) noexcept;

/// `parts` with `separator` between two neighbours.
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// `text` in single quotes, which a POSIX shell reads back as it is.
std::string shell_quoted(std::string_view text);

/// The same, but without the quotes where a shell needs none.
std::string shell_word(std::string_view text);

} // namespace cli
