#include "fuzz.hpp"
#include "moodle/version.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (const auto version = moodle::parse_version(fuzz::text(data, size))) {
    fuzz::require(version->major >= 0 && version->minor >= 0 && version->patch >= 0);
    fuzz::require(moodle::parse_version(version->text()) == version);
  }
  return 0;
}
