#include "cli/error.hpp"

#include "cli/text.hpp"

#include <cerrno>
#include <system_error>

namespace cli {

ExitCode code_for_errno(int error) noexcept {
  switch (error) {
  case ENOENT:
  case ENOTDIR:
    return ExitCode::no_input;
  case EACCES:
  case EPERM:
  case EROFS:
    return ExitCode::no_permission;
  default:
    return ExitCode::io;
  }
}

Error system_error(int error, std::string_view action, std::string hint) {
  return {code_for_errno(error),
          fmt::format("{}: {}", action, std::generic_category().message(error)), std::move(hint)};
}

std::string shown(std::string_view text, std::size_t limit) {
  std::string out;
  const std::string_view head = text.substr(0, limit);
  for (std::size_t i = 0; i < head.size();) {
    const std::size_t length = utf8_length(head, i);
    const auto byte = static_cast<unsigned char>(head[i]);
    if (length == 0 || is_control(head.substr(i, length))) {
      out += fmt::format("\\x{:02x}", byte);
      i += 1;
    } else {
      out += head.substr(i, length);
      i += length;
    }
  }
  if (text.size() > limit) {
    out += fmt::format("… ({} bytes in all)", text.size());
  }
  return out;
}

} // namespace cli
