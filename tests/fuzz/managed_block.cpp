#include "moodle/managed_block.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"
#include "php_pieces.hpp"

#include <algorithm>

namespace {

const std::string path = "/site/config.php";

/// Tokens follow each other from the first byte on; where PHP cannot go on, they stop.
void tokens(const std::string& content) {
  std::size_t end = 0;
  int line = 1;
  for (const php::Token& token : fuzz::php_runtime().tokens(content)) {
    fuzz::require(token.offset == end && token.length > 0 && token.line >= line);
    end += token.length;
    line = token.line;
  }
  fuzz::require(end <= content.size());
}

} // namespace

// PHP reads the bytes, and never runs them, so that they may be any.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string content(fuzz::text(data, size));
  const moodle::ManagedBlock block("moodle-session");
  php::Runtime& php = fuzz::php_runtime();
  try {
    tokens(content);
    const std::string base = block.strip(php, path, content);
    fuzz::require(base.size() <= content.size());
    const auto lines = 1 + static_cast<int>(std::count(base.begin(), base.end(), '\n'));
    for (int line = 1; line <= std::min(lines, 20); ++line) {
      const moodle::Evaluation evaluation{{}, "lib/setup.php", path, line};
      const std::string after = block.insert(php, path, base, evaluation, {"$CFG->a = 'b';"});
      fuzz::require(block.strip(php, path, after) == base);
    }
  } catch (const cli::Error&) {
  }
  return 0;
}
