#include "net/resolve.hpp"

#include <arpa/inet.h>
#include <array>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>

namespace net {

namespace {

std::vector<std::string> resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(endpoint.host.c_str(), nullptr, &hints, &found) != 0) {
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<std::string> texts;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> host{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, host.data(), host.size(), nullptr, 0,
                      NI_NUMERICHOST)
        == 0) {
      texts.push_back(Endpoint{host.data(), endpoint.port}.text());
    }
  }
  return texts;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1
         || ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

} // namespace

std::vector<std::string> addresses(const Endpoint& endpoint, const Deadline& deadline) {
  if (is_address(endpoint.host)) {
    return {endpoint.text()};
  }
  auto resolving = start_detached([endpoint] { return resolve(endpoint); });
  return wait_for(resolving, deadline).value_or(std::vector<std::string>{});
}

} // namespace net
