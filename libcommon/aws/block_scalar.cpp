#include "aws/block_scalar.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace aws {

namespace {

constexpr auto npos = std::string_view::npos;

/// A line that ends in the header of a tagged block scalar.
struct Header {
  std::size_t tag;   ///< the tag's column
  std::size_t least; ///< the least column at which the text may stand
};

std::size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \r") == npos;
}

std::optional<Header> header_of(std::string_view line) {
  std::size_t at = indent_of(line);
  std::optional<std::size_t> dash;
  while (line.substr(at).starts_with("- ")) {
    dash = at;
    at = line.find_first_not_of(' ', at + 1);
    if (at == npos) {
      return std::nullopt;
    }
  }
  const bool is_tagged = at < line.size() && (line[at] == '!' || line[at] == '&');
  const std::size_t style = line.find_last_of("|>");
  if (!is_tagged || style == npos || style < 2 || line[style - 1] != ' '
      || line.find_first_not_of("+- \r", style + 1) != npos) {
    return std::nullopt;
  }
  // Between tag and header stand tags and anchors only.
  for (std::size_t i = at; i < style; ++i) {
    if (line[i] == ' ' && line[i + 1] != ' ' && i + 1 != style && line[i + 1] != '!'
        && line[i + 1] != '&') {
      return std::nullopt;
    }
  }
  return Header{at, dash ? *dash + 1 : at};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

} // namespace

std::string with_deep_block_scalars(const std::string& text) {
  const std::vector<std::string_view> lines = lines_of(text);
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  std::size_t block_indent = 0; // of the block scalar that is being moved
  std::size_t shift = 0;        // by so much; 0 outside of one
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    if (shift > 0 && !is_blank(line) && indent_of(line) < block_indent) {
      shift = 0;
    }
    if (shift > 0 && line.size() > block_indent) {
      out.append(shift, ' ');
    }
    out += line;
    if (i + 1 < lines.size()) {
      out += '\n';
    }
    const auto header = shift == 0 ? header_of(line) : std::nullopt;
    if (header) {
      const auto first = std::find_if_not(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                          lines.end(), is_blank);
      block_indent = first == lines.end() ? 0 : indent_of(*first);
      if (block_indent >= header->least && block_indent <= header->tag) {
        shift = header->tag + 1 - block_indent;
      }
    }
  }
  return out;
}

} // namespace aws
