#pragma once

#include "net/endpoint.hpp"
#include "net/tls.hpp"

#include <memory>
#include <string>
#include <string_view>

struct ssl_st; // OpenSSL's SSL
struct x509_store_ctx_st;

namespace net {

/// The client's side of one TLS connection, without input or output of its own: what arrives from
/// the network is put in, and what is to go there is taken out.
///
/// Everything throws Error{config} when the peer does not speak TLS or cannot be verified; the
/// message names the peer, and says why in an administrator's words.
class TlsSession {
public:
  /// Throws what Tls::load() throws.
  TlsSession(const Endpoint& peer, Tls tls);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Puts in bytes from the network.
  void put_incoming(std::string_view bytes);
  /// Takes out the bytes that have to be sent; after every one of the calls below.
  [[nodiscard]] std::string take_outgoing();

  /// Goes on with the handshake; false when it needs more from the network.
  bool shake_hands();
  void encrypt(std::string_view text);
  /// What could be decrypted, perhaps nothing yet; nothing at all once the peer has ended TLS.
  std::optional<std::string> decrypt();

private:
  struct Free {
    void operator()(ssl_st* session) const noexcept;
  };

  void verify(const Endpoint& peer);
  static int note_fault(int verified, x509_store_ctx_st* store) noexcept;
  [[noreturn]] void fail() const;

  std::string peer_;
  std::string host_;
  Tls tls_;
  std::unique_ptr<ssl_st, Free> session_;
  std::string fault_; ///< what is wrong with the peer's certificate
  std::string hint_;
};

} // namespace net
