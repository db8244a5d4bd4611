#include "servers.hpp"

#include "cli/text.hpp"
#include "net/resolve.hpp"

#include <algorithm>
#include <set>

using moodle::CacheProtocol;
using net::Endpoint;

namespace {

constexpr const char* discovery_guide =
    "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/AutoDiscovery.html";

constexpr const char* redis_cluster =
    "https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/";

std::string listed(const std::vector<Endpoint>& servers) {
  std::vector<std::string> texts;
  for (const Endpoint& server : servers) {
    texts.push_back(server.text());
  }
  return cli::join(texts, ", ");
}

/// Name and addresses of each server.
using Names = std::vector<std::set<std::string>>;

Names names_of(const std::vector<Endpoint>& servers, const net::Deadline& deadline) {
  Names names;
  for (const Endpoint& server : servers) {
    const std::vector<std::string> addresses = net::addresses(server, deadline);
    names.emplace_back(addresses.begin(), addresses.end());
    names.back().insert(net::canonical(server).text());
  }
  return names;
}

/// Those of the servers that are none of the others, by whatever name.
std::vector<Endpoint> without(const std::vector<Endpoint>& servers, const Names& names,
                              const Names& others) {
  std::vector<Endpoint> left;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const bool among = std::any_of(others.begin(), others.end(), [&](const auto& other) {
      return std::any_of(names[i].begin(), names[i].end(),
                         [&](const std::string& name) { return other.count(name) > 0; });
    });
    if (!among) {
      left.push_back(servers[i]);
    }
  }
  return left;
}

/// The nodes that there should be; none when nobody tells.
std::vector<Endpoint> wanted_nodes(const ProbedGroup& group, const GroupUse& use) {
  const Announced& announced = group.announced->get();
  if (announced.tells) {
    return announced.nodes;
  }
  const CacheFacts* const facts = use.facts;
  if (facts == nullptr || !facts->known()) {
    return {};
  }
  if (facts->endpoint && !moodle::is_among(*facts->parsed_endpoint(), group.group.endpoints)) {
    return {*facts->parsed_endpoint()};
  }
  return facts->parsed_nodes();
}

/// The failures to reach the servers of the group.
std::vector<std::pair<Endpoint, cli::Error>> failures(const ProbedGroup& group) {
  std::vector<std::pair<Endpoint, cli::Error>> failures;
  const auto add_all = [&](const auto& probes) {
    for (const auto& probe : probes) {
      if (probe.failure) {
        failures.emplace_back(probe.endpoint, *probe.failure);
      }
    }
  };
  std::visit(add_all, group.probes->get());
  return failures;
}

/// A Redis that answers and is of the other kind than Moodle's client for it.
std::optional<Endpoint> of_other_kind(const ProbedGroup& group) {
  using Statuses = std::vector<net::Probe<net::RedisStatus>>;
  const auto* const probes = std::get_if<Statuses>(&group.probes->get());
  if (probes == nullptr) {
    return std::nullopt;
  }
  const auto other = std::find_if(probes->begin(), probes->end(), [&](const auto& probe) {
    return probe.status
           && (probe.status->mode == net::RedisStatus::Mode::cluster) != group.group.cluster_client;
  });
  return other == probes->end() ? std::nullopt : std::optional(other->endpoint);
}

/// Whether the one configured server stands for a whole memcached cluster.
bool is_endpoint(const ProbedGroup& group, const GroupUse& use) {
  if (group.group.protocol != CacheProtocol::memcached || group.group.endpoints.size() != 1) {
    return false;
  }
  const std::vector<Endpoint>& announced = group.announced->get().nodes;
  const Endpoint& server = group.group.endpoints.front();
  const bool named = use.facts != nullptr && use.facts->endpoint
                     && net::canonical(server) == net::canonical(*use.facts->parsed_endpoint());
  return announced.size() > 1 && (named || !moodle::is_among(server, announced));
}

Finding misfit(const Subject& subject, const ProbedGroup& group, const GroupUse& use,
               const Endpoint& server) {
  constexpr moodle::Version with_clusters{4, 4, 0};
  const std::string text = server.text();
  if (group.group.cluster_client) {
    return {Severity::error,
            use.object,
            fmt::format("use {}, which is no cluster, as one", text),
            "Moodle's client for clusters asks it for the nodes, and gets none",
            redis_cluster,
            use.mend};
  }
  return {Severity::error,
          use.object,
          fmt::format("use {}, a node of a cluster, as if it were one server", text),
          "it refuses the keys that are other nodes' (MOVED), and Moodle does not follow",
          redis_cluster,
          subject.version && *subject.version < with_clusters ? "" : use.mend};
}

