#include "cli/command.hpp"

#include "cli/completion.hpp"
#include "cli/text.hpp"
#include "cli/version.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <unistd.h>

namespace cli {

namespace {

/// Options that every command has.
struct CommonOptions {
  std::optional<std::string> facts_file;
  bool quiet = false;
  bool verbose = false;
  bool help = false;
  bool version = false;
  std::string completion;

  void declare(Options& options) {
    options.group("Common options");
    options.input("facts,f", facts_file,
                  "read facts from FILE ('-' is standard input) and pass them on");
    options.flag("quiet,q", quiet, "say nothing but errors");
    options.flag("verbose,v", verbose, "say what is done, step by step");
    options.flag("help,h", help, "show this help");
    options.flag("version,V", version, "show the version");
    options.choice("completion", completion, {"bash"},
                   "print the script by which this shell completes the command");
  }

  [[nodiscard]] Verbosity verbosity() const {
    return quiet ? Verbosity::quiet : verbose ? Verbosity::verbose : Verbosity::normal;
  }
};

/// Keeps descriptors 0 to 2 from being handed out to a file that the command opens later. A closed
/// stdout is an error of its own: there would be nowhere to put the result.
void guard_standard_streams() {
  const auto closed = [](int fd) { return ::fcntl(fd, F_GETFD) < 0 && errno == EBADF; };
  const auto fill = [](int fd, int mode) {
    // Opened the wrong way round on purpose: using it fails, as it would on the closed descriptor.
    const int opened = ::open("/dev/null", mode);
    if (opened >= 0 && opened != fd) {
      ::dup2(opened, fd);
      ::close(opened);
    }
  };
  const bool no_stdout = closed(STDOUT_FILENO);
  if (closed(STDIN_FILENO)) {
    fill(STDIN_FILENO, O_WRONLY);
  }
  if (no_stdout) {
    fill(STDOUT_FILENO, O_RDONLY);
  }
  if (closed(STDERR_FILENO)) {
    fill(STDERR_FILENO, O_WRONLY);
  }
  if (no_stdout) {
    throw Error(ExitCode::io, "cannot write to standard output: it is closed");
  }
}

/// Writes all of it and makes sure that it has arrived. A broken pipe ends the process quietly
/// through SIGPIPE.
void write_stdout(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw Error(ExitCode::io, system_error(errno, "cannot write to standard output").message());
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::close(STDOUT_FILENO) != 0 && errno != EINTR) {
    throw Error(ExitCode::io, system_error(errno, "cannot write to standard output").message());
  }
}

std::string usage(const Tool& tool, const Verb& verb, const Options& options) {
  std::string line = fmt::format("Usage: {}", tool.name);
  if (!verb.name.empty()) {
    line += " " + verb.name;
  }
  line += " [OPTION]...";
  if (!options.arguments_metavar().empty()) {
    line += " " + options.arguments_metavar();
  }
  return fmt::format("{}\n{}.\n{}", line, verb.summary, options.help());
}

std::string overview(const Tool& tool) {
  std::string text =
      fmt::format("Usage: {} VERB [OPTION]...\n{}.\n\nVerbs:\n", tool.name, tool.summary);
  for (const Verb& verb : tool.verbs) {
    text += fmt::format("  {:<12} {}\n", verb.name, verb.summary);
  }
  text += fmt::format("\n'{} VERB --help' shows the options of a verb.\n", tool.name);
  return text;
}

std::string version_line(const Tool& tool) {
  return fmt::format("{} (moodle-aws-toolkit) {}\n", tool.name, version);
}

std::string verb_names(const Tool& tool) {
  std::vector<std::string> names;
  for (const Verb& verb : tool.verbs) {
    names.push_back(verb.name);
  }
  return join(names, ", ");
}

std::string completion(const Tool& tool) {
  std::vector<VerbShape> verbs;
  for (const Verb& verb : tool.verbs) {
    const std::unique_ptr<Command> command = verb.make();
    CommonOptions common;
    Options options;
    command->declare(options);
    common.declare(options);
    verbs.push_back({verb.name, options.shapes(), options.arguments_metavar()});
  }
  return bash_completion(tool.name, verbs);
}

/// Runs one verb and returns what goes to stdout.
std::pair<std::string, ExitCode> run_verb(const Tool& tool, const Verb& verb, Log& log,
                                          const std::vector<std::string>& arguments) {
  const std::unique_ptr<Command> command = verb.make();
  CommonOptions common;
  Options options;
  command->declare(options);
  common.declare(options);
  if (std::any_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
        return argument == "--help" || argument == "-h";
      })) {
    return {usage(tool, verb, options), ExitCode::ok};
  }
  if (std::any_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
        return argument == "--version" || argument == "-V";
      })) {
    return {version_line(tool), ExitCode::ok};
  }
  options.parse(arguments);
  if (!common.completion.empty()) {
    return {completion(tool), ExitCode::ok};
  }
  log.set_verbosity(common.verbosity());
  Facts facts;
  if (common.facts_file) {
    facts = Facts::read(*common.facts_file);
    options.apply(facts);
  }
  options.require_arguments();
  command->validate(options);
  Context context(log, std::move(facts), common.facts_file.has_value());
  const ExitCode code = command->run(context);
  return {context.output(code == ExitCode::ok), code};
}

