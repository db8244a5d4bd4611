#pragma once

/// The inside of the PHP process; runtime.cpp is the outside.
namespace php::engine {

/// Starts PHP, with the host's ini files or without any, and answers requests on the socket until
/// it is closed. Never returns to the caller's code.
[[noreturn]] void serve(int socket, bool with_ini_files);

} // namespace php::engine
