#include "address.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <array>
#include <cstddef>
#include <span>

namespace lastip {

namespace {

/// Moodle writes a trailing dotted quad as two groups of two hexadecimal numbers each, without the
/// zeros between them: 10.0.1.15 becomes "a0:1f". Wrong as an address, right as what it compares.
std::string joined_without_zeros(std::span<const unsigned char, 4> quad) {
  const auto group = [](unsigned high, unsigned low) {
    return high == 0 ? fmt::format("{:x}", low) : fmt::format("{:x}{:x}", high, low);
  };
  return group(quad[0], quad[1]) + ":" + group(quad[2], quad[3]);
}

} // namespace

std::optional<std::string> moodle_address(std::string_view text) {
  const std::string address(text);
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  if (address.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  if (::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) {
    return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1
      || ::inet_ntop(AF_INET6, bytes.data(), canonical.data(), canonical.size()) == nullptr) {
    return std::nullopt;
  }
  std::string out;
  for (std::size_t i = 0; i < 12; i += 2) {
    out += fmt::format("{:x}:", bytes[i] << 8U | bytes[i + 1]);
  }
  // A web server hands an address to PHP in inet_ntop's form, which has dots where these apply.
  if (std::string_view(canonical.data()).find('.') != std::string_view::npos) {
    return out + joined_without_zeros(std::span(bytes).last<4>());
  }
  return out + fmt::format("{:x}:{:x}", bytes[12] << 8U | bytes[13], bytes[14] << 8U | bytes[15]);
}

} // namespace lastip
