#include "cli/input.hpp"

#include "cli/error.hpp"
#include "cli/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cli {

Input read_input(const std::string& path, std::size_t max_bytes) {
  Input input;
  input.name = path == "-" ? "standard input" : shown(path);
  UniqueFd opened;
  int fd = STDIN_FILENO;
  if (path != "-") {
    opened.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!opened) {
      throw system_error(errno, fmt::format("cannot read {}", input.name));
    }
    fd = opened.get();
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    throw system_error(errno, fmt::format("cannot read {}", input.name));
  }
  const auto refuse_beyond_limit = [&](std::size_t bytes) {
    if (bytes > max_bytes) {
      throw Error(ExitCode::data, fmt::format("{} is larger than {} bytes", input.name, max_bytes));
    }
  };
  input.regular_file = S_ISREG(info.st_mode);
  if (input.regular_file) {
    const auto size = static_cast<std::size_t>(info.st_size);
    refuse_beyond_limit(size);
    input.text.reserve(size);
  }
  char buffer[65'536];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw system_error(errno, fmt::format("cannot read {}", input.name));
    }
    if (count == 0) {
      return input;
    }
    input.text.append(buffer, static_cast<std::size_t>(count));
    refuse_beyond_limit(input.text.size());
  }
}

std::string read_password(const std::string& path) {
  constexpr std::size_t max_bytes = 65'536;
  const Input input = read_input(path, max_bytes);
  std::string line = input.text.substr(0, input.text.find('\n'));
  if (line.ends_with('\r')) {
    line.pop_back();
  }
  if (line.empty()) {
    throw Error(ExitCode::data, fmt::format("{} has no password in its first line", input.name));
  }
  // What ElastiCache takes; anything else is another file, or one in another encoding.
  if (!std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c < 0x7F; })) {
    throw Error(ExitCode::data,
                fmt::format("the first line of {} holds more than printable ASCII", input.name));
  }
  return line;
}

} // namespace cli
