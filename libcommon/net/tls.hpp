#pragma once

#include <memory>
#include <optional>
#include <string>

struct ssl_ctx_st; // OpenSSL's SSL_CTX

namespace net {

/// How to speak TLS. The server is always verified: its chain, and its name or IP address; TLS 1.2
/// is the least that is taken. There is no way to turn this off.
struct Tls {
  /// A PEM file with the certificates of the authorities to trust, instead of the system's.
  std::optional<std::string> ca_file = {};

  /// What load() has read. A connection that is given none reads it for itself.
  std::shared_ptr<ssl_ctx_st> context = {};

  /// Reads the authorities' certificates, once for all connections that get a copy of this. Throws
  /// Error{no_input, no_permission, io} when the file cannot be read, Error{data} when it holds no
  /// certificates.
  void load();
};

} // namespace net
