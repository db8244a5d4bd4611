#include "net/connection.hpp"

#include "cli/error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace net {

namespace {

using cli::Error;
using cli::ExitCode;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

struct Resolution {
  std::vector<Address> addresses;
  std::string failure; ///< why there are none
};

std::string reason(int error) {
  return std::generic_category().message(error);
}

Resolution resolve_blocking(const Endpoint& peer) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(peer.host.c_str(), std::to_string(peer.port).c_str(), &wanted, &found);
  if (error != 0) {
    return {{}, error == EAI_SYSTEM ? reason(errno) : ::gai_strerror(error)};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  Resolution resolution;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Address& address = resolution.addresses.emplace_back();
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
  }
  return resolution;
}

std::vector<Address> resolve(const Endpoint& peer, const Deadline& deadline) {
  const auto fail = [&](std::string_view why) {
    return Error(ExitCode::unavailable,
                 fmt::format("cannot resolve {}: {}", cli::shown(peer.host), why));
  };
  auto resolving = start_detached([peer] { return resolve_blocking(peer); });
  const auto resolution = wait_for(resolving, deadline);
  if (!resolution) {
    throw fail(fmt::format("no answer within {}", deadline.text()));
  }
  if (resolution->addresses.empty()) {
    throw fail(resolution->failure);
  }
  return resolution->addresses;
}

/// Waits until poll() reports something; false when `deadline` comes first.
bool poll_until(int socket, short events, const Deadline& deadline) {
  for (;;) {
    pollfd entry{.fd = socket, .events = events, .revents = 0};
    const auto left = deadline.left();
    const int ready = ::poll(&entry, 1, static_cast<int>(left.count()));
    if (ready > 0) {
      return true;
    }
    if (ready < 0 && errno != EINTR) {
      throw cli::system_error(errno, "cannot wait for a connection");
    }
    if (left.count() == 0) {
      return false;
    }
  }
}

/// 0, or the errno value that says why there is no connection; ETIMEDOUT at the deadline.
int connect_to(int socket, const Address& address, const Deadline& deadline) {
  // The sockets interface takes every kind of address through this one pointer type.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(socket, generic, address.length) == 0) {
    return 0;
  }
  if (errno != EINPROGRESS) {
    return errno;
  }
  if (!poll_until(socket, POLLOUT, deadline)) {
    return ETIMEDOUT;
  }
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

Error connect_failure(const Endpoint& peer, int error, const Deadline& deadline) {
  if (error == ETIMEDOUT) {
    return {ExitCode::unavailable,
            fmt::format("cannot connect to {}: no answer within {}", peer.text(), deadline.text()),
            "a security group that does not let this host in looks exactly like this"};
  }
  return {ExitCode::unavailable,
          fmt::format("cannot connect to {}: {}", peer.text(), reason(error))};
}

cli::UniqueFd open_connection(const Endpoint& peer, const Deadline& deadline) {
  const std::vector<Address> addresses = resolve(peer, deadline);
  int error = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    cli::UniqueFd socket(::socket(addresses[i].storage.ss_family,
                                  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!socket) {
      error = errno;
      continue;
    }
    const auto addresses_left = static_cast<std::int64_t>(addresses.size() - i);
    error = connect_to(socket.get(), addresses[i], Deadline(deadline.left() / addresses_left));
    if (error == 0) {
      return socket;
    }
  }
  throw connect_failure(peer, error, deadline);
}

} // namespace

Connection::Connection(Endpoint peer, Deadline deadline, const std::optional<Tls>& tls)
    : peer_(std::move(peer)), deadline_(deadline), socket_(open_connection(peer_, deadline_)) {
  if (tls) {
    start_tls(*tls);
  }
}

void Connection::start_tls(const Tls& tls) {
  tls_ = std::make_unique<TlsSession>(peer_, tls);
  shaking_hands_ = true;
  while (!tls_->shake_hands()) {
    send_raw(tls_->take_outgoing());
    tls_->put_incoming(receive_raw());
  }
  send_raw(tls_->take_outgoing());
  shaking_hands_ = false;
}

void Connection::wait(short events) const {
  if (poll_until(socket_.get(), events, deadline_)) {
    return;
  }
  if (shaking_hands_) {
    throw Error(ExitCode::unavailable,
                fmt::format("no answer from {} to the beginning of TLS within {}", peer_.text(),
                            deadline_.text()),
                "a server that does not speak TLS may wait for ever");
  }
  throw Error(ExitCode::unavailable,
              fmt::format("no answer from {} within {}", peer_.text(), deadline_.text()));
}

Error Connection::closed() const {
  if (shaking_hands_) {
    return {ExitCode::unavailable,
            fmt::format("{} closed the connection instead of beginning TLS", peer_.text()),
            "a server that does not speak TLS may do this"};
  }
  return {ExitCode::unavailable,
          fmt::format("{} closed the connection before it had answered", peer_.text()),
          tls_ ? "" : "a server that takes only TLS does this to a plain connection"};
}

void Connection::send(std::string_view bytes) {
  if (!tls_) {
    send_raw(bytes);
    return;
  }
  tls_->encrypt(bytes);
  send_raw(tls_->take_outgoing());
}

void Connection::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      wait(POLLOUT);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return; // what the peer said before it closed can still be read, and tells more
    } else if (errno != EINTR) {
      throw Error(ExitCode::unavailable,
                  fmt::format("cannot send to {}: {}", peer_.text(), reason(errno)));
    }
  }
}

void Connection::receive() {
  if (!tls_) {
    buffer_ += receive_raw();
    return;
  }
  for (;;) {
    const auto text = tls_->decrypt();
    if (!text) {
      throw closed();
    }
    send_raw(tls_->take_outgoing());
    if (!text->empty()) {
      buffer_ += *text;
      return;
    }
    tls_->put_incoming(receive_raw());
  }
}

std::string Connection::receive_raw() {
  std::array<char, 16'384> bytes; // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (;;) {
    wait(POLLIN);
    const ssize_t received = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (received > 0) {
      return {bytes.data(), static_cast<std::size_t>(received)};
    }
    if (received == 0 || errno == ECONNRESET) {
      throw closed();
    }
    if (errno != EINTR && errno != EAGAIN) {
      throw Error(ExitCode::unavailable,
                  fmt::format("cannot read from {}: {}", peer_.text(), reason(errno)));
    }
  }
}

std::string Connection::read_line(std::size_t max_bytes) {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (std::min(end, buffer_.size()) > max_bytes) {
      throw Error(ExitCode::data, fmt::format("the answer of {} has a line of more than {} bytes",
                                              peer_.text(), max_bytes));
    }
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.ends_with('\r')) {
        line.pop_back();
      }
      return line;
    }
    searched = buffer_.size();
    receive();
  }
}

} // namespace net
