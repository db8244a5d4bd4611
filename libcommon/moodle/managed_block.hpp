#pragma once

#include "moodle/site.hpp"
#include "php/runtime.hpp"

#include <optional>
#include <string>
#include <vector>

namespace moodle {

/// One run of lines in config.php that a command owns, between two comments that name the command.
/// Everything else in the file stays byte for byte.
class ManagedBlock {
public:
  /// `command` is the name in the two comments.
  explicit ManagedBlock(std::string command) : command_(std::move(command)) {}

  /// The file without the block: byte for byte what it was before insert(). Throws cli::Error{data}
  /// when only one of the two comments is there, or a pair of them twice.
  [[nodiscard]] std::string strip(php::Runtime& php, const std::string& path,
                                  const std::string& content) const;
  [[nodiscard]] bool is_in(php::Runtime& php, const std::string& path,
                           const std::string& content) const {
    return strip(php, path, content) != content;
  }

  /// `content`, which holds no block, with the lines in a block directly before the statement that
  /// requires lib/setup.php, and with the file's own line ends. Throws cli::Error{config} when that
  /// statement is in another file.
  [[nodiscard]] std::string insert(php::Runtime& php, const std::string& path,
                                   const std::string& content, const Evaluation& evaluation,
                                   const std::vector<std::string>& lines) const;

private:
  [[nodiscard]] std::string begin() const;
  [[nodiscard]] std::string end() const;

  std::string command_;
};

/// A PHP literal on one line for null, bool, int, text or an array of these: text is single-quoted,
/// with a backslash only where PHP needs one.
std::string php_literal(const php::Value& value);

} // namespace moodle
