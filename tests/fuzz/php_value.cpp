#include "fuzz.hpp"
#include "php/value.hpp"

#include <stdexcept>

// What a PHP process that a site's code took over could send.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const php::Value value = php::decode(fuzz::text(data, size));
    (void)value.truthy();
    (void)value.scalar_text();
    const std::string bytes = php::encode(value);
    fuzz::require(php::encode(php::decode(bytes)) == bytes); // not ==: NaN is in it
  } catch (const std::runtime_error&) {
  }
  return 0;
}
