#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

/// What every fuzz target needs. A target is tests/fuzz/<name>.cpp, which defines
/// LLVMFuzzerTestOneInput(); the only exception that may leave the code that it tests is
/// cli::Error, which it catches.
namespace fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// What has to hold for every input. The line is the caller's; inlining hides it from the stack
/// trace.
inline void require(bool condition, int line = __builtin_LINE()) {
  if (!condition) {
    std::fprintf(stderr, "what line %d requires does not hold\n", line);
    std::abort();
  }
}

} // namespace fuzz
