#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace aws {

/// What AWS CLI documents told of, cut down to what facts can come from. Texts are as AWS gave
/// them; what is empty or absent was not told.

struct Stack {
  std::string id; ///< the ARN
  std::string name;
  std::string root_id; ///< the ARN of the outermost stack: `id` unless it is nested
  std::string status;
  std::map<std::string, std::string> parameters;
  std::map<std::string, std::string> outputs;
};

/// A network interface of an Application Load Balancer.
struct LoadBalancerAddress {
  std::string id;            ///< of the interface
  std::string load_balancer; ///< "app/NAME/HASH"
  std::string address;
};

struct Cache {
  std::string id;
  std::string description;
  std::string engine; ///< in lower case
  std::string status;
  std::optional<bool> tls;
  std::string endpoint;           ///< "host:port"
  std::vector<std::string> nodes; ///< "host:port" each
};

struct FileSystem {
  std::string id;
  std::string name;
  std::string stack; ///< the name of the stack that made it
  std::string throughput_mode;
  std::optional<std::uint64_t> standard_bytes; ///< metered in the Standard class
};

struct DatabaseCluster {
  std::string id;
  std::string stack;
  std::string status;
  std::string endpoint; ///< the writer's host name
  std::optional<std::uint64_t> port;
  std::string database;
};

struct ScalingGroup {
  std::string id; ///< its name
  std::string stack;
  std::optional<std::uint64_t> least;
  std::optional<std::uint64_t> most;
  bool serves_load_balancer = false;
};

/// Each list is in the order of the documents, and holds a thing once: a later description of the
/// same thing replaces an earlier one.
struct Inventory {
  std::vector<Stack> stacks = {};
  std::vector<LoadBalancerAddress> addresses = {};
  std::vector<Cache> caches = {};
  std::vector<FileSystem> file_systems = {};
  std::vector<DatabaseCluster> databases = {};
  std::vector<ScalingGroup> scaling_groups = {};
};

} // namespace aws
