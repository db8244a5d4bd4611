#pragma once

#include "php/runtime.hpp"

#include <chrono>
#include <fuzzer/FuzzedDataProvider.h>
#include <limits>
#include <string>

/// What targets need that ask PHP: one PHP for all inputs, in its process of its own, and values
/// that the input chooses.
namespace fuzz {

/// To be given nothing to run but what is put together from harmless pieces: bytes that a fuzzer
/// makes may call unlink(). Should one get through, it finds no file and no command to call.
inline php::Runtime& php_runtime() {
  static php::Runtime runtime(
      std::chrono::seconds(1),
      {.ini_file = "/dev/null",
       .ini_folder = "/dev/null",
       .settings = {{"open_basedir", "/site"},
                    {"disable_functions",
                     "exec,passthru,shell_exec,system,proc_open,popen,mail,dl,putenv,"
                     "stream_socket_client,stream_socket_server,fsockopen,pfsockopen"}},
       .memory_bytes = std::uint64_t{2} << 30U});
  return runtime;
}

inline php::Value php_value(FuzzedDataProvider& input, int depth = 0);

inline php::Array php_array(FuzzedDataProvider& input, int depth = 0) {
  php::Array array;
  for (int left = input.ConsumeIntegralInRange(0, 4); left > 0; --left) {
    if (input.ConsumeBool()) {
      array.push(php_value(input, depth + 1));
    } else {
      const std::string key = input.ConsumeRandomLengthString(20);
      array.set(key, php_value(input, depth + 1));
    }
  }
  return array;
}

/// Any value that a PHP literal can give.
inline php::Value php_value(FuzzedDataProvider& input, int depth) {
  constexpr int deepest = 4;
  switch (input.ConsumeIntegralInRange(0, depth < deepest ? 6 : 5)) {
  case 0:
    return {};
  case 1:
    return input.ConsumeBool();
  case 2:
    return input.ConsumeIntegral<std::int64_t>();
  case 3:
    return std::int64_t{input.ConsumeIntegral<std::int8_t>()};
  case 4:
    return input.ConsumeBool() ? input.ConsumeFloatingPoint<double>()
                               : std::numeric_limits<double>::infinity();
  case 5:
    return input.ConsumeRandomLengthString(64);
  default:
    return php_array(input, depth);
  }
}

} // namespace fuzz
