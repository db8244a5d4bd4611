#pragma once

#include "net/connection.hpp"
#include "net/redis.hpp"
#include "net/resp.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace net {

/// A conversation with one Redis or Valkey: connected, authenticated, and on the right database.
/// Throws what redis_status() throws.
class RedisClient {
public:
  RedisClient(const Endpoint& endpoint, const RedisAccess& access, const Deadline& deadline);

  /// What the server answers, errors included.
  resp::Reply ask(const std::vector<std::string>& command);
  /// The same, where an error of the server's is thrown.
  resp::Reply call(const std::vector<std::string>& command);

  /// The error for a server's error such as "NOAUTH Authentication required.".
  [[nodiscard]] cli::Error refusal(std::string_view error) const;
  /// "<endpoint> <clause>", with the clause's own code.
  [[nodiscard]] cli::Error failure(cli::ExitCode code, std::string_view clause,
                                   std::string hint = {}) const;
  /// Text of the server's, fit for a message: shown(), unless it repeats the password.
  [[nodiscard]] std::string quote(std::string_view text) const;

private:
  void authenticate(const RedisAccess& access);
  [[nodiscard]] bool repeats_password(std::string_view text) const;

  std::string name_;
  std::string password_;
  Connection connection_;
};

} // namespace net
