#include "cli/log.hpp"

#include <unistd.h>

namespace cli {

void Log::warning(std::string_view text) const {
  if (verbosity_ != Verbosity::quiet) {
    write("warning: ", text);
  }
}

void Log::info(std::string_view text) const {
  if (verbosity_ != Verbosity::quiet) {
    write("", text);
  }
}

void Log::detail(std::string_view text) const {
  if (verbosity_ == Verbosity::verbose) {
    write("", text);
  }
}

void Log::report(const Error& error) const {
  this->error(error.message());
  if (!error.hint().empty()) {
    hint(error.hint());
  }
}

void Log::write(std::string_view kind, std::string_view text) const {
  // One write a message, so that the stages of a pipeline do not cut each other's lines.
  const std::string line = fmt::format("{}: {}{}\n", command_, kind, text);
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

} // namespace cli
