#include "moodle/version.hpp"

#include <fmt/format.h>

#include <charconv>

namespace moodle {

std::string Version::text() const {
  return patch == 0 ? fmt::format("{}.{}", major, minor)
                    : fmt::format("{}.{}.{}", major, minor, patch);
}

std::optional<Version> parse_version(std::string_view text) {
  Version version;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](int& target) {
    const auto [next, error] = std::from_chars(at, end, target);
    const bool ok = error == std::errc{} && next != at && next - at <= 4 && *at != '-';
    at = next;
    return ok;
  };
  if (!number(version.major) || at == end || *at++ != '.' || !number(version.minor)) {
    return std::nullopt;
  }
  if (at != end && *at == '.') {
    ++at;
    if (!number(version.patch)) {
      return std::nullopt;
    }
  }
  const bool release_ends =
      at == end || *at == '+' || *at == ' '
      || std::string_view(at, static_cast<std::size_t>(end - at)).starts_with("dev") || *at == 'b'
      || *at == 'r';
  return release_ends ? std::optional(version) : std::nullopt;
}

} // namespace moodle
