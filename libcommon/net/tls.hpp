#pragma once

#include <optional>
#include <string>

namespace net {

/// How to speak TLS. The server is always verified: its chain, and its name or IP address; TLS 1.2
/// is the least that is taken. There is no way to turn this off.
struct Tls {
  /// A PEM file with the certificates of the authorities to trust, instead of the system's.
  std::optional<std::string> ca_file;
};

} // namespace net
