#pragma once

#include <cstddef>
#include <string>

namespace cli {

/// A whole input: a file, or standard input.
struct Input {
  std::string text;
  std::string name;          ///< for messages: the path, or "standard input"
  bool regular_file = false; ///< false for a pipe, a terminal or a device
};

/// Reads `path` to its end; "-" is standard input. Throws Error{no_input, no_permission, io}, or
/// Error{data} when there are more than `max_bytes`.
Input read_input(const std::string& path, std::size_t max_bytes);

/// The first line of a file that holds a password, without its line end. Errors name the file and
/// never what is in it. Throws as read_input() does, and Error{data} when the line is empty or
/// not printable ASCII.
std::string read_password(const std::string& path);

} // namespace cli
