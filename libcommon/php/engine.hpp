#pragma once

#include <string>

/// The inside of the PHP process; runtime.cpp is the outside.

namespace php::engine {

struct Start {
  bool ini_files = false; ///< whether to read any
  std::string ini_file;   ///< php.ini; empty for the embedded PHP's own
  std::string ini_folder; ///< the folder of further ones; empty for the embedded PHP's own
  std::string lines;      ///< of an ini file, which win over the files
};

/// Starts PHP and answers requests on the socket until it is closed. Never returns to the caller's
/// code.
[[noreturn]] void serve(int socket, Start how);

} // namespace php::engine