/// In what the servers differ from the nodes that there should be.
struct Drift {
  std::vector<Endpoint> gone;   ///< used, and not there any more
  std::vector<Endpoint> unused; ///< there, and not used
};

Drift drift_of(const Subject& subject, const ProbedGroup& group, const GroupUse& use) {
  const std::vector<Endpoint>& used = group.group.endpoints;
  const CacheFacts* const facts = use.facts;
  if (is_endpoint(group, use) || of_other_kind(group)) {
    return {}; // that is right, or has a finding of its own
  }
  const bool named = facts != nullptr && facts->endpoint;
  const bool is_that = named && used.size() == 1
                       && net::canonical(used.front()) == net::canonical(*facts->parsed_endpoint());
  const bool redis = group.group.protocol == CacheProtocol::redis;
  const std::vector<Endpoint> nodes = wanted_nodes(group, use);
  if (nodes.empty() || (is_that && (subject.follows_endpoint || redis))) {
    return {};
  }
  const net::Deadline deadline(subject.deadline.left());
  const Names used_names = names_of(used, deadline);
  const Names node_names = names_of(nodes, deadline);
  Drift drift{without(used, used_names, node_names), {}};
  if (!redis || !group.group.cluster_client) { // such a client learns of the others from any node
    drift.unused = without(nodes, node_names, used_names);
  }
  return drift;
}

/// The servers that are used and not there any more, as far as anybody says which there are.
std::vector<Endpoint> known_gone(const Subject& subject, const ProbedGroup& group,
                                 const GroupUse& use) {
  try {
    return drift_of(subject, group, use).gone;
  } catch (const cli::Error&) {
    return {};
  }
}

} // namespace

std::vector<Finding> unreachable_servers(const Subject& subject, const ProbedGroup& group,
                                         const GroupUse& use) {
  std::vector<Finding> findings;
  const auto failed = failures(group);
  if (failed.empty()) {
    return findings;
  }
  const std::vector<Endpoint> gone = known_gone(subject, group, use);
  for (const auto& [server, failure] : failed) {
    if (!use.verifies && failure.message().find(" is not trusted: ") != std::string::npos) {
      continue; // to Moodle, which does not look, it is as good as any
    }
    // One that is gone is mended by setting the servers anew.
    findings.push_back(
        {use.severity, use.object,
         fmt::format("use {}, which cannot be used: {}", server.text(), failure.message()),
         use.consequence, "asked just now", moodle::is_among(server, gone) ? use.mend : ""});
  }
  return findings;
}

std::vector<Finding> misused_endpoint(const Subject& subject, const ProbedGroup& group,
                                      const GroupUse& use) {
  if (const auto other = of_other_kind(group)) {
    return {misfit(subject, group, use, *other)};
  }
  if (subject.follows_endpoint || !is_endpoint(group, use)) {
    return {};
  }
  return {{Severity::error, use.object,
           fmt::format("use the endpoint {} of a cluster of {} nodes as if it were one server",
                       group.group.endpoints.front().text(), group.announced->get().nodes.size()),
           "its name leads to another node from time to time, and from one web server to the next: "
           "what is written to one node is not found on the other; PHP's memcached client on this "
           "host does not follow it to the nodes, as Amazon's own does",
           discovery_guide, use.mend}};
}

std::vector<Finding> drifted_servers(const Subject& subject, const ProbedGroup& group,
                                     const GroupUse& use) {
  const std::vector<Endpoint>& used = group.group.endpoints;
  const CacheFacts* const facts = use.facts;
  if (facts != nullptr && facts->endpoint && facts->protocol() != group.group.protocol) {
    return {{Severity::warning, use.object,
             fmt::format("use {} ({}), and the site's stack has {} ({}) for that", listed(used),
                         moodle::text(group.group.protocol), facts->parsed_endpoint()->text(),
                         moodle::text(facts->protocol())),
             "the cluster that was made for it is paid for and not used", "the facts", use.mend}};
  }
  const auto [gone, unused] = drift_of(subject, group, use);
  const auto failed = failures(group);
  const bool reported = std::any_of(failed.begin(), failed.end(), [&gone = gone](const auto& one) {
    return moodle::is_among(one.first, gone);
  });
  if (reported || (gone.empty() && unused.empty())) {
    return {}; // a server that is gone and does not answer has a finding of its own
  }
  std::vector<std::string> clauses;
  if (!gone.empty()) {
    clauses.push_back("use " + listed(gone) + ", which the cluster does not announce");
  }
  if (!unused.empty()) {
    clauses.push_back("do not use " + listed(unused) + ", which it has too");
  }
  return {
      {Severity::warning, use.object, cli::join(clauses, ", and "),
       "nodes were added to the cluster, or replaced, since: a node that is gone makes requests "
       "wait and fail, one that is not used is paid for in vain",
       discovery_guide, use.mend}};
}
