#include "net/resp.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = fuzz::text(data, size);
  try {
    const auto parsed = net::resp::parse(input);
    if (parsed) {
      fuzz::require(parsed->length > 0 && parsed->length <= size);
      const auto again = net::resp::parse(input.substr(0, parsed->length));
      fuzz::require(again && again->reply == parsed->reply);
      fuzz::require(!net::resp::parse(input.substr(0, parsed->length - 1)));
    }
  } catch (const cli::Error&) {
  }
  return 0;
}
