#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace net {

/// Where a server listens. `host` is a host name or an IP address (IPv6 without brackets).
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  /// "host:port", an IPv6 address as "[::1]:port"; parse_endpoint() reads it back.
  [[nodiscard]] std::string text() const;

  auto operator<=>(const Endpoint&) const = default;
};

/// The endpoint under the name that DNS compares by: lower case, without a final dot.
Endpoint canonical(const Endpoint& endpoint);

/// Reads "host:port", "[v6]:port", "host" or "[v6]"; the port falls back to `default_port`, and has
/// to be there when that is 0. The host may hold only what a host name or an IP address can hold
/// (letters, digits, '.', '-', '_'; at most 253 bytes), so that it is safe in a configuration file,
/// a URL or a command line. Throws Error{usage} that shows the text and says what is wrong with it.
Endpoint parse_endpoint(std::string_view text, std::uint16_t default_port = 0);

} // namespace net
