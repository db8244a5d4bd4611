#include "moodle/managed_block.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <limits>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using cli::shown;
using php::Token;
using php::TokenKind;

namespace {

std::string_view text_of(const std::string& content, const Token& token) {
  return std::string_view(content).substr(token.offset, token.length);
}

std::size_t after_line_end(const std::string& content, std::size_t at) {
  if (content.compare(at, 2, "\r\n") == 0) {
    return at + 2;
  }
  return at < content.size() && content[at] == '\n' ? at + 1 : at;
}

/// Whether a statement can begin after this token.
bool ends_statement(const std::string& content, const Token& token) {
  if (token.kind == TokenKind::open_tag) {
    return true;
  }
  const std::string_view text = text_of(content, token);
  return token.kind == TokenKind::other && !token.in_string
         && (text == ";" || text == "{" || text == "}" || text == ":");
}

/// The token that requires lib/setup.php: of those up to the line that PHP gave, the last one, and
/// of several in that line the one that names the file.
std::size_t find_require(const std::string& content, const std::vector<Token>& tokens, int line) {
  std::size_t found = tokens.size();
  bool named = false;
  for (std::size_t i = 0; i < tokens.size() && tokens[i].line <= line; ++i) {
    if (tokens[i].kind != TokenKind::include) {
      continue;
    }
    const std::size_t semicolon = content.find(';', tokens[i].offset);
    const std::string_view statement = std::string_view(content).substr(
        tokens[i].offset,
        semicolon == std::string::npos ? semicolon : semicolon - tokens[i].offset);
    const bool names = statement.find("setup.php") != std::string_view::npos;
    if (found == tokens.size() || names || !named || tokens[i].line > tokens[found].line) {
      found = i;
      named = names;
    }
  }
  return found;
}

/// Where the statement begins that holds the token at `index`; the beginning of its line when only
/// blanks stand before it there.
std::size_t statement_start(const std::string& content, const std::vector<Token>& tokens,
                            std::size_t index) {
  std::size_t first = index;
  for (std::size_t i = index; i > 0 && !ends_statement(content, tokens[i - 1]); --i) {
    if (tokens[i - 1].kind == TokenKind::other) {
      first = i - 1;
    }
  }
  const std::size_t start = tokens[first].offset;
  const std::size_t line = start == 0 ? 0 : content.rfind('\n', start - 1) + 1; // npos + 1 is 0
  const bool blank = std::all_of(content.begin() + static_cast<std::ptrdiff_t>(line),
                                 content.begin() + static_cast<std::ptrdiff_t>(start),
                                 [](char c) { return c == ' ' || c == '\t'; });
  return blank ? line : start;
}

std::string quoted(const std::string& text) {
  std::string literal = "'";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool last = i + 1 == text.size();
    if (text[i] == '\''
        || (text[i] == '\\' && (last || text[i + 1] == '\\' || text[i + 1] == '\''))) {
      literal += '\\';
    }
    literal += text[i];
  }
  return literal + "'";
}

} // namespace

std::string ManagedBlock::begin() const {
  return fmt::format("// {0}: begin. These lines belong to {0}(1); '{0} unset' removes them.",
                     command_);
}

std::string ManagedBlock::end() const {
  return fmt::format("// {}: end.", command_);
}

std::string ManagedBlock::strip(php::Runtime& php, const std::string& path,
                                const std::string& content) const {
  const std::string first = begin();
  const std::string last = end();
  if (content.find(first) == std::string::npos && content.find(last) == std::string::npos) {
    return content;
  }
  std::optional<Token> from;
  std::optional<std::size_t> to;
  const auto broken = [&](const Token& token) {
    return Error(ExitCode::data,
                 fmt::format("{}: line {}: the lines of {} do not begin and end once", shown(path),
                             token.line, command_),
                 "somebody changed them: remove them by hand");
  };
  for (const Token& token : php.tokens(content)) {
    if (token.kind != TokenKind::comment) {
      continue;
    }
    const std::string_view text = text_of(content, token);
    if (text == first) {
      if (from) {
        throw broken(token);
      }
      from = token;
    } else if (text == last) {
      if (!from || to) {
        throw broken(token);
      }
      to = after_line_end(content, token.offset + token.length);
    }
  }
  if (!from) {
    return content; // the words stand in a string or behind the last ?>
  }
  if (!to) {
    throw broken(*from);
  }
  return content.substr(0, from->offset) + content.substr(*to);
}

std::string ManagedBlock::insert(php::Runtime& php, const std::string& path,
                                 const std::string& content, const Evaluation& evaluation,
                                 const std::vector<std::string>& lines) const {
  const std::vector<Token> tokens = php.tokens(content);
  const std::size_t require = evaluation.setup_file == path
                                  ? find_require(content, tokens, evaluation.setup_line)
                                  : tokens.size();
  if (require == tokens.size()) {
    throw Error(ExitCode::config,
                fmt::format("{} does not require lib/setup.php itself; {} does, in line {}",
                            shown(path), shown(evaluation.setup_file), evaluation.setup_line),
                "name that file with --config");
  }
  const std::size_t at = statement_start(content, tokens, require);
  if (cli::trim(std::string_view(content).substr(0, at)).ends_with("<?=")) {
    throw Error(
        ExitCode::config,
        fmt::format("{}: line {}: lib/setup.php is required inside '<?=', which would print "
                    "what is put before it",
                    shown(path), evaluation.setup_line),
        "write '<?php' instead");
  }
  const std::size_t newline = content.find('\n');
  const bool windows = newline != std::string::npos && newline > 0 && content[newline - 1] == '\r';
  const std::string_view eol = windows ? "\r\n" : "\n";
  std::string block = fmt::format("{}{}", begin(), eol);
  for (const std::string& line : lines) {
    block += fmt::format("{}{}", line, eol);
  }
  block += fmt::format("{}{}", end(), eol);
  return content.substr(0, at) + block + content.substr(at);
}

std::string php_literal(const php::Value& value) {
  if (const std::string* const text = value.string()) {
    return quoted(*text);
  }
  if (const php::Array* const array = value.array()) {
    std::vector<std::string> entries;
    for (const auto& [key, entry] : array->entries) {
      const auto* const name = std::get_if<std::string>(&key);
      entries.push_back((name == nullptr ? "" : quoted(*name) + " => ") + php_literal(entry));
    }
    return fmt::format("[{}]", fmt::join(entries, ", "));
  }
  if (const auto number = value.integer()) {
    // PHP reads the digits of the least integer as a float.
    return *number == std::numeric_limits<std::int64_t>::min() ? "PHP_INT_MIN"
                                                               : std::to_string(*number);
  }
  return value.is_null() ? "null" : value.truthy() ? "true" : "false";
}

} // namespace moodle
