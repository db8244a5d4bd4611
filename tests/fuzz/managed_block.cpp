#include "moodle/managed_block.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"

// The first byte is the line in which lib/setup.php was required, the rest is config.php. It is
// only taken apart, never run: whatever a fuzzer writes would be done.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static php::Runtime php(std::chrono::seconds(10));
  static const moodle::ManagedBlock block("moodle-session");
  if (size == 0) {
    return 0;
  }
  const std::string path = "/site/config.php";
  moodle::Evaluation evaluation;
  evaluation.setup_file = path;
  evaluation.setup_line = data[0];
  try {
    const std::string base = block.strip(php, path, std::string(fuzz::text(data + 1, size - 1)));
    fuzz::require(base.size() < size);
    const std::string after = block.insert(php, path, base, evaluation, {"$CFG->a = 'b';"});
    fuzz::require(after.size() > base.size());
    // Where the lines do not count, in a string for example, the evaluation of the file finds out.
    fuzz::require(!block.is_in(php, path, after) || block.strip(php, path, after) == base);
  } catch (const cli::Error& error) {
    fuzz::require(!error.message().starts_with("PHP ")); // it crashed, gave up, or hung
  }
  return 0;
}
