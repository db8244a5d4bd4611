#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace moodle {

/// A Moodle release: 4.5.6, or 4.5 with patch 0.
struct Version {
  int major = 0;
  int minor = 0;
  int patch = 0;

  auto operator<=>(const Version&) const = default;
  [[nodiscard]] std::string text() const;
};

/// Reads "4.5", "4.5.6" or a $release text such as "3.3.1+ (Build: 20170727)" or "5.0dev+ (…)".
/// Nothing when it does not begin like a release.
std::optional<Version> parse_version(std::string_view text);

} // namespace moodle
