#pragma once

#include "cli/unique_fd.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace lastip {

/// Which lines of an access log tell where the installing browser's requests come from.
struct LogFilter {
  std::string site_path;              ///< the path of the site's address: "" or "/moodle"
  std::vector<std::string> addresses; ///< when not empty, only these count; as Moodle writes them

  /// The client's address, as Moodle writes it, when `line` (common or combined format, no line
  /// end) is a browser's GET or POST below /admin/ or for /install.php. Any other line, however
  /// broken, gives nothing. A line without a user agent counts as a browser's.
  [[nodiscard]] std::optional<std::string> browser(std::string_view line) const;
  [[nodiscard]] bool counts(const std::string& address) const;
};

/// The newest counting client in a web server's access log, once and then again as the log grows.
/// A line longer than 64 KiB never counts.
class AccessLog {
public:
  AccessLog(std::string path, LogFilter filter)
      : path_(std::move(path)), filter_(std::move(filter)) {}

  enum class Missing { is_an_error, waits };

  /// Reads backwards from the end, only as far as needed; "-" is standard input, read to its end.
  /// Throws Error{no_input, no_permission, io}, and Error{data} when it is no regular file.
  std::optional<std::string> newest(Missing missing);

  /// The newest counting client in what was added since newest() or the last call, or nothing.
  /// A log that is not there yet, was renamed and created again, or was cut and rewritten, is
  /// followed. Throws like newest(), but never for a missing file.
  std::optional<std::string> poll();

  /// The newest client that newest() or poll() passed over because its address does not count, if
  /// it came after the one that they gave.
  [[nodiscard]] const std::optional<std::string>& stranger() const noexcept { return stranger_; }

private:
  std::optional<std::string> newest_on_stdin();
  bool open_if_there();
  [[nodiscard]] bool was_replaced() const;
  std::optional<std::string> read_added();
  void take(std::string_view text, std::optional<std::string>& newest);

  std::string path_;
  LogFilter filter_;
  cli::UniqueFd file_;
  off_t offset_ = 0;  ///< what is before it has been read
  std::string carry_; ///< the beginning of a line whose end has not been written yet
  std::optional<std::string> stranger_;
};

} // namespace lastip
