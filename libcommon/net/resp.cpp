#include "net/resp.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <limits>

namespace net::resp {

namespace {

using cli::Error;
using cli::ExitCode;

Error garbage(std::string_view line) {
  return {ExitCode::data,
          fmt::format("it does not answer as Redis or Valkey does, but '{}'",
                      cli::shown(cli::trim(line))),
          line.starts_with("ERROR") ? "this looks like memcached" : ""};
}

Error too_large() {
  return {ExitCode::data, fmt::format("its answer has more than {} bytes", max_reply_bytes)};
}

/// Reads replies one after the other; its functions give nothing when the bytes end too early.
class Parser {
public:
  explicit Parser(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t position() const noexcept { return at_; }

  std::optional<Reply> reply(std::size_t depth) {
    const auto line = next_line();
    if (!line) {
      return std::nullopt;
    }
    const std::string_view rest = line->substr(std::min<std::size_t>(line->size(), 1));
    switch (line->empty() ? '\0' : line->front()) {
    case '+':
      return Reply{.kind = Reply::Kind::status, .text = std::string(rest)};
    case '-':
      return Reply{.kind = Reply::Kind::error, .text = std::string(rest)};
    case ':':
      return Reply{.kind = Reply::Kind::number, .number = signed_number(*line)};
    case '$':
      return bulk(*line);
    case '*':
      return list(*line, depth);
    default:
      throw garbage(*line);
    }
  }

private:
  /// Up to CR LF, without it. A bare LF ends a line as well, so that the first line of another
  /// protocol's answer can be shown.
  std::optional<std::string_view> next_line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    return line;
  }

  static std::int64_t signed_number(std::string_view line) {
    const bool negative = line.substr(1).starts_with('-');
    const auto magnitude = cli::parse_unsigned(line.substr(negative ? 2 : 1));
    if (!magnitude || *magnitude > std::numeric_limits<std::int64_t>::max()) {
      throw garbage(line);
    }
    const auto number = static_cast<std::int64_t>(*magnitude);
    return negative ? -number : number;
  }

  /// The length after '$' or '*'; nothing for -1, which stands for null.
  static std::optional<std::size_t> length(std::string_view line) {
    const std::int64_t announced = signed_number(line);
    if (announced == -1) {
      return std::nullopt;
    }
    if (announced < 0) {
      throw garbage(line);
    }
    if (static_cast<std::uint64_t>(announced) > max_reply_bytes) {
      throw too_large();
    }
    return static_cast<std::size_t>(announced);
  }

  std::optional<Reply> bulk(std::string_view line) {
    const auto size = length(line);
    if (!size) {
      return Reply{};
    }
    if (bytes_.size() - at_ < *size + 2) {
      return std::nullopt;
    }
    if (bytes_.substr(at_ + *size, 2) != "\r\n") {
      throw Error(ExitCode::data, "its answer is longer or shorter than it says");
    }
    Reply reply{.kind = Reply::Kind::bulk, .text = std::string(bytes_.substr(at_, *size))};
    at_ += *size + 2;
    return reply;
  }

  std::optional<Reply> list(std::string_view line, std::size_t depth) {
    const auto count = length(line);
    if (!count) {
      return Reply{};
    }
    if (depth == max_depth) {
      throw Error(ExitCode::data, fmt::format("its answer is nested more than {} deep", max_depth));
    }
    Reply list{.kind = Reply::Kind::list};
    for (std::size_t i = 0; i < *count; ++i) {
      auto item = reply(depth + 1);
      if (!item) {
        return std::nullopt;
      }
      list.items.push_back(std::move(*item));
    }
    return list;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

} // namespace

std::optional<Parsed> parse(std::string_view bytes) {
  if (bytes.empty()) {
    return std::nullopt;
  }
  if (std::string_view("+-:$*").find(bytes.front()) == std::string_view::npos) {
    throw garbage(bytes.substr(0, bytes.find('\n')));
  }
  Parser parser(bytes);
  auto reply = parser.reply(0);
  if (parser.position() > max_reply_bytes || (!reply && bytes.size() > max_reply_bytes)) {
    throw too_large();
  }
  if (!reply) {
    return std::nullopt;
  }
  return Parsed{std::move(*reply), parser.position()};
}

std::string command(const std::vector<std::string>& words) {
  std::string bytes = fmt::format("*{}\r\n", words.size());
  for (const std::string& word : words) {
    bytes += fmt::format("${}\r\n{}\r\n", word.size(), word);
  }
  return bytes;
}

} // namespace net::resp
