#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

/// A facts stream (moodle-facts(7)): an ordered list of name=value lines that commands pass along a
/// pipe. A repeated name is a list. Comment lines are kept in their places.
class Facts {
public:
  using Fact = std::pair<std::string, std::string>;

  /// The longest value, in bytes; the largest stream, in bytes.
  static constexpr std::size_t max_value_bytes = 65'536;
  static constexpr std::size_t max_stream_bytes = 16U << 20U;

  /// Whether a stream has to close with "#end": one from a pipe does, a saved file does not.
  enum class Ending { required, optional };

  /// Parses a whole stream. `source` names it in errors. Throws Error{data} that names the line.
  static Facts parse(std::string_view text, std::string_view source, Ending ending);

  /// Reads and parses `path`; "-" is standard input. The end line is required unless it is a
  /// regular file. Throws Error{no_input, no_permission, io} when it cannot be read.
  static Facts read(const std::string& path);

  /// Throws Error{data} unless the name is `[a-z][a-z0-9-]*` and the value is UTF-8 without control
  /// characters and not too long.
  static void check(std::string_view name, std::string_view value);

  /// Appends a fact after check().
  void add(std::string name, std::string value);
  /// Drops every fact of that name.
  void remove(std::string_view name);

  /// All values of a name, in order.
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  /// All facts, in order, without the comments.
  [[nodiscard]] std::vector<Fact> list() const;

  /// The stream as text; `complete` adds the closing "#end".
  [[nodiscard]] std::string text(bool complete) const;

private:
  std::vector<Fact> facts_;
};

} // namespace cli
