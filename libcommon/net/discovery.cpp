#include "net/discovery.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "net/connection.hpp"

#include <algorithm>

namespace net {

namespace {

using cli::Error;
using cli::ExitCode;

/// A cluster of 300 nodes with the longest names that DNS allows takes less than 100 KiB.
constexpr std::size_t max_answer_bytes = 1U << 20U;

Endpoint parse_node(const std::string& text) {
  const auto parts = cli::split(text, '|');
  if (parts.size() != 3) {
    throw Error(ExitCode::data,
                fmt::format("'{}' is not a node, NAME|ADDRESS|PORT", cli::shown(text)));
  }
  const std::string& host = parts[0].empty() ? parts[1] : parts[0];
  const bool ipv6 = host.find(':') != std::string::npos;
  try {
    return parse_endpoint((ipv6 ? "[" + host + "]" : host) + ":" + parts[2]);
  } catch (const Error& error) {
    throw Error(ExitCode::data,
                fmt::format("the node '{}': {}", cli::shown(text), error.message()));
  }
}

/// Reads up to the line "END". The length in the header is not trusted: some servers get it wrong.
std::string read_payload(Connection& connection) {
  std::string payload;
  for (;;) {
    const std::string line = connection.read_line(max_answer_bytes - payload.size());
    if (cli::trim(line) == "END") {
      return payload;
    }
    payload += line + '\n';
    if (payload.size() > max_answer_bytes) {
      throw Error(ExitCode::data,
                  fmt::format("the list of nodes has more than {} bytes", max_answer_bytes));
    }
  }
}

Cluster read_cluster(Connection& connection, Cluster::Source source) {
  Cluster cluster = parse_configuration(read_payload(connection));
  cluster.source = source;
  return cluster;
}

/// Whether the first line of an answer is one in the Redis protocol. Redis takes the question as a
/// command of its own, which it refuses or answers with an empty list.
bool is_redis(std::string_view answer) {
  return answer.starts_with('-') || answer.starts_with('*') || answer.starts_with('$');
}

/// For an answer that is no list of nodes.
Error not_understood(std::string_view answer) {
  if (answer.starts_with("SERVER_ERROR")) {
    return {ExitCode::unavailable, fmt::format("it answered '{}'", cli::shown(answer))};
  }
  return {ExitCode::data,
          fmt::format("it did not answer as a memcached does, but '{}'", cli::shown(answer)),
          is_redis(answer) ? "this looks like Redis or Valkey" : ""};
}

/// `answer` is the first line that came for "config get cluster".
Cluster converse(const Endpoint& endpoint, Connection& connection, std::string answer) {
  if (answer.starts_with("CONFIG ")) {
    return read_cluster(connection, Cluster::Source::config_command);
  }
  // "END": the command is known, but there is no configuration. The older key decides.
  if (!answer.starts_with("ERROR") && !answer.starts_with("CLIENT_ERROR") && answer != "END") {
    throw not_understood(answer);
  }
  connection.send("get AmazonElastiCache:cluster\r\n");
  answer = connection.read_line(max_answer_bytes);
  if (answer.starts_with("VALUE ")) {
    return read_cluster(connection, Cluster::Source::older_key);
  }
  if (answer != "END") {
    throw not_understood(answer);
  }
  return {Cluster::Source::plain, 0, {endpoint}};
}

enum class IfRedis { fail, give_nothing };

std::optional<Cluster> ask_nodes(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                                 const std::optional<Tls>& tls, IfRedis if_redis) {
  Connection connection(endpoint, Deadline(timeout), tls);
  try {
    connection.send("config get cluster\r\n");
    std::string answer = connection.read_line(max_answer_bytes);
    if (if_redis == IfRedis::give_nothing && is_redis(answer)) {
      return std::nullopt;
    }
    return converse(endpoint, connection, std::move(answer));
  } catch (const Error& error) {
    throw Error(
        error.code(),
        fmt::format("cannot discover the nodes of {}: {}", endpoint.text(), error.message()),
        error.hint());
  }
}

} // namespace

Cluster parse_configuration(std::string_view payload) {
  std::vector<std::string> lines;
  for (const std::string& line : cli::split(payload, '\n')) {
    if (const auto trimmed = cli::trim(line); !trimmed.empty()) {
      lines.emplace_back(trimmed);
    }
  }
  if (lines.empty()) {
    throw Error(ExitCode::data, "the configuration is empty");
  }
  const auto version = cli::parse_unsigned(lines[0]);
  if (!version) {
    throw Error(ExitCode::data, fmt::format("'{}' is not the version of a configuration, a number",
                                            cli::shown(lines[0])));
  }
  Cluster cluster{.version = *version, .nodes = {}};
  for (auto line = lines.begin() + 1; line != lines.end(); ++line) {
    for (const std::string& text : cli::split(*line, ' ')) {
      if (text.empty()) {
        continue;
      }
      Endpoint node = parse_node(text);
      if (std::find(cluster.nodes.begin(), cluster.nodes.end(), node) == cluster.nodes.end()) {
        cluster.nodes.push_back(std::move(node));
      }
    }
  }
  if (cluster.nodes.empty()) {
    throw Error(ExitCode::data, "the configuration lists no nodes");
  }
  return cluster;
}

Cluster discover(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                 const std::optional<Tls>& tls) {
  return *ask_nodes(endpoint, timeout, tls, IfRedis::fail);
}

std::optional<Cluster> discover_unless_redis(const Endpoint& endpoint,
                                             std::chrono::milliseconds timeout,
                                             const std::optional<Tls>& tls) {
  return ask_nodes(endpoint, timeout, tls, IfRedis::give_nothing);
}

} // namespace net
