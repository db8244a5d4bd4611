#pragma once

#include "php/value.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace php {

/// A PHP file to be run for what it leaves in one global variable.
struct Script {
  std::string path;    ///< what __FILE__ says; its folder is the current one
  std::string content; ///< the bytes that run, whatever the file at `path` holds
  /// The script has done its work when it requires a file whose path is or ends in "/" and this,
  /// whether or not that file exists; it is not run. A file that does exist counts only in the
  /// script's own folder, or in a folder that holds `stop_marker`. Empty: run to the end.
  std::string stop_at;
  std::string stop_marker;
  std::vector<std::string> constants; ///< defined as true beforehand
  std::vector<std::string> variables; ///< the globals to bring back
};

/// How a script ended, and what it left.
struct Run {
  enum class End {
    stopped,  ///< at `stop_at`; `message` is the path that `file` required in its `line`
    finished, ///< at its last line
    exited,   ///< by exit or die
    /// by an error; `message` names it, without source or an exception's text: these may hold a
    /// password; `file` and `line` where it happened
    failed,
  };
  End end = End::finished;
  Array variables; ///< by name; those that were never set are absent
  std::string message;
  std::string file;
  int line = 0;
};

/// What a token is, as far as anybody here needs to know.
enum class TokenKind { open_tag, close_tag, inline_html, include, comment, whitespace, other };

struct Token {
  TokenKind kind = TokenKind::other;
  std::size_t offset = 0; ///< in bytes
  std::size_t length = 0;
  int line = 0;           ///< from 1
  bool in_string = false; ///< whether what follows it is part of a string with expressions in it
};

/// A PHP that is set up as one of the host's servers has it, and not from no ini files or from
/// those of the embedded PHP.
struct Setup {
  std::string ini_file;   ///< php.ini; need not exist
  std::string ini_folder; ///< the folder of the *.ini files that are read after it
  /// What wins over the files: ini lines, by name and value. "zend_extension" loads one.
  std::vector<std::pair<std::string, std::string>> settings;
  std::uint64_t memory_bytes = 0; ///< the address space that the process may take
};

/// An embedded PHP in a process of its own. What a script does there (exit, crash, print, loop,
/// change the working directory) cannot reach the command. PHP starts without ini files and so
/// without shared extensions, because that is several times faster; a script that turns out to ask
/// for extensions is run again with the host's ini files.
///
/// Every function throws cli::Error{unavailable} when PHP does not answer in time, {config} when a
/// script makes PHP itself crash.
class Runtime {
public:
  explicit Runtime(std::chrono::milliseconds timeout);
  Runtime(std::chrono::milliseconds timeout, Setup setup);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  /// Starts the process, so that PHP's start-up overlaps with what the command does next.
  void start();

  /// How long each answer may take from now on.
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

  Run run(const Script& script);
  /// All tokens of a PHP source, in order; none is empty, and together they cover every byte up to
  /// where PHP cannot go on.
  std::vector<Token> tokens(const std::string& source);
  /// What PHP's var_export($value, true) gives.
  std::string var_export(const Value& value);
  /// Whether the PHP of this host, with its ini files, has this constant ("Class::NAME" too).
  bool has_constant(const std::string& name);

private:
  enum class Ini { none, host };
  class Process;

  Process& process(Ini ini);
  Value ask(Ini ini, const Value& request, const std::string& about);

  std::chrono::milliseconds timeout_;
  std::optional<Setup> setup_;
  std::unique_ptr<Process> process_;
};

} // namespace php
