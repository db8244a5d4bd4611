#include "caches.hpp"
#include "cli/command.hpp"
#include "cli/input.hpp"
#include "cli/text.hpp"
#include "net/suitability.hpp"

#include <algorithm>
#include <array>

namespace {

using cli::Error;
using cli::ExitCode;
using net::Endpoint;

constexpr std::uint16_t memcached_port = 11211;
constexpr std::size_t max_arguments = 300; ///< as many as ElastiCache allows nodes in a region

/// One of the two caches of a site: "app-cache" or "session-cache", the beginning of its facts.
struct Role {
  std::string name;
  std::optional<std::string> endpoint = {};
  Protocol protocol = Protocol::unknown;
  bool tls = false;
  bool sessions = false;

  [[nodiscard]] Endpoint parsed_endpoint() const {
    return net::parse_endpoint(*endpoint,
                               protocol == Protocol::redis ? net::redis_port : memcached_port);
  }
};

Protocol parse_engine(const std::string& value) {
  if (value == "memcached") {
    return Protocol::memcached;
  }
  if (value == "redis" || value == "valkey") {
    return Protocol::redis;
  }
  throw Error(ExitCode::usage,
              fmt::format("'{}' is none of memcached, redis, valkey", cli::shown(value)));
}

bool parse_truth(const std::string& value) {
  if (value != "true" && value != "false") {
    throw Error(ExitCode::usage, fmt::format("'{}' is neither true nor false", cli::shown(value)));
  }
  return value == "true";
}

/// The servers of all caches, each once, in the order of the first mention.
std::vector<Server> merge(const std::vector<std::vector<Server>>& caches) {
  std::vector<Server> merged;
  for (const std::vector<Server>& servers : caches) {
    for (const Server& server : servers) {
      const bool known = std::any_of(merged.begin(), merged.end(), [&](const Server& other) {
        return other.endpoint == server.endpoint;
      });
      if (!known) {
        merged.push_back(server);
      }
    }
  }
  return merged;
}

/// Says which nodes do not answer, and why; the code is that of the first.
ExitCode report_failures(const std::vector<net::Probe<Status>>& probes, const cli::Log& log) {
  std::optional<Error> first;
  for (const auto& probe : probes) {
    if (probe.failure) {
      log.error(probe.failure->message());
      first = first ? first : probe.failure;
    }
  }
  if (first && !first->hint().empty()) {
    log.hint(first->hint());
  }
  return first ? first->code() : ExitCode::ok;
}

/// Says what is wrong with nodes that are to hold sessions.
ExitCode report_findings(const std::vector<net::Probe<Status>>& probes, const cli::Log& log) {
  using Severity = net::Finding::Severity;
  ExitCode code = ExitCode::ok;
  for (const auto& probe : probes) {
    if (!probe.status) {
      continue;
    }
    const auto findings =
        std::visit([](const auto& status) { return net::session_findings(status); }, *probe.status);
    for (const net::Finding& finding : findings) {
      const std::string text = fmt::format("{} {}", probe.endpoint.text(), finding.text);
      if (finding.severity == Severity::unusable) {
        log.error(text);
        code = ExitCode::config;
      } else if (finding.severity == Severity::warning) {
        log.warning(text);
      } else {
        log.detail(text);
      }
    }
  }
  return code;
}

class Discover : public cli::Command {
public:
  void declare(cli::Options& options) override {
    options.positionals("[HOST[:PORT]]...", arguments_, 0, max_arguments);
    options.group("What to ask, to get facts");
    for (Role& role : roles_) {
      declare(options, role);
    }
    options.group("How to ask");
    options.flag("tls", tls_, "speak TLS with all of them");
    options.text("ca-file", ca_file_, "FILE",
                 "trust the authorities in this PEM file instead of the system's");
    options.input("password-file", password_file_,
                  "the password for Redis and Valkey is the first line of this file");
    options.text("user", user_, "NAME", "the user for Redis and Valkey, where there are users");
    options.flag("probe", probe_, "connect to every node as well, and report how each one is");
    options.seconds("timeout", timeout_, "how long to wait for a server (5)");
  }

  void validate(const cli::Options& options) override {
    for (const std::string& text : arguments_) {
      listed_.push_back(net::parse_endpoint(text, memcached_port));
    }
    const bool for_facts = options.given("facts") || roles_[0].endpoint || roles_[1].endpoint;
    if (!listed_.empty() && for_facts) {
      throw Error(ExitCode::usage,
                  fmt::format("'{}' is asked for a listing, which cannot be mixed with facts",
                              cli::shown(arguments_[0])),
                  "name it with --app-cache-endpoint or --session-cache-endpoint");
    }
    if (listed_.empty() && !roles_[0].endpoint && !roles_[1].endpoint) {
      throw for_facts ? Error(ExitCode::data, "the facts name no app-cache-endpoint and no "
                                              "session-cache-endpoint")
                      : Error(ExitCode::usage, "no endpoint is given");
    }
    if (ca_file_ && !tls_ && !roles_[0].tls && !roles_[1].tls) {
      throw Error(ExitCode::usage, "--ca-file means nothing without TLS", "add --tls");
    }
    if (user_ && !password_file_) {
      throw Error(ExitCode::usage, "--user means nothing without --password-file");
    }
  }

