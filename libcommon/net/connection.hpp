#pragma once

#include "cli/unique_fd.hpp"
#include "net/deadline.hpp"
#include "net/endpoint.hpp"
#include "net/tls.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace net {

/// A TCP connection for a conversation by lines, all of it within one deadline. Whoever converses
/// sees send() and read_line() only; what carries the bytes is private.
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

  /// Exactly so many bytes.
  std::string read_bytes(std::size_t count);

private:
  /// Appends what has arrived to the buffer, waiting for it.
  void receive();
  void wait(short events) const;

  Endpoint peer_;
  Deadline deadline_;
  cli::UniqueFd socket_;
  std::string buffer_; ///< received, and not yet read
};

} // namespace net
