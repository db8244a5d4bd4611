#include "net/discovery.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"
#include "net/memcached.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = fuzz::text(data, size);
  net::parse_memcached_stats(input);
  try {
    const net::Cluster cluster = net::parse_configuration(input);
    fuzz::require(!cluster.nodes.empty());
    for (const net::Endpoint& node : cluster.nodes) {
      fuzz::require(net::parse_endpoint(node.text()) == node);
    }
  } catch (const cli::Error&) {
  }
  return 0;
}