std::pair<std::string, ExitCode> dispatch(const Tool& tool, Log& log,
                                          std::vector<std::string> arguments) {
  if (tool.verbs.size() == 1 && tool.verbs.front().name.empty()) {
    return run_verb(tool, tool.verbs.front(), log, arguments);
  }
  if (arguments.empty()) {
    throw Error(ExitCode::usage, "a verb is missing", "choose one of " + verb_names(tool));
  }
  const std::string first = arguments.front();
  if (first == "--help" || first == "-h") {
    return {overview(tool), ExitCode::ok};
  }
  if (first == "--version" || first == "-V") {
    return {version_line(tool), ExitCode::ok};
  }
  if (first == "--completion" || first.starts_with("--completion=")) {
    return run_verb(tool, tool.verbs.front(), log, arguments); // the same for every verb
  }
  if (first.starts_with('-')) {
    throw Error(ExitCode::usage, fmt::format("unknown option '{}' before the verb", shown(first)),
                "the verb comes first: one of " + verb_names(tool));
  }
  for (const Verb& verb : tool.verbs) {
    if (verb.name == first) {
      arguments.erase(arguments.begin());
      return run_verb(tool, verb, log, arguments);
    }
  }
  throw Error(ExitCode::usage, fmt::format("unknown verb '{}'", shown(first)),
              "choose one of " + verb_names(tool));
}

/// All of run() but the end of the process.
ExitCode run_to_end(const Tool& tool, int argc, char** argv) {
  Log log(tool.name);
  try {
    ::signal(SIGPIPE, SIG_DFL); // a service manager may have left it ignored
    ::signal(SIGXFSZ, SIG_IGN); // a file size limit is an error of write(), with a message
    guard_standard_streams();
    const auto [output, code] = dispatch(tool, log, {argv + std::min(argc, 1), argv + argc});
    write_stdout(output);
    return code;
  } catch (const Error& error) {
    if (error.code() == ExitCode::usage && error.hint().empty()) {
      log.report(Error(error.code(), error.message(),
                       fmt::format("'{} --help' shows what it takes", tool.name)));
    } else {
      log.report(error);
    }
    return error.code();
  } catch (const std::bad_alloc&) {
    log.error("out of memory");
  } catch (const std::exception& error) {
    log.error(fmt::format("unexpected: {}", error.what()));
    log.hint("this is a bug in the command; nothing says that it finished its work");
  }
  return ExitCode::bug;
}

} // namespace

void Context::result(const std::string& name, const std::vector<std::string>& values) {
  facts_.remove(name);
  own_.remove(name);
  for (const std::string& value : values) {
    facts_.add(name, value);
    own_.add(name, value);
  }
}

void Context::result(const std::string& name, const std::string& value) {
  result(name, std::vector<std::string>{value});
}

void Context::print(std::string_view text) {
  listing_ += text;
  lists_ = true;
}

std::string Context::output(bool complete) const {
  if (lists_) {
    return listing_;
  }
  return (echo_ ? facts_ : own_).text(complete);
}

int run(const Tool& tool, int argc, char** argv) {
  // Nothing is left to be done: all output is written, and everything with a destructor is gone.
  // What the libraries below (LDAP, GnuTLS, libxml) would tidy up now ends with the process anyway,
  // takes as long as a small command does, and may still be in use by a thread that was given up at
  // a timeout.
  std::_Exit(static_cast<int>(run_to_end(tool, argc, argv)));
}

} // namespace cli
