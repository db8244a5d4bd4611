#include "cli/error.hpp"
#include "io/file.hpp"

#include <array>
#include <cerrno>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace io {

using cli::Error;
using cli::ExitCode;
using cli::UniqueFd;

namespace {

/// The text as an unnamed file that a child process can open under /dev/fd.
UniqueFd memory_file(std::string_view text) {
  UniqueFd fd(::memfd_create("diff", 0));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw Error(ExitCode::io, cli::system_error(errno, "cannot prepare a diff").message());
  }
  return fd;
}

} // namespace

std::string unified_diff(const std::string& path, std::string_view before, std::string_view after) {
  const UniqueFd old_file = memory_file(before);
  const UniqueFd new_file = memory_file(after);
  const UniqueFd output(::memfd_create("diff-output", MFD_CLOEXEC));
  std::string relative = path.starts_with('/') ? path.substr(1) : path;
  if (relative.find(' ') != std::string::npos) {
    relative += '\t'; // ends the name for patch(1), which else ends it at the blank
  }
  std::array<std::string, 10> words{"diff",
                                    "-u",
                                    "--text",
                                    "--label",
                                    "a/" + relative,
                                    "--label",
                                    "b/" + relative,
                                    "--",
                                    fmt::format("/dev/fd/{}", old_file.get()),
                                    fmt::format("/dev/fd/{}", new_file.get())};
  std::array<char*, 11> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    arguments[i] = words[i].data();
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "diff", &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (error != 0 || ::waitpid(child, &status, 0) < 0 || !WIFEXITED(status)
      || WEXITSTATUS(status) > 1) {
    throw Error(ExitCode::io, "cannot run diff: is the package diffutils installed?");
  }
  std::string text(static_cast<std::size_t>(::lseek(output.get(), 0, SEEK_END)), '\0');
  if (::pread(output.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw Error(ExitCode::io, "cannot read the output of diff");
  }
  return text;
}

} // namespace io