  ExitCode run(cli::Context& context) override {
    if (password_file_) {
      password_ = cli::read_password(*password_file_);
    }
    if (tls_ || roles_[0].tls || roles_[1].tls) {
      trust_.ca_file = ca_file_;
      trust_.load();
    }
    return listed_.empty() ? write_facts(context) : print_listing(context);
  }

private:
  static void declare(cli::Options& options, Role& role) {
    options.parsed(
        role.name + "-endpoint", "HOST[:PORT]",
        fmt::format("endpoint of the cache; its nodes become {}-node facts", role.name),
        [&role](const std::string& value) {
          net::parse_endpoint(value, memcached_port);
          role.endpoint = value;
        },
        cli::From::facts);
    options.parsed(
        role.name + "-engine", "memcached|redis|valkey",
        "memcached, redis or valkey; without it, whatever the server turns out to be",
        [&role](const std::string& value) { role.protocol = parse_engine(value); },
        cli::From::facts);
    options.parsed(
        role.name + "-tls", "true|false", "whether to speak TLS with it",
        [&role](const std::string& value) { role.tls = parse_truth(value); }, cli::From::facts);
  }

  [[nodiscard]] Server make_server(const Endpoint& endpoint, Protocol protocol, bool tls) const {
    Server server{endpoint, protocol, {}};
    server.access.user = user_;
    server.access.password = password_;
    if (tls || tls_) {
      server.access.tls = trust_;
    }
    return server;
  }

  ExitCode print_listing(cli::Context& context) {
    std::vector<Server> caches;
    for (const Endpoint& endpoint : listed_) {
      caches.push_back(make_server(endpoint, Protocol::unknown, false));
    }
    const auto nodes = merge(discover_all(caches, timeout_, context.log()));
    if (!probe_) {
      for (const Server& node : nodes) {
        context.print(node.endpoint.text() + '\n');
      }
      return ExitCode::ok;
    }
    const auto probes = probe_all(nodes, timeout_);
    for (const std::string& line : describe(probes)) {
      context.print(line + '\n');
    }
    return report_failures(probes, context.log());
  }

  /// With --probe the facts on stdout stay what they are, and the nodes' state goes to stderr.
  ExitCode write_facts(cli::Context& context) {
    std::vector<Role> roles;
    std::vector<Server> caches;
    for (const Role& role : roles_) {
      if (role.endpoint) {
        roles.push_back(role);
        caches.push_back(make_server(role.parsed_endpoint(), role.protocol, role.tls));
      }
    }
    const auto found = discover_all(caches, timeout_, context.log());
    for (std::size_t i = 0; i < roles.size(); ++i) {
      std::vector<std::string> nodes;
      for (const Server& node : found[i]) {
        nodes.push_back(node.endpoint.text());
      }
      context.result(roles[i].name + "-node", nodes);
    }
    return probe_ ? report_state(roles, found, context.log()) : ExitCode::ok;
  }

  [[nodiscard]] ExitCode report_state(const std::vector<Role>& roles,
                                      const std::vector<std::vector<Server>>& found,
                                      const cli::Log& log) const {
    const auto probes = probe_all(merge(found), timeout_);
    for (const std::string& line : describe(probes)) {
      log.info(line);
    }
    ExitCode code = report_failures(probes, log);
    for (std::size_t i = 0; i < roles.size(); ++i) {
      if (!roles[i].sessions) {
        continue;
      }
      const ExitCode fitness = report_findings(of_servers(probes, found[i]), log);
      code = code == ExitCode::ok ? fitness : code;
    }
    return code;
  }

  static std::vector<net::Probe<Status>> of_servers(const std::vector<net::Probe<Status>>& probes,
                                                    const std::vector<Server>& servers) {
    std::vector<net::Probe<Status>> chosen;
    for (const auto& probe : probes) {
      if (std::any_of(servers.begin(), servers.end(),
                      [&](const Server& server) { return server.endpoint == probe.endpoint; })) {
        chosen.push_back(probe);
      }
    }
    return chosen;
  }

  std::vector<std::string> arguments_;
  std::vector<Endpoint> listed_;
  std::array<Role, 2> roles_{Role{.name = "app-cache"},
                             Role{.name = "session-cache", .sessions = true}};
  bool tls_ = false;
  std::optional<std::string> ca_file_;
  std::optional<std::string> password_file_;
  std::optional<std::string> user_;
  net::Tls trust_;
  std::optional<std::string> password_;
  bool probe_ = false;
  std::chrono::milliseconds timeout_{5000};
};

} // namespace

int main(int argc, char** argv) {
  const std::string summary = "Ask an ElastiCache endpoint for its nodes, and how they are";
  return cli::run(
      {.name = "moodle-discover", .summary = summary, .verbs = {cli::verb<Discover>("", summary)}},
      argc, argv);
}
