#include "net/proof.hpp"

#include "cli/error.hpp"
#include "net/connection.hpp"
#include "net/redis_client.hpp"

#include <random>
#include <utility>

namespace net {

namespace {

using cli::Error;
using cli::ExitCode;
using resp::Reply;

constexpr int lifetime_seconds = 60;
constexpr int most_redirections = 3;
constexpr std::size_t max_line_bytes = 8192;

/// Nobody else has this key, and nobody else writes this value.
struct Sample {
  std::string key;
  std::string value;
};

std::string random_word() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", source(), source(), source(), source());
}

Sample make_sample(const std::string& prefix) {
  return {prefix + "moodle-aws-toolkit-probe-" + random_word(), random_word()};
}

Error not_kept(const std::string& peer) {
  return {ExitCode::config, fmt::format("{} does not keep what it is given: a key that was just "
                                        "set reads back differently",
                                        peer)};
}

/// Where a server's "MOVED <slot> <host>:<port>" points to; the host may be missing.
Endpoint moved_to(const RedisClient& client, const Endpoint& from, const std::string& error) {
  const std::string target = error.substr(error.rfind(' ') + 1);
  const std::size_t colon = target.rfind(':');
  if (colon != std::string::npos) {
    const std::string host = colon == 0 ? from.host : target.substr(0, colon);
    const bool ipv6 = host.find(':') != std::string::npos && !host.starts_with('[');
    try {
      return parse_endpoint((ipv6 ? "[" + host + "]" : host) + target.substr(colon));
    } catch (const Error&) {
      // What it is not, the error below shows.
    }
  }
  throw client.failure(ExitCode::data,
                       fmt::format(" redirects to no node ({})", client.quote(error)));
}

/// A server that keeps its INFO to itself is judged by what the commands say.
void check_mode(RedisClient& client, RedisClientMode mode) {
  const Reply reply = client.ask({"INFO", "server"});
  if (reply.kind == Reply::Kind::error && !reply.text.starts_with("NOPERM")) {
    throw client.refusal(reply.text);
  }
  if (reply.kind != Reply::Kind::bulk) {
    return;
  }
  const RedisStatus::Mode found = parse_redis_info(reply.text).mode;
  if (found == RedisStatus::Mode::sentinel) {
    throw client.failure(ExitCode::config, " is a Sentinel, which holds no data",
                         "name the server that it watches");
  }
  const bool cluster = found == RedisStatus::Mode::cluster;
  if (cluster && mode == RedisClientMode::single) {
    throw client.failure(ExitCode::config, " is a node of a cluster",
                         "use it in cluster mode, where the client follows it to the other nodes");
  }
  if (!cluster && mode == RedisClientMode::cluster) {
    throw client.failure(ExitCode::config, " is not in cluster mode, as its client would be",
                         "use it as a single server");
  }
}

/// Sets the key; gives the node that has it to be set on when it is another one.
std::optional<Endpoint> set_key(RedisClient& client, const Endpoint& endpoint, const Sample& sample,
                                RedisClientMode mode) {
  const Reply reply =
      client.ask({"SET", sample.key, sample.value, "EX", std::to_string(lifetime_seconds), "NX"});
  if (reply.kind != Reply::Kind::error) {
    return std::nullopt; // whatever else it says, the value that is read back decides
  }
  if (mode == RedisClientMode::cluster && reply.text.starts_with("MOVED ")) {
    return moved_to(client, endpoint, reply.text);
  }
  throw client.refusal(reply.text);
}

void read_back(RedisClient& client, const Endpoint& endpoint, const Sample& sample) {
  const Reply reply = client.call({"GET", sample.key});
  client.call({"DEL", sample.key});
  if (reply.kind != Reply::Kind::bulk || reply.text != sample.value) {
    throw not_kept(endpoint.text());
  }
}

/// For an answer of memcached's that is not the one that was hoped for.
Error memcached_refusal(const Endpoint& endpoint, std::string_view answer) {
  const std::string shown = cli::shown(answer);
  if (answer.starts_with("SERVER_ERROR out of memory")) {
    return {ExitCode::config, fmt::format("{} has no memory left ({})", endpoint.text(), shown)};
  }
  if (answer.starts_with("CLIENT_ERROR unauthenticated")) {
    return {ExitCode::no_permission,
            fmt::format("{} wants a password ({}), which Moodle has no setting for",
                        endpoint.text(), shown)};
  }
  if (answer.starts_with("SERVER_ERROR")) {
    return {ExitCode::unavailable, fmt::format("{} answers '{}'", endpoint.text(), shown)};
  }
  const bool redis = answer.starts_with('-') || answer.starts_with('+') || answer.starts_with('$');
  return {ExitCode::data,
          fmt::format("{} does not answer as a memcached does, but '{}'", endpoint.text(), shown),
          redis ? "this looks like Redis or Valkey" : ""};
}

/// The value of the one key that was asked for; nothing when the server does not have it.
std::optional<std::string> read_value(Connection& connection, const Endpoint& endpoint) {
  const std::string header = connection.read_line(max_line_bytes);
  if (header == "END") {
    return std::nullopt;
  }
  if (!header.starts_with("VALUE ")) {
    throw memcached_refusal(endpoint, header);
  }
  std::string value = connection.read_line(max_line_bytes);
  if (const std::string end = connection.read_line(max_line_bytes); end != "END") {
    throw memcached_refusal(endpoint, end);
  }
  return value;
}

} // namespace

void prove_memcached(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                     const std::optional<Tls>& tls) {
  const Sample sample = make_sample("");
  Connection connection(endpoint, Deadline(timeout), tls);
  connection.send(fmt::format("set {} 0 {} {}\r\n{}\r\n", sample.key, lifetime_seconds,
                              sample.value.size(), sample.value));
  if (const std::string answer = connection.read_line(max_line_bytes); answer != "STORED") {
    throw memcached_refusal(endpoint, answer);
  }
  connection.send(fmt::format("get {}\r\n", sample.key));
  const auto value = read_value(connection, endpoint);
  connection.send(fmt::format("delete {}\r\n", sample.key));
  connection.read_line(max_line_bytes); // deleted or not: it expires
  if (value != sample.value) {
    throw not_kept(endpoint.text());
  }
}

void prove_redis(const Endpoint& endpoint, const RedisAccess& access, RedisClientMode mode,
                 std::chrono::milliseconds timeout) {
  const Deadline deadline(timeout);
  const Sample sample = make_sample(access.key_prefix);
  Endpoint node = endpoint;
  for (int redirections = 0; redirections <= most_redirections; ++redirections) {
    RedisClient client(node, access, deadline);
    check_mode(client, mode);
    auto next = set_key(client, node, sample, mode);
    if (!next) {
      read_back(client, node, sample);
      return;
    }
    node = std::move(*next);
  }
  throw Error(ExitCode::unavailable,
              fmt::format("the nodes of the cluster of {} redirect to each other {} times",
                          endpoint.text(), most_redirections + 1));
}

} // namespace net
