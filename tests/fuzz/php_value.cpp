#include "fuzz.hpp"
#include "php/value.hpp"

#include <stdexcept>

// What a PHP process that a site's code took over could send. Editing config.php and Moodle's cache
// configuration happens in libphp, which keeps its state for the whole process and ends scripts by
// longjmp, so that it does not live in a fuzzer's loop: tests/integration/test_random_edits.py
// makes random files for it instead.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const php::Value value = php::decode(fuzz::text(data, size));
    value.truthy();
    value.scalar_text();
    const std::string bytes = php::encode(value);
    fuzz::require(php::encode(php::decode(bytes)) == bytes); // not ==: NaN is in it
  } catch (const std::runtime_error&) {
  }
  return 0;
}
