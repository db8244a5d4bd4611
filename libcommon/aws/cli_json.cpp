#include "aws/cli_json.hpp"

#include "aws/json_documents.hpp"
#include "aws/json_node.hpp"
#include "cli/error.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace aws {

namespace {

using cli::Error;
using cli::ExitCode;

/// Leaves each thing once, at its first place, as its last description has it.
template <typename T>
void deduplicate(std::vector<T>& list) {
  std::map<std::string, std::size_t> places;
  std::vector<T> once;
  for (T& item : list) {
    const auto [place, added] = places.emplace(item.id, once.size());
    if (added) {
      once.push_back(std::move(item));
    } else {
      once[place->second] = std::move(item);
    }
  }
  list = std::move(once);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

/// A list of {name: …, value: …} objects. A value that is not told (a parameter may lack it) is
/// empty.
std::map<std::string, std::string> pairs(const JsonNode& node, std::string_view list,
                                         std::string_view name, std::string_view value) {
  std::map<std::string, std::string> out;
  for (const JsonNode& pair : node.objects(list)) {
    out[pair.required_text(name)] = pair.text(value).value_or("");
  }
  return out;
}

/// CloudFormation tags what it makes with its stack's name.
std::string stack_tag(const JsonNode& node, std::string_view list) {
  return pairs(node, list, "Key", "Value")["aws:cloudformation:stack-name"];
}

/// An endpoint {Address, Port}; empty when the thing has none yet.
std::string endpoint(const std::optional<JsonNode>& node) {
  if (!node || !node->text("Address") || !node->number("Port")) {
    return "";
  }
  return fmt::format("{}:{}", *node->text("Address"), *node->number("Port"));
}

void read_stack(const JsonNode& node, Inventory& inventory) {
  Stack stack;
  stack.id = node.required_text("StackId");
  stack.name = node.required_text("StackName");
  stack.root_id = node.text("RootId").value_or(node.text("ParentId").value_or(stack.id));
  stack.status = node.text("StackStatus").value_or("");
  stack.parameters = pairs(node, "Parameters", "ParameterKey", "ParameterValue");
  stack.outputs = pairs(node, "Outputs", "OutputKey", "OutputValue");
  if (stack.status != "DELETE_COMPLETE") {
    inventory.stacks.push_back(std::move(stack));
  }
}

void read_network_interface(const JsonNode& node, Inventory& inventory) {
  constexpr std::string_view owner = "ELB ";
  const std::string description = node.text("Description").value_or("");
  const bool attached = node.text("Status").value_or("in-use") == "in-use";
  if (description.starts_with("ELB app/") && attached) {
    inventory.addresses.push_back({.id = node.required_text("NetworkInterfaceId"),
                                   .load_balancer = description.substr(owner.size()),
                                   .address = node.required_text("PrivateIpAddress")});
  }
}

void read_cache_cluster(const JsonNode& node, Inventory& inventory) {
  if (node.has("ReplicationGroupId")) {
    return; // a member: describe-replication-groups tells the endpoint that counts
  }
  Cache cache;
  cache.id = node.required_text("CacheClusterId");
  cache.engine = lower(node.required_text("Engine"));
  cache.status = node.text("CacheClusterStatus").value_or("");
  cache.tls = node.flag("TransitEncryptionEnabled");
  cache.endpoint = endpoint(node.object("ConfigurationEndpoint"));
  for (const JsonNode& member : node.objects("CacheNodes")) {
    if (std::string address = endpoint(member.object("Endpoint")); !address.empty()) {
      cache.nodes.push_back(std::move(address));
    }
  }
  if (cache.endpoint.empty() && cache.nodes.size() == 1) {
    cache.endpoint = cache.nodes.front(); // a single Redis node has no other endpoint
  }
  inventory.caches.push_back(std::move(cache));
}

void read_replication_group(const JsonNode& node, Inventory& inventory) {
  Cache cache;
  cache.id = node.required_text("ReplicationGroupId");
  cache.description = node.text("Description").value_or("");
  cache.engine = lower(node.text("Engine").value_or("redis")); // told since there is Valkey
  cache.status = node.text("Status").value_or("");
  cache.tls = node.flag("TransitEncryptionEnabled");
  cache.endpoint = endpoint(node.object("ConfigurationEndpoint"));
  if (const auto shards = node.objects("NodeGroups");
      cache.endpoint.empty() && shards.size() == 1) {
    cache.endpoint = endpoint(shards.front().object("PrimaryEndpoint"));
  }
  inventory.caches.push_back(std::move(cache));
}

void read_serverless_cache(const JsonNode& node, Inventory& inventory) {
  inventory.caches.push_back(Cache{.id = node.required_text("ServerlessCacheName"),
                                   .description = node.text("Description").value_or(""),
                                   .engine = lower(node.required_text("Engine")),
                                   .status = node.text("Status").value_or(""),
                                   .tls = true,
                                   .endpoint = endpoint(node.object("Endpoint")),
                                   .nodes = {}});
}

void read_file_system(const JsonNode& node, Inventory& inventory) {
  FileSystem file_system;
  file_system.id = node.required_text("FileSystemId");
  file_system.name = node.text("Name").value_or("");
  file_system.stack = stack_tag(node, "Tags");
  file_system.throughput_mode = node.text("ThroughputMode").value_or("");
  if (const auto size = node.object("SizeInBytes")) {
    // Only Standard storage buys throughput. Before there were classes, all of it was Standard.
    const auto standard = size->number("ValueInStandard");
    file_system.standard_bytes = standard ? standard : size->number("Value");
  }
  inventory.file_systems.push_back(std::move(file_system));
}

void read_database_cluster(const JsonNode& node, Inventory& inventory) {
  inventory.databases.push_back({.id = node.required_text("DBClusterIdentifier"),
                                 .stack = stack_tag(node, "TagList"),
                                 .status = node.text("Status").value_or(""),
                                 .endpoint = node.text("Endpoint").value_or(""),
                                 .port = node.number("Port"),
                                 .database = node.text("DatabaseName").value_or("")});
}

void read_scaling_group(const JsonNode& node, Inventory& inventory) {
  inventory.scaling_groups.push_back({.id = node.required_text("AutoScalingGroupName"),
                                      .stack = stack_tag(node, "Tags"),
                                      .least = node.number("MinSize"),
                                      .most = node.number("MaxSize"),
                                      .serves_load_balancer = node.count("TargetGroupARNs")
                                                                  + node.count("LoadBalancerNames")
                                                                  + node.count("TrafficSources")
                                                              > 0});
}

struct Reader {
  std::string_view list;         ///< the document's key
  std::string_view continuation; ///< the key that says that the list goes on
  void (*read)(const JsonNode&, Inventory&);
};

constexpr std::array readers{
    Reader{"Stacks", "NextToken", read_stack},
    Reader{"NetworkInterfaces", "NextToken", read_network_interface},
    Reader{"CacheClusters", "Marker", read_cache_cluster},
    Reader{"ReplicationGroups", "Marker", read_replication_group},
    Reader{"ServerlessCaches", "NextToken", read_serverless_cache},
    Reader{"FileSystems", "NextMarker", read_file_system},
    Reader{"DBClusters", "Marker", read_database_cluster},
    Reader{"AutoScalingGroups", "NextToken", read_scaling_group},
};

Error unknown_document(const JsonNode& document, const std::string& place) {
  std::vector<std::string> keys = document.keys();
  keys.resize(std::min<std::size_t>(keys.size(), 5));
  return {ExitCode::data,
          fmt::format("{}an unknown document{}{}", place,
                      keys.empty() ? ", without any key" : " of ",
                      cli::shown(cli::join(keys, ", "))),
          "--ignore-unknown leaves it out"};
}

/// A list that was not fetched to its end may lack just the thing that matters. The AWS CLI itself
/// says so with a NextToken, whatever the service calls it.
void check_complete(const JsonNode& document, std::string_view continuation,
                    const std::string& place) {
  for (const std::string_view key : {continuation, std::string_view("NextToken")}) {
    if (document.has(key)) {
      throw Error(ExitCode::data,
                  fmt::format("{}the list is not complete: it has a {}", place, key),
                  "run the AWS CLI without '--max-items' and '--no-paginate'");
    }
  }
}

} // namespace

void read_cli_json(std::string_view text, std::string_view source, Unknown unknown,
                   Inventory& inventory) {
  for_each_json_document(text, source, [&](const nlohmann::json& value, std::size_t offset) {
    const std::string place = offset == 0
                                  ? fmt::format("{}: ", source)
                                  : fmt::format("{}: document at byte {}: ", source, offset);
    const JsonNode document(value, place);
    bool known = false;
    for (const auto& [list, continuation, read] : readers) {
      if (!document.has(list)) {
        continue;
      }
      known = true;
      check_complete(document, continuation, place);
      for (const JsonNode& item : document.objects(list)) {
        read(item, inventory);
      }
    }
    if (!known && unknown == Unknown::refuse) {
      throw unknown_document(document, place);
    }
  });
  deduplicate(inventory.stacks);
  deduplicate(inventory.addresses);
  deduplicate(inventory.caches);
  deduplicate(inventory.file_systems);
  deduplicate(inventory.databases);
  deduplicate(inventory.scaling_groups);
}

} // namespace aws
