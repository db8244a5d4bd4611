#include "net/endpoint.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const std::uint16_t default_port : {std::uint16_t{0}, std::uint16_t{6379}}) {
    try {
      const net::Endpoint endpoint = net::parse_endpoint(fuzz::text(data, size), default_port);
      fuzz::require(endpoint.port != 0 && !endpoint.host.empty());
      fuzz::require(net::parse_endpoint(endpoint.text()) == endpoint);
    } catch (const cli::Error&) {
    }
  }
  return 0;
}
