#include "servers.hpp"

#include "cli/text.hpp"

#include <algorithm>

using moodle::CacheProtocol;
using net::Endpoint;

namespace {

constexpr const char* discovery_guide =
    "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/AutoDiscovery.html";

std::string listed(const std::vector<Endpoint>& servers) {
  std::vector<std::string> texts;
  for (const Endpoint& server : servers) {
    texts.push_back(server.text());
  }
  return cli::join(texts, ", ");
}

/// Those of the first that are not among the second.
std::vector<Endpoint> without(const std::vector<Endpoint>& servers,
                              const std::vector<Endpoint>& others) {
  std::vector<Endpoint> left;
  for (const Endpoint& server : servers) {
    if (!moodle::is_among(server, others)) {
      left.push_back(server);
    }
  }
  return left;
}

/// Whether the one configured server stands for a whole memcached cluster.
bool is_endpoint(const ProbedGroup& group, const GroupUse& use) {
  if (group.group.protocol != CacheProtocol::memcached || group.group.endpoints.size() != 1) {
    return false;
  }
  const std::vector<Endpoint>& announced = group.announced->get();
  const Endpoint& server = group.group.endpoints.front();
  const bool named = use.facts != nullptr && use.facts->endpoint
                     && net::canonical(server) == net::canonical(*use.facts->parsed_endpoint());
  return announced.size() > 1 && (named || !moodle::is_among(server, announced));
}

} // namespace

std::vector<Finding> unreachable_servers(const ProbedGroup& group, const GroupUse& use) {
  std::vector<Finding> findings;
  const auto add_all = [&](const auto& probes) {
    for (const auto& probe : probes) {
      if (probe.failure) {
        findings.push_back({Severity::error, use.object,
                            fmt::format("use {}, which cannot be used: {}", probe.endpoint.text(),
                                        probe.failure->message()),
                            use.consequence, "asked just now", ""});
      }
    }
  };
  std::visit(add_all, group.probes->get());
  return findings;
}

std::vector<Finding> misused_endpoint(const Subject& subject, const ProbedGroup& group,
                                      const GroupUse& use) {
  if (subject.follows_endpoint || !is_endpoint(group, use)) {
    return {};
  }
  return {{Severity::error, use.object,
           fmt::format("use the endpoint {} of a cluster of {} nodes as if it were one server",
                       group.group.endpoints.front().text(), group.announced->get().size()),
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
  if (is_endpoint(group, use)) {
    return {}; // that is right, or has a finding of its own
  }
  const bool named = facts != nullptr && facts->endpoint;
  const bool is_that = named && used.size() == 1
                       && net::canonical(used.front()) == net::canonical(*facts->parsed_endpoint());
  if (is_that && (subject.follows_endpoint || group.group.protocol == CacheProtocol::redis)) {
    return {};
  }
  const std::vector<Endpoint>& announced = group.announced->get();
  const std::vector<Endpoint> gone = without(used, announced);
  const std::vector<Endpoint> unused = without(announced, used);
  if (gone.empty() && unused.empty()) {
    return {};
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
