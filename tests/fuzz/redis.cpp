#include "net/redis.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"
#include "net/suitability.hpp"

namespace {

void info(std::string_view input) {
  try {
    const net::RedisStatus status = net::parse_redis_info(input);
    fuzz::require(!status.version.empty());
    net::session_findings(status);
    (void)status.hit_rate();
  } catch (const cli::Error&) {
  }
}

void cluster_nodes(std::string_view input) {
  try {
    const auto nodes = net::parse_cluster_nodes(input, "self");
    fuzz::require(!nodes.empty());
    for (const net::Endpoint& node : nodes) {
      fuzz::require(net::parse_endpoint(node.text()) == node);
    }
  } catch (const cli::Error&) {
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  info(fuzz::text(data, size));
  cluster_nodes(fuzz::text(data, size));
  return 0;
}
