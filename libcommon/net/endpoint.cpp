#include "net/endpoint.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <limits>

namespace net {

namespace {

constexpr std::size_t max_host_bytes = 253; // RFC 1035, without the final dot

bool is_ipv6(std::string_view host) {
  if (host.find('\0') != std::string_view::npos) {
    return false; // inet_pton() would stop reading there
  }
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET6, std::string(host).c_str(), address.data()) == 1;
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
         || c == '-' || c == '_';
}

/// What is wrong with a host that is no IPv6 address; empty when nothing is.
std::string host_fault(std::string_view host) {
  if (host.empty()) {
    return "the host is missing";
  }
  if (host.size() > max_host_bytes) {
    return fmt::format("the host has {} bytes; at most {} are allowed", host.size(),
                       max_host_bytes);
  }
  if (!std::all_of(host.begin(), host.end(), is_host_character)) {
    return "a host holds only letters, digits, '.', '-' and '_'";
  }
  if (host.front() == '-' || host.front() == '.') {
    return "a host begins with a letter or a digit";
  }
  return {};
}

std::uint16_t parse_port(std::string_view text) {
  const auto port = cli::parse_unsigned(text);
  const bool fits = port && *port > 0 && *port <= std::numeric_limits<std::uint16_t>::max();
  return fits ? static_cast<std::uint16_t>(*port) : std::uint16_t{0};
}

} // namespace

std::string Endpoint::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Endpoint parse_endpoint(std::string_view text, std::uint16_t default_port) {
  const auto fail = [&](std::string_view reason) {
    return cli::Error(cli::ExitCode::usage,
                      fmt::format("'{}' is not HOST:PORT: {}", cli::shown(text), reason));
  };
  if (text.find("://") != std::string_view::npos) {
    throw fail("it takes a host and a port without a scheme before them");
  }
  if (is_ipv6(text)) {
    throw fail("an IPv6 address stands in brackets, as in [::1]:11211");
  }
  const bool bracketed = text.starts_with('[');
  const std::size_t host_end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && host_end == std::string_view::npos) {
    throw fail("']' is missing");
  }
  const std::string_view host = bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end);
  if (bracketed && !is_ipv6(host)) {
    throw fail("what stands in brackets is not an IPv6 address");
  }
  if (const std::string fault = bracketed ? "" : host_fault(host); !fault.empty()) {
    throw fail(fault);
  }
  std::string_view rest = text.substr(std::min(text.size(), host_end + (bracketed ? 1 : 0)));
  if (host_end == std::string_view::npos || rest.empty()) {
    if (default_port == 0) {
      throw fail("the port is missing");
    }
    return {std::string(host), default_port};
  }
  const std::uint16_t port = rest.starts_with(':') ? parse_port(rest.substr(1)) : std::uint16_t{0};
  if (port == 0) {
    throw fail("the port is a number from 1 to 65535");
  }
  return {std::string(host), port};
}

Endpoint canonical(const Endpoint& endpoint) {
  std::string host = endpoint.host;
  if (host.ends_with('.')) {
    host.pop_back();
  }
  std::transform(host.begin(), host.end(), host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return {std::move(host), endpoint.port};
}

} // namespace net
