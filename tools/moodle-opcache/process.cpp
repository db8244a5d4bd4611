#include "process.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "cli/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using cli::Error;
using cli::ExitCode;
using Clock = std::chrono::steady_clock;

namespace {

/// phpinfo() prints about 100 KiB.
constexpr std::size_t most_output = 16U << 20U;

/// After fork(): never returns. The vectors were made before it.
[[noreturn]] void become(int output, const std::vector<std::string>& names,
                         std::vector<char*>& arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, STDIN_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  ::dup2(output, STDOUT_FILENO);
  for (const std::string& name : names) {
    ::execvp(name.c_str(), arguments.data());
  }
  constexpr int not_there = 127;
  ::_exit(not_there);
}

/// Whether all of it came in time.
bool read_output(int fd, std::string& text, Clock::time_point end) {
  std::array<char, 65'536> buffer{};
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    pollfd waiting{fd, POLLIN, 0};
    const int ready = left.count() <= 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    if (ready <= 0) {
      return false;
    }
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) {
      return true;
    }
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    if ((count < 0 && errno != EINTR) || text.size() > most_output) {
      return false;
    }
  }
}

} // namespace

std::optional<std::string>
output_of(std::vector<std::string> command,
          const std::vector<std::pair<std::string, std::string>>& environment,
          std::chrono::milliseconds timeout) {
  const std::vector<std::string> places{command.front(), "/usr/sbin/" + command.front()};
  std::vector<char*> pointers;
  for (std::string& word : command) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw cli::system_error(errno, "cannot start " + command.front());
  }
  const cli::UniqueFd from(ends[0]);
  cli::UniqueFd to(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    throw cli::system_error(errno, "cannot start " + command.front());
  }
  if (child == 0) {
    for (const auto& [name, value] : environment) {
      ::setenv(name.c_str(), value.c_str(), 1);
    }
    become(to.get(), places, pointers);
  }
  to.reset();
  std::string text;
  const bool whole = read_output(from.get(), text, Clock::now() + timeout);
  if (!whole) {
    ::kill(child, SIGKILL);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  constexpr int not_there = 127;
  if (!whole) {
    throw Error(ExitCode::unavailable,
                fmt::format("'{}' did not end within {:g} s", cli::shown(cli::join(command, " ")),
                            static_cast<double>(timeout.count()) / 1000));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == not_there) {
    throw Error(ExitCode::no_input, fmt::format("there is no command {}", command.front()),
                "save what 'php -i' prints where it is, and give it to --phpinfo");
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::optional(text) : std::nullopt;
}
