#pragma once

#include "cli/error.hpp"
#include "cli/unique_fd.hpp"
#include "net/deadline.hpp"
#include "net/endpoint.hpp"
#include "net/tls.hpp"
#include "net/tls_session.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace net {

/// A TCP connection, plain or with TLS, for a conversation all of it within one deadline. What
/// carries the bytes is private.
///
/// Name resolution runs in a thread that is left behind when the deadline comes first, because
/// getaddrinfo() has no timeout of its own.
///
/// Everything throws Error{unavailable}, naming the peer, when it cannot be resolved or reached,
/// does not answer in time, or closes the connection. With TLS it throws Error{config} when the
/// peer does not speak it or cannot be verified, in an administrator's words, and what opening the
/// CA file throws: Error{no_input, no_permission, data}.
class Connection {
public:
  /// Connects to the first of the peer's addresses that answers. Each address gets an equal share
  /// of the time that is left, so that one that swallows packets does not use up all of it.
  Connection(Endpoint peer, Deadline deadline, const std::optional<Tls>& tls = std::nullopt);

  void send(std::string_view bytes);

  /// The next line, without the "\n" or "\r\n" that ends it. Throws Error{data} when it is longer
  /// than `max_bytes`.
  std::string read_line(std::size_t max_bytes);

  /// What has arrived and was not read yet.
  [[nodiscard]] std::string_view unread() const noexcept { return buffer_; }
  /// Adds to unread(), waiting for it.
  void receive();
  /// Takes the first bytes off unread().
  void skip(std::size_t count) { buffer_.erase(0, count); }

private:
  void start_tls(const Tls& tls);
  void send_raw(std::string_view bytes);
  std::string receive_raw();
  void wait(short events) const;
  [[nodiscard]] cli::Error closed() const;

  Endpoint peer_;
  Deadline deadline_;
  cli::UniqueFd socket_;
  std::unique_ptr<TlsSession> tls_; ///< null for plain text
  bool shaking_hands_ = false;
  std::string buffer_; ///< received, and not yet read
};

} // namespace net
