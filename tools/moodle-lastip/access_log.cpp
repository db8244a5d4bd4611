#include "access_log.hpp"

#include "address.hpp"
#include "cli/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lastip {

namespace {

constexpr std::size_t max_line_bytes = std::size_t{64} << 10U;
constexpr std::size_t block_bytes = std::size_t{256} << 10U;

/// Takes `"…"` from the front of `text`, where a backslash guards the next character; nothing when
/// there is no such string.
std::optional<std::string_view> take_quoted(std::string_view& text) {
  if (!text.starts_with('"')) {
    return std::nullopt;
  }
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      const std::string_view inside = text.substr(1, i - 1);
      text.remove_prefix(i + 1);
      return inside;
    }
  }
  return std::nullopt;
}

/// Takes everything up to the next blank, and the blank.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

bool is_number(std::string_view text) {
  return !text.empty()
         && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_installer_request(std::string_view request, std::string_view site_path) {
  const std::string_view method = take_word(request);
  std::string_view path = take_word(request);
  if ((method != "GET" && method != "POST") || !request.starts_with("HTTP/")
      || !path.starts_with(site_path)) {
    return false;
  }
  path = path.substr(0, path.find('?'));
  path.remove_prefix(site_path.size());
  // cron.php is called by machines, often from the web server itself.
  return path == "/install.php" || (path.starts_with("/admin/") && path != "/admin/cron.php");
}

/// Every browser calls itself Mozilla. CloudFront puts its own name in place of the browser's
/// unless it was told to forward the header. Health checks, monitors and cron jobs do neither.
bool is_browser(std::string_view user_agent) {
  return user_agent.starts_with("Mozilla/") || user_agent == "Amazon CloudFront";
}

/// The newest counting client among the lines of `text`, read from its end; the first other one on
/// the way there is the `stranger`.
std::optional<std::string> newest_in(std::string_view text, const LogFilter& filter,
                                     std::optional<std::string>& stranger) {
  while (!text.empty()) {
    if (text.ends_with('\n')) {
      text.remove_suffix(1);
    }
    const std::size_t end = text.rfind('\n');
    const std::size_t begin = end == std::string_view::npos ? 0 : end + 1;
    if (auto client = filter.browser(text.substr(begin))) {
      if (filter.counts(*client)) {
        return client;
      }
      stranger = stranger ? stranger : client;
    }
    text = text.substr(0, begin);
  }
  return std::nullopt;
}

std::size_t read_at(int fd, char* buffer, std::size_t size, off_t offset, const std::string& path) {
  for (;;) {
    const ssize_t got = ::pread(fd, buffer, size, offset);
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) {
      throw cli::system_error(errno, fmt::format("cannot read {}", cli::shown(path)));
    }
  }
}

/// The newest counting client before `end`, found block by block from there.
std::optional<std::string> newest_before(int fd, off_t end, const LogFilter& filter,
                                         const std::string& path,
                                         std::optional<std::string>& stranger) {
  std::string tail; // the beginning of the next block's last line is still to be read
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(block_bytes));
    std::string text(static_cast<std::size_t>(end - begin), '\0');
    if (read_at(fd, text.data(), text.size(), begin, path) != text.size()) {
      return std::nullopt; // the log was cut while it was read: nothing in it is old any more
    }
    text += tail;
    const std::size_t newline = text.find('\n');
    const std::size_t whole = begin == 0                     ? 0
                              : newline == std::string::npos ? text.size()
                                                             : newline + 1;
    if (auto client = newest_in(std::string_view(text).substr(whole), filter, stranger)) {
      return client;
    }
    // What is too long stays too long, however much of it is kept.
    tail = text.substr(0, std::min(whole, max_line_bytes + 1));
    end = begin;
  }
  return std::nullopt;
}

/// Where the last line begins that has no end yet; `end` when it is longer than any that counts.
off_t after_last_newline(int fd, off_t end, const std::string& path) {
  const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(max_line_bytes));
  std::string text(static_cast<std::size_t>(end - begin), '\0');
  text.resize(read_at(fd, text.data(), text.size(), begin, path));
  const std::size_t newline = text.rfind('\n');
  if (newline == std::string::npos) {
    return begin == 0 ? 0 : end;
  }
  return begin + static_cast<off_t>(newline) + 1;
}

} // namespace

