#include "net/redis_client.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <array>

namespace net {

namespace {

using cli::Error;
using cli::ExitCode;

/// What a server's error means, by the word or words that it begins with (Redis 7.0 and Valkey 8.0,
/// src/server.c createSharedObjects(), src/acl.c, src/networking.c, src/cluster.c).
struct Meaning {
  std::string_view prefix;
  ExitCode code;
  std::string_view clause;
  std::string_view hint;
};

constexpr std::array meanings{
    Meaning{"NOAUTH", ExitCode::no_permission, "wants a password", "put it into a password file"},
    Meaning{"ERR operation not permitted", ExitCode::no_permission, "wants a password",
            "put it into a password file"},
    Meaning{"WRONGPASS", ExitCode::no_permission, "does not accept the user or the password", ""},
    Meaning{"ERR invalid password", ExitCode::no_permission, "does not accept the password", ""},
    Meaning{"ERR Client sent AUTH, but no password is set", ExitCode::config,
            "has no password set, and was given one", "do without the password"},
    Meaning{"ERR AUTH <password> called without any password", ExitCode::config,
            "has no password set, and was given one", "do without the password"},
    Meaning{"NOPERM", ExitCode::no_permission, "does not let this user do that", ""},
    Meaning{"DENIED", ExitCode::no_permission,
            "takes connections from its own host only (protected mode)", ""},
    Meaning{"READONLY", ExitCode::config, "is a read-only replica", "name its primary"},
    Meaning{"OOM", ExitCode::config,
            "has no memory left and evicts nothing (maxmemory-policy noeviction)",
            "give it more memory, or an eviction policy"},
    Meaning{"MISCONF", ExitCode::config, "takes no writes, because it cannot save its data", ""},
    Meaning{"MOVED", ExitCode::config, "is a node of a cluster, and the key belongs on another one",
            "use it in cluster mode"},
    Meaning{"ASK", ExitCode::try_again, "is handing the key's slot over to another node", ""},
    Meaning{"TRYAGAIN", ExitCode::try_again, "is handing the key's slot over to another node", ""},
    Meaning{"CLUSTERDOWN", ExitCode::unavailable, "belongs to a cluster that is down", ""},
    Meaning{"LOADING", ExitCode::unavailable, "is still loading its data", ""},
    Meaning{"MASTERDOWN", ExitCode::unavailable, "is a replica that has lost its primary", ""},
    Meaning{"NOREPLICAS", ExitCode::unavailable, "takes no writes, because it lacks replicas", ""},
    Meaning{"BUSY", ExitCode::unavailable, "is busy with a script", ""},
    Meaning{"ERR max number of clients reached", ExitCode::unavailable,
            "takes no more connections (maxclients)", ""},
    Meaning{"ERR DB index is out of range", ExitCode::config, "has no database of that number", ""},
    Meaning{"ERR SELECT is not allowed in cluster mode", ExitCode::config,
            "is a node of a cluster, which has only database 0", ""},
};

} // namespace

RedisClient::RedisClient(const Endpoint& endpoint, const RedisAccess& access,
                         const Deadline& deadline)
    : name_(endpoint.text()), password_(access.password.value_or("")),
      connection_(endpoint, deadline, access.tls) {
  if (access.password) {
    authenticate(access);
  }
  if (access.database != 0) {
    call({"SELECT", std::to_string(access.database)});
  }
}

void RedisClient::authenticate(const RedisAccess& access) {
  std::vector<std::string> command{"AUTH"};
  if (access.user) {
    command.push_back(*access.user); // two words: Redis 6 and later
  }
  command.push_back(password_);
  if (call(command).text != "OK") {
    throw failure(ExitCode::data, " does not answer as Redis does");
  }
}

resp::Reply RedisClient::ask(const std::vector<std::string>& command) {
  connection_.send(resp::command(command));
  for (;;) {
    try {
      if (auto parsed = resp::parse(connection_.unread())) {
        connection_.skip(parsed->length);
        return std::move(parsed->reply);
      }
    } catch (const Error& error) {
      throw failure(error.code(),
                    repeats_password(connection_.unread()) ? " does not answer as Redis does"
                                                           : ": " + error.message(),
                    error.hint());
    }
    connection_.receive();
  }
}

resp::Reply RedisClient::call(const std::vector<std::string>& command) {
  resp::Reply reply = ask(command);
  if (reply.kind == resp::Reply::Kind::error) {
    throw refusal(reply.text);
  }
  return reply;
}

Error RedisClient::refusal(std::string_view error) const {
  for (const Meaning& meaning : meanings) {
    if (error.starts_with(meaning.prefix)) {
      return failure(meaning.code, fmt::format(" {} ({})", meaning.clause, quote(error)),
                     std::string(meaning.hint));
    }
  }
  return failure(ExitCode::config, fmt::format(" answers '{}'", quote(error)));
}

Error RedisClient::failure(ExitCode code, std::string_view clause, std::string hint) const {
  return {code, fmt::format("{}{}", name_, clause), std::move(hint)};
}

std::string RedisClient::quote(std::string_view text) const {
  return repeats_password(text) ? "an answer that repeats the password" : cli::shown(text);
}

bool RedisClient::repeats_password(std::string_view text) const {
  return !password_.empty() && text.find(password_) != std::string_view::npos;
}

} // namespace net
