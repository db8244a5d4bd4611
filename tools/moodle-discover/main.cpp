#include "cli/command.hpp"
#include "cli/text.hpp"
#include "net/deadline.hpp"
#include "net/discovery.hpp"
#include "net/memcached.hpp"

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
  std::optional<Endpoint> endpoint;
};

/// All at once; throws the error of the first that fails.
std::vector<net::Cluster> discover_all(const std::vector<Endpoint>& endpoints,
                                       std::chrono::milliseconds timeout, const cli::Log& log) {
  std::vector<std::future<net::Cluster>> running;
  running.reserve(endpoints.size());
  for (const Endpoint& endpoint : endpoints) {
    running.push_back(
        net::start_detached([endpoint, timeout] { return net::discover(endpoint, timeout); }));
  }
  std::vector<net::Cluster> clusters;
  for (std::size_t i = 0; i < running.size(); ++i) {
    const net::Cluster& cluster = clusters.emplace_back(running[i].get());
    if (cluster.source == net::Cluster::Source::plain) {
      log.info(
          fmt::format("{} announces no nodes: it is taken as the only one", endpoints[i].text()));
    } else {
      log.detail(fmt::format("{} announces {} node(s), configuration version {}",
                             endpoints[i].text(), cluster.nodes.size(), cluster.version));
    }
  }
  return clusters;
}

/// The nodes of all clusters, each once, in the order of the first mention.
std::vector<Endpoint> nodes_of(const std::vector<net::Cluster>& clusters) {
  std::vector<Endpoint> nodes;
  for (const net::Cluster& cluster : clusters) {
    for (const Endpoint& node : cluster.nodes) {
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
        nodes.push_back(node);
      }
    }
  }
  return nodes;
}

std::string describe(const net::MemcachedStatus& status) {
  const auto hit_rate = status.hit_rate();
  return fmt::format("version={} time-ms={:.1f} used-bytes={} limit-bytes={} hit-percent={} "
                     "evictions={}",
                     cli::shown(status.version),
                     std::chrono::duration<double, std::milli>(status.round_trip).count(),
                     status.bytes, status.limit_bytes,
                     hit_rate ? fmt::format("{:.1f}", *hit_rate * 100) : "-", status.evictions);
}

/// A line a node, the endpoints padded to one width.
std::vector<std::string> describe(const std::vector<net::Probe>& probes) {
  std::size_t width = 0;
  for (const net::Probe& probe : probes) {
    width = std::max(width, probe.endpoint.text().size());
  }
  std::vector<std::string> lines;
  lines.reserve(probes.size());
  for (const net::Probe& probe : probes) {
    lines.push_back(fmt::format("{:<{}} {}", probe.endpoint.text(), width,
                                probe.status ? describe(*probe.status) : "unavailable"));
  }
  return lines;
}

/// Says which nodes do not answer, and why.
ExitCode report_failures(const std::vector<net::Probe>& probes, const cli::Log& log) {
  ExitCode code = ExitCode::ok;
  for (const net::Probe& probe : probes) {
    if (!probe.status) {
      log.error(fmt::format("{}: {}", probe.endpoint.text(), probe.failure));
      code = ExitCode::unavailable;
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
      options.parsed(
          role.name + "-endpoint", "HOST[:PORT]",
          fmt::format("configuration endpoint; its nodes become {}-node facts", role.name),
          [&role](const std::string& value) {
            role.endpoint = net::parse_endpoint(value, memcached_port);
          },
          cli::From::facts);
    }
    options.group("How to ask");
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
  }

  ExitCode run(cli::Context& context) override {
    return listed_.empty() ? write_facts(context) : print_listing(context);
  }

private:
  ExitCode print_listing(cli::Context& context) {
    const auto nodes = nodes_of(discover_all(listed_, timeout_, context.log()));
    if (!probe_) {
      for (const Endpoint& node : nodes) {
        context.print(node.text() + '\n');
      }
      return ExitCode::ok;
    }
    const auto probes = net::probe_memcached(nodes, timeout_);
    for (const std::string& line : describe(probes)) {
      context.print(line + '\n');
    }
    return report_failures(probes, context.log());
  }

  /// With --probe the facts on stdout stay what they are, and the nodes' state goes to stderr.
  ExitCode write_facts(cli::Context& context) {
    const auto roles = discoverable(context);
    std::vector<Endpoint> endpoints;
    endpoints.reserve(roles.size());
    for (const Role& role : roles) {
      endpoints.push_back(*role.endpoint);
    }
    const auto clusters = discover_all(endpoints, timeout_, context.log());
    for (std::size_t i = 0; i < roles.size(); ++i) {
      std::vector<std::string> nodes;
      for (const Endpoint& node : clusters[i].nodes) {
        nodes.push_back(node.text());
      }
      context.result(roles[i].name + "-node", nodes);
    }
    if (!probe_) {
      return ExitCode::ok;
    }
    const auto probes = net::probe_memcached(nodes_of(clusters), timeout_);
    for (const std::string& line : describe(probes)) {
      context.log().info(line);
    }
    return report_failures(probes, context.log());
  }

  /// The roles that have nodes to discover. Redis and Valkey have none: such a role is left out as
  /// long as there is another one.
  [[nodiscard]] std::vector<Role> discoverable(const cli::Context& context) const {
    std::vector<Role> roles;
    std::vector<std::string> left_out;
    for (const Role& role : roles_) {
      if (!role.endpoint) {
        continue;
      }
      const auto engine = last_fact(context, role.name + "-engine").value_or("memcached");
      if (engine != "memcached") {
        left_out.push_back(fmt::format("{} is no memcached ({}-engine is '{}') and announces no "
                                       "nodes",
                                       role.endpoint->text(), role.name, cli::shown(engine)));
        continue;
      }
      if (last_fact(context, role.name + "-tls") == "true") {
        throw Error(ExitCode::config,
                    fmt::format("{} takes only TLS ({}-tls is 'true'), which this command does not "
                                "speak",
                                role.endpoint->text(), role.name));
      }
      roles.push_back(role);
    }
    if (roles.empty()) {
      throw Error(ExitCode::config, left_out.front(), "the endpoint is to be used as it is");
    }
    for (const std::string& reason : left_out) {
      context.log().info(reason + ": left out");
    }
    return roles;
  }

  static std::optional<std::string> last_fact(const cli::Context& context,
                                              const std::string& name) {
    const auto values = context.facts().all(name);
    return values.empty() ? std::nullopt : std::optional(values.back());
  }

  std::vector<std::string> arguments_;
  std::vector<Endpoint> listed_;
  std::array<Role, 2> roles_{Role{"app-cache", {}}, Role{"session-cache", {}}};
  bool probe_ = false;
  std::chrono::milliseconds timeout_{5000};
};

} // namespace

int main(int argc, char** argv) {
  const std::string summary =
      "Ask an ElastiCache for Memcached configuration endpoint for its nodes";
  return cli::run(
      {.name = "moodle-discover", .summary = summary, .verbs = {cli::verb<Discover>("", summary)}},
      argc, argv);
}
