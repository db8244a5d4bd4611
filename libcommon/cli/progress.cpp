#include "cli/progress.hpp"

#include "cli/error.hpp"
#include "cli/size.hpp"

#include <algorithm>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cli {

namespace {

constexpr std::chrono::seconds patience{2};
constexpr std::chrono::seconds rate_window{10};

bool is_pipe(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

bool is_alone_on_the_terminal() {
  return !is_pipe(STDIN_FILENO) && !is_pipe(STDOUT_FILENO)
         && ::tcgetpgrp(STDERR_FILENO) == ::getpgrp();
}

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void put(const std::string& text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

double seconds(Progress::Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

} // namespace

void ProgressOptions::declare(Options& options) {
  options.group("Progress");
  options.flag("progress", wanted, "draw a bar within a pipeline, too, if stderr is a terminal");
  options.flag("no-progress", refused, "draw no bar");
}

void ProgressOptions::validate() const {
  if (wanted && refused) {
    throw Error(ExitCode::usage, "--progress and --no-progress exclude each other");
  }
}

Progress::Progress(const ProgressOptions& options, bool quiet, std::uint64_t total_bytes)
    : enabled_(!options.refused && !quiet && ::isatty(STDERR_FILENO) == 1
               && (options.wanted || is_alone_on_the_terminal())),
      total_(total_bytes) {}

Progress::~Progress() {
  if (drawn_ > 0) {
    put(fmt::format("\r{}\r", std::string(drawn_, ' ')));
  }
}

void Progress::show(std::uint64_t done_bytes) {
  if (!enabled_) {
    return;
  }
  const auto now = Clock::now();
  while (!recent_.empty() && now - recent_.front().first > rate_window) {
    recent_.pop_front();
  }
  recent_.emplace_back(now, done_bytes);
  if (now - start_ < patience) {
    return;
  }
  const auto& [since, before] = recent_.front();
  const double rate = now > since ? static_cast<double>(done_bytes - before) / seconds(now - since)
                                  : static_cast<double>(done_bytes) / seconds(now - start_);
  // A line as wide as the terminal would move the cursor to the next one.
  std::string line = progress_line(done_bytes, total_, rate, terminal_width() - 1);
  const std::size_t width = line.size();
  line.resize(std::max(width, std::min(drawn_, terminal_width() - 1)), ' ');
  put("\r" + line);
  drawn_ = width;
}

std::string progress_line(std::uint64_t done, std::uint64_t total, double bytes_per_second,
                          std::size_t width) {
  const double part = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto percent = static_cast<unsigned>(part * 100);
  const std::string left =
      bytes_per_second < 1
          ? "stalled"
          : duration_text(static_cast<double>(total - done) / bytes_per_second) + " left";
  const std::string head = fmt::format("{:>3} % ", percent);
  const std::string tail = fmt::format(" {} of {}, {}, {}", size_text(done), size_text(total),
                                       rate_text(bytes_per_second), left);
  constexpr std::size_t narrowest_bar = 12;
  constexpr std::size_t widest_bar = 42;
  std::string line = head;
  if (head.size() + narrowest_bar + tail.size() <= width) {
    const std::size_t cells = std::min(width - head.size() - tail.size(), widest_bar) - 2;
    const auto full = static_cast<std::size_t>(part * static_cast<double>(cells));
    line.append(1, '[').append(full, '#').append(cells - full, '.').append(1, ']');
  }
  line += tail;
  return line.substr(0, width);
}

} // namespace cli
