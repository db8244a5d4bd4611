#include "aws/stack_facts.hpp"

#include "aws/names.hpp"
#include "cli/error.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace aws {

namespace {

using cli::Error;
using cli::ExitCode;
using cli::shown;

/// An output of a stack and the fact that it gives. The first block is ours; the second holds what
/// both versions of the "Hosting Moodle on AWS" reference architecture call the same things, in
/// their main and nested templates (v1 up to 2021, 00-master.yaml; v2 from 2023, 00-main.yaml).
struct OutputRule {
  std::string_view output;
  std::string_view fact;
};

constexpr std::array output_rules{
    OutputRule{"SiteUrl", "site-url"},
    OutputRule{"AlbDnsName", "alb-dns"},
    OutputRule{"DbHost", "db-host"},
    OutputRule{"DbPort", "db-port"},
    OutputRule{"DbName", "db-name"},
    OutputRule{"EfsId", "efs-id"},
    OutputRule{"EfsThroughputMode", "efs-throughput-mode"},
    OutputRule{"AppCacheEndpoint", "app-cache-endpoint"},
    OutputRule{"AppCacheEngine", "app-cache-engine"},
    OutputRule{"AppCacheTls", "app-cache-tls"},
    OutputRule{"SessionCacheEndpoint", "session-cache-endpoint"},
    OutputRule{"SessionCacheEngine", "session-cache-engine"},
    OutputRule{"SessionCacheTls", "session-cache-tls"},
    OutputRule{"WebAsg", "web-asg"},
    OutputRule{"WebAsgMin", "web-asg-min"},
    OutputRule{"WebAsgMax", "web-asg-max"},
    OutputRule{"DocumentPrefix", "document-prefix"},

    OutputRule{"MoodleDomainName", "site-url"},                         // v2 main: a URL
    OutputRule{"ApplicationCacheServerEndpoint", "app-cache-endpoint"}, // v2 main
    OutputRule{"PublicAlbDnsName", "alb-dns"},
    OutputRule{"DatabaseClusterEndpointAddress", "db-host"},
    OutputRule{"DatabaseClusterEndpointPort", "db-port"},
    OutputRule{"DatabaseName", "db-name"},
    OutputRule{"ElasticFileSystem", "efs-id"},
    OutputRule{"WebAutoScalingGroupName", "web-asg"}, // v2
};

// Outputs of the reference architecture that need more than a name.
constexpr const char* dns_name = "DnsName";
constexpr const char* cache_endpoint = "ElastiCacheClusterEndpointAddress";
constexpr const char* alb_full_name = "PublicAlbFullName";
constexpr const char* alb_url = "PublicAlbHostname";

std::string value_of(const std::map<std::string, std::string>& map, const std::string& key) {
  const auto at = map.find(key);
  return at == map.end() ? "" : at->second;
}

/// AWS writes the name of a load balancer as its stack is written, and browsers ask for it in lower
/// case. Moodle takes the two for different hosts, and redirects for ever (Moodle 4.5
/// lib/setuplib.php, initialise_fullme).
std::string host_lowered(const std::string& url) {
  const std::size_t begin = url.find("://");
  if (begin == std::string::npos) {
    return url;
  }
  const std::size_t end = std::min(url.find('/', begin + 3), url.size());
  return lower(url.substr(0, end)) + url.substr(end);
}

bool tells_something(const Stack& stack) {
  return std::any_of(stack.outputs.begin(), stack.outputs.end(), [](const auto& output) {
    const std::string& name = output.first;
    return name == dns_name || name == cache_endpoint || name == alb_full_name || name == alb_url
           || std::any_of(output_rules.begin(), output_rules.end(),
                          [&](const OutputRule& rule) { return rule.output == name; });
  });
}

class StackReader {
public:
  StackReader(const std::vector<Stack>& stacks, const std::optional<std::string>& choice,
              const std::string& known, Told& told)
      : stacks_(stacks), choice_(choice), known_(known), told_(told) {}

  SiteStacks read() {
    read_stacks();
    return std::move(site_);
  }

private:
  void read_stacks();
  [[nodiscard]] std::string chosen_root() const;
  void read_outputs(const Stack& stack);
  void read_load_balancer(const Stack& stack);
  void read_url(const Stack& stack);
  void read_cache(const Stack& stack);
  void read_engine(const Stack& stack, std::string_view role);
  void read_output(const Stack& stack, const std::string& output, std::string_view fact,
                   const std::string& value);

