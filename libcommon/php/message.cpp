#include "php/message.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace php::message {

namespace {

bool read_exactly(int socket, char* to, std::size_t count, long long deadline_ms) {
  while (count > 0) {
    const long long left = deadline_ms == 0 ? -1 : deadline_ms - now_ms();
    if (deadline_ms != 0 && left <= 0) {
      return false;
    }
    pollfd waiting{socket, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    if (ready <= 0) {
      return false;
    }
    const ssize_t got = ::recv(socket, to, count, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    to += got;
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

} // namespace

bool send(int socket, const Value& value) {
  const std::string body = encode(value);
  const auto length = static_cast<std::uint64_t>(body.size());
  std::string frame(reinterpret_cast<const char*>(&length), sizeof length);
  frame += body;
  for (std::size_t sent = 0; sent < frame.size();) {
    const ssize_t count = ::send(socket, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return false;
    }
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

std::optional<Value> receive(int socket, long long deadline_ms) {
  std::uint64_t length = 0;
  if (!read_exactly(socket, reinterpret_cast<char*>(&length), sizeof length, deadline_ms)) {
    return std::nullopt;
  }
  std::string body(length, '\0');
  if (!read_exactly(socket, body.data(), body.size(), deadline_ms)) {
    return std::nullopt;
  }
  return decode(body);
}

long long now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

} // namespace php::message
