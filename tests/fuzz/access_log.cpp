#include "access_log.hpp"

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto line = fuzz::text(data, size);
  const lastip::LogFilter all{"", {}};
  const auto client = all.browser(line);
  if (client) {
    fuzz::require(!client->empty());
    fuzz::require((lastip::LogFilter{"", {*client}}).counts(*client));
    fuzz::require(!(lastip::LogFilter{"", {"nobody"}}).counts(*client));
  }
  return 0;
}