  const std::vector<Stack>& stacks_;
  const std::optional<std::string>& choice_;
  const std::string& known_;
  Told& told_;
  std::map<std::string, std::string> tellers_; ///< for a fact, the stack whose output gave it
  SiteStacks site_;
};

/// The ARN of the outermost stack of the site.
std::string StackReader::chosen_root() const {
  std::map<std::string, bool> roots; // and whether anything in them is known
  for (const Stack& stack : stacks_) {
    roots[stack.root_id] |= tells_something(stack);
  }
  const auto named = [&](const std::string& wanted) -> std::string {
    const auto at = std::find_if(roots.begin(), roots.end(), [&](const auto& root) {
      return stack_name_of(root.first) == wanted;
    });
    return at == roots.end() ? "" : at->first;
  };
  const auto listed = [&] {
    std::vector<std::string> names;
    names.reserve(roots.size());
    for (const auto& [root, known] : roots) {
      names.push_back(stack_name_of(root));
    }
    return shown(cli::join(names, ", "), 400);
  };
  if (choice_) {
    std::string root = named(*choice_);
    if (root.empty()) {
      throw Error(ExitCode::data,
                  fmt::format("no document describes the stack '{}'", shown(*choice_)),
                  roots.empty() ? "" : fmt::format("described are: {}", listed()));
    }
    return root;
  }
  if (std::any_of(roots.begin(), roots.end(), [](const auto& root) { return root.second; })) {
    std::erase_if(roots, [](const auto& root) { return !root.second; });
  }
  if (roots.size() > 1) {
    if (std::string root = named(known_); !root.empty()) {
      return root;
    }
    throw Error(ExitCode::data,
                fmt::format("nothing tells which stack is the site's: {}", listed()),
                "choose one with --stack-name");
  }
  return roots.empty() ? "" : roots.begin()->first;
}

void StackReader::read_stacks() {
  const std::string root = chosen_root();
  if (root.empty()) {
    return;
  }
  const std::string name = stack_name_of(root);
  const std::string where = fmt::format("stack '{}'", shown(name));
  if (name.empty()) {
    throw Error(ExitCode::data, fmt::format("'{}' is not the ARN of a stack", shown(root)));
  }
  told_.set("stack-name", name, where);
  told_.set_unless_empty("region", arn_part(root, 3), where);
  std::vector<const Stack*> own;
  for (const Stack& stack : stacks_) {
    if (stack.root_id == root) {
      own.push_back(&stack);
    }
  }
  if (std::none_of(own.begin(), own.end(),
                   [](const Stack* stack) { return tells_something(*stack); })) {
    site_.remarks.push_back(fmt::format("{} ({}) has no output that facts can come from", where,
                                        shown(own.front()->status)));
  }
  // What needs more than an output's name comes later, because it only completes the rest.
  for (const Stack* stack : own) {
    read_outputs(*stack);
  }
  for (const Stack* stack : own) {
    read_load_balancer(*stack);
    read_url(*stack);
    read_cache(*stack);
  }
  for (const Stack* stack : own) {
    read_engine(*stack, app_cache);
    read_engine(*stack, session_cache);
  }
}

void StackReader::read_output(const Stack& stack, const std::string& output, std::string_view fact,
                              const std::string& value) {
  constexpr std::string_view switched_off = "Not enabled"; // the reference architecture's, v2
  if (value.empty() || value == switched_off) {
    return;
  }
  const std::string before = told_.get(fact);
  told_.set(fact, value, fmt::format("stack '{}', output '{}'", shown(stack.name), shown(output)));
  if (!before.empty() && before != told_.get(fact)) {
    throw Error(ExitCode::data,
                fmt::format("the stacks disagree about {}: '{}' in '{}', '{}' in '{}'", fact,
                            shown(before), shown(tellers_[std::string(fact)]),
                            shown(told_.get(fact)), shown(stack.name)));
  }
  tellers_[std::string(fact)] = stack.name;
}

void StackReader::read_outputs(const Stack& stack) {
  for (const auto& [output, fact] : output_rules) {
    const std::string value = value_of(stack.outputs, std::string(output));
    read_output(stack, std::string(output), fact, fact == "site-url" ? host_lowered(value) : value);
  }
}

/// v1 and v2, main: the load balancer, or else CloudFront. Nested, and of every version, its full
/// name.
void StackReader::read_load_balancer(const Stack& stack) {
  const std::string dns = value_of(stack.outputs, dns_name);
  if (dns.find(".elb.") != std::string::npos && !told_.has("alb-dns")) {
    read_output(stack, dns_name, "alb-dns", dns);
  }
  if (const std::string name = value_of(stack.outputs, alb_full_name); !name.empty()) {
    site_.load_balancer = name;
  }
}

/// v1 builds wwwroot from the parameter DomainName, or else from the load balancer's URL
/// (04-web.yaml).
void StackReader::read_url(const Stack& stack) {
  const std::string url = value_of(stack.outputs, alb_url);
  if (url.empty() || told_.has("site-url")) {
    return;
  }
  std::string domain;
  for (const Stack& other : stacks_) {
    if (other.root_id == stack.root_id && domain.empty()) {
      domain = value_of(other.parameters, "DomainName");
    }
  }
  read_output(stack, alb_url, "site-url", domain.empty() ? lower(url) : "https://" + lower(domain));
}

/// v1 and v2, nested: one template serves both caches. v2 tells by a parameter which one it is, v1
/// only by the nested stack's name, "MAIN-sessioncache-RANDOM".
void StackReader::read_cache(const Stack& stack) {
  const std::string endpoint = value_of(stack.outputs, cache_endpoint);
  if (endpoint.empty()) {
    return;
  }
  std::string_view role = role_in(value_of(stack.parameters, "CacheUsageType"));
  if (role.empty()) {
    std::string_view name = stack.name;
    const std::string outer = stack_name_of(stack.root_id);
    name.remove_prefix(is_nested_in(name, outer) ? outer.size() : 0);
    role = role_in(name);
  }
  if (role.empty()) {
    site_.remarks.push_back(fmt::format("nothing tells whether the cache of stack '{}' is the "
                                        "application's or the sessions'; it is left out",
                                        shown(stack.name)));
    return;
  }
  read_output(stack, cache_endpoint, fact_name(role, "endpoint"), endpoint);
  read_engine(stack, role);
}

/// v2, main and nested: both caches have the engine that this parameter names.
void StackReader::read_engine(const Stack& stack, std::string_view role) {
  const std::string engine = value_of(stack.parameters, "CacheEngineType");
  const std::string fact = fact_name(role, "engine");
  if (!engine.empty() && told_.has(fact_name(role, "endpoint")) && !told_.has(fact)) {
    told_.set(fact, engine,
              fmt::format("stack '{}', parameter 'CacheEngineType'", shown(stack.name)));
  }
}

} // namespace

SiteStacks read_stacks(const std::vector<Stack>& stacks, const std::optional<std::string>& choice,
                       const std::string& known, Told& told) {
  return StackReader(stacks, choice, known, told).read();
}

} // namespace aws