std::optional<std::string> LogFilter::browser(std::string_view line) const {
  if (line.size() > max_line_bytes) {
    return std::nullopt;
  }
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  // host ident user [time] "request" status bytes "referer" "user agent"
  const std::string_view host = take_word(line);
  const std::size_t time_end = line.find("] \"");
  if (line.find('[') >= time_end || time_end == std::string_view::npos) {
    return std::nullopt;
  }
  line.remove_prefix(time_end + 2);
  const auto request = take_quoted(line);
  if (!request || !line.starts_with(' ')) {
    return std::nullopt;
  }
  line.remove_prefix(1);
  const std::string_view status = take_word(line);
  const std::string_view bytes = take_word(line);
  if (!is_number(status) || (bytes != "-" && !is_number(bytes))
      || !is_installer_request(*request, site_path)) {
    return std::nullopt;
  }
  if (!line.empty()) {
    const auto referer = take_quoted(line);
    take_word(line);
    const auto user_agent = take_quoted(line);
    if (!referer || !user_agent || !is_browser(*user_agent)) {
      return std::nullopt;
    }
  }
  return moodle_address(host);
}

bool LogFilter::counts(const std::string& address) const {
  return addresses.empty()
         || std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

bool AccessLog::open_if_there() {
  file_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  offset_ = 0;
  carry_.clear();
  if (!file_ && errno == ENOENT) {
    return false;
  }
  struct stat status {};
  if (!file_ || ::fstat(file_.get(), &status) != 0) {
    throw cli::system_error(errno, fmt::format("cannot read {}", cli::shown(path_)));
  }
  if (!S_ISREG(status.st_mode)) {
    throw cli::Error(cli::ExitCode::data,
                     fmt::format("{} is not a regular file", cli::shown(path_)),
                     "'--access-log -' reads a log from standard input");
  }
  return true;
}

std::optional<std::string> AccessLog::newest(Missing missing) {
  stranger_.reset();
  if (path_ == "-") {
    return newest_on_stdin();
  }
  if (!open_if_there()) {
    if (missing == Missing::waits) {
      return std::nullopt;
    }
    throw cli::system_error(ENOENT, fmt::format("cannot read {}", cli::shown(path_)));
  }
  const off_t end = ::lseek(file_.get(), 0, SEEK_END);
  offset_ = after_last_newline(file_.get(), end, path_);
  return newest_before(file_.get(), end, filter_, path_, stranger_);
}

std::optional<std::string> AccessLog::newest_on_stdin() {
  std::optional<std::string> newest;
  std::string block(block_bytes, '\0');
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got < 0 && errno != EINTR) {
      throw cli::Error(cli::ExitCode::io,
                       cli::system_error(errno, "cannot read standard input").message());
    }
    if (got == 0) {
      take("\n", newest);
      return newest;
    }
    take(std::string_view(block).substr(0, got < 0 ? 0 : static_cast<std::size_t>(got)), newest);
  }
}

bool AccessLog::was_replaced() const {
  struct stat there {};
  struct stat here {};
  // A web server writes to the renamed log until it is told to reopen it, so an empty new one is
  // not followed yet.
  return ::stat(path_.c_str(), &there) == 0 && ::fstat(file_.get(), &here) == 0 && there.st_size > 0
         && (there.st_ino != here.st_ino || there.st_dev != here.st_dev);
}

std::optional<std::string> AccessLog::poll() {
  stranger_.reset();
  std::optional<std::string> newest;
  if (file_) {
    // Looked at before reading: what the old file gets until then is read as well.
    const bool replaced = was_replaced();
    newest = read_added();
    if (!replaced) {
      return newest;
    }
  }
  if (!open_if_there()) {
    return newest;
  }
  auto newer = read_added();
  return newer ? newer : newest;
}

std::optional<std::string> AccessLog::read_added() {
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) {
    throw cli::system_error(errno, fmt::format("cannot read {}", cli::shown(path_)));
  }
  if (status.st_size < offset_) { // cut, as copytruncate does
    offset_ = 0;
    carry_.clear();
  }
  std::optional<std::string> newest;
  std::string block(block_bytes, '\0');
  while (const std::size_t got = read_at(file_.get(), block.data(), block.size(), offset_, path_)) {
    offset_ += static_cast<off_t>(got);
    take(std::string_view(block).substr(0, got), newest);
  }
  return newest;
}

void AccessLog::take(std::string_view text, std::optional<std::string>& newest) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (carry_.size() <= max_line_bytes) { // what is too long already need not grow
      carry_ += text.substr(0, std::min(end, max_line_bytes + 1));
    }
    if (end == std::string_view::npos) {
      return;
    }
    if (auto client = filter_.browser(carry_)) {
      const bool counts = filter_.counts(*client);
      stranger_ = counts ? std::nullopt : client;
      newest = counts ? std::move(client) : std::move(newest);
    }
    carry_.clear();
    text.remove_prefix(end + 1);
  }
}

} // namespace lastip
