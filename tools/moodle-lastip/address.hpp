#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lastip {

/// An IPv4 or IPv6 address as Moodle stores and compares it, or nothing when `text` is no address
/// (a host name, a port after it, a zone id: Moodle cannot use those either). IPv6 is written out
/// without "::", in lower case, without leading zeros: "2001:db8:0:0:0:0:0:1".
/// Moodle 3.3 to 4.5 lib/moodlelib.php: getremoteaddr() calls cleanremoteaddr() uncompressed.
std::optional<std::string> moodle_address(std::string_view text);

} // namespace lastip
