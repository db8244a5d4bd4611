#include "php/runtime.hpp"

#include "cli/error.hpp"
#include "cli/unique_fd.hpp"
#include "php/engine.hpp"
#include "php/message.hpp"

#include <csignal>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

// It maps more addresses than any limit would leave. g++ says that it is there in one way, clang in
// another.
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ADDRESS_SANITIZER
#endif
#endif

namespace php {

using cli::Error;
using cli::ExitCode;

namespace {

/// A script must not take the host's memory, whatever memory_limit it sets; and a crash must not
/// leave a core file, with the site's passwords in it, in a folder that a web server serves.
void limit_process([[maybe_unused]] std::uint64_t memory_bytes) {
  constexpr rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
#ifndef UNDER_ADDRESS_SANITIZER
  const rlimit memory{memory_bytes, memory_bytes};
  ::setrlimit(RLIMIT_AS, &memory);
#endif
}

constexpr std::uint64_t usual_memory = std::uint64_t{2} << 30U;

/// As lines of an ini file, each value quoted: nothing in it is taken for syntax.
std::string ini_lines(const Setup& setup) {
  std::string lines;
  for (const auto& [name, value] : setup.settings) {
    lines += fmt::format("{}=\"{}\"\n", name, value);
  }
  return lines;
}

Array list(const std::vector<std::string>& texts) {
  Array array;
  for (const std::string& text : texts) {
    array.push(text);
  }
  return array;
}

} // namespace

/// The child process; killed with this object.
class Runtime::Process {
public:
  Process(Ini ini, const std::optional<Setup>& setup) : ini_(ini) {
    int sockets[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
      throw Error(ExitCode::bug, "cannot start PHP: no socket pair");
    }
    socket_.reset(sockets[0]);
    cli::UniqueFd inner(sockets[1]);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) {
      throw Error(ExitCode::bug, "cannot start PHP: no process");
    }
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) {
        ::_exit(0);
      }
      socket_.reset();
      limit_process(setup ? setup->memory_bytes : usual_memory);
      engine::serve(inner.release(), setup ? engine::Start{.ini_files = true,
                                                           .ini_file = setup->ini_file,
                                                           .ini_folder = setup->ini_folder,
                                                           .lines = ini_lines(*setup)}
                                           : engine::Start{.ini_files = ini == Ini::host,
                                                           .ini_file = {},
                                                           .ini_folder = {},
                                                           .lines = {}});
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL); // not waited for: it is gone when this process is
    }
  }

  [[nodiscard]] Ini ini() const noexcept { return ini_; }
  [[nodiscard]] int socket() const noexcept { return socket_.get(); }

  /// Kills the process unless it is dead already; the signal that it died of, or 0.
  int end() {
    if (pid_ <= 0) {
      return 0;
    }
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) {
      ::kill(pid_, SIGKILL); // one that is dying already keeps the signal that it dies of
      ::waitpid(pid_, &status, 0);
    }
    pid_ = -1;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

private:
  Ini ini_;
  cli::UniqueFd socket_;
  pid_t pid_ = -1;
};

Runtime::Runtime(std::chrono::milliseconds timeout) : timeout_(timeout) {}
Runtime::Runtime(std::chrono::milliseconds timeout, Setup setup)
    : timeout_(timeout), setup_(std::move(setup)) {}
Runtime::~Runtime() = default;

void Runtime::start() {
  process(Ini::none);
}

Runtime::Process& Runtime::process(Ini ini) {
  // A process with ini files can do whatever one without can.
  if (!process_ || (ini == Ini::host && process_->ini() == Ini::none)) {
    process_.reset();
    process_ = std::make_unique<Process>(setup_ ? Ini::host : ini, setup_);
  }
  return *process_;
}

Value Runtime::ask(Ini ini, const Value& request, const std::string& about) {
  Process& child = process(ini);
  const long long deadline = message::now_ms() + timeout_.count();
  std::optional<Value> answer;
  if (message::send(child.socket(), request)) {
    answer = message::receive(child.socket(), deadline);
  }
  if (answer) {
    return std::move(*answer);
  }
  const bool late = message::now_ms() >= deadline;
  const int signal = child.end();
  process_.reset();
  if (late) {
    throw Error(ExitCode::unavailable,
                fmt::format("PHP did not finish {} within {} s", about,
                            static_cast<double>(timeout_.count()) / 1000),
                "does it loop, or wait for a server that does not answer?");
  }
  if (signal == 0) {
    throw Error(ExitCode::config, fmt::format("PHP gave up in {}", about),
                "does it take more memory than there is?");
  }
  throw Error(ExitCode::config, fmt::format("PHP crashed in {} (signal {})", about, signal),
              "does it call itself without end?");
}

Run Runtime::run(const Script& script) {
  Array request;
  request.set("do", "run");
  request.set("path", script.path);
  request.set("content", script.content);
  request.set("stop_at", script.stop_at);
  request.set("stop_marker", script.stop_marker);
  request.set("variables", list(script.variables));
  request.set("constants", list(script.constants));
  const std::string about = cli::shown(script.path);
  Value answer = ask(process_ ? process_->ini() : Ini::none, request, about);
  if (answer.array()->find("wants_extensions")->truthy() && process_->ini() == Ini::none) {
    answer = ask(Ini::host, request, about);
  }
  const Array& found = *answer.array();
  Run run;
  run.end = static_cast<Run::End>(*found.find("end")->integer());
  run.variables = *found.find("variables")->array();
  run.message = *found.find("message")->string();
  run.file = *found.find("file")->string();
  run.line = static_cast<int>(*found.find("line")->integer());
  return run;
}

std::vector<Token> Runtime::tokens(const std::string& source) {
  Array request;
  request.set("do", "tokens");
  request.set("content", source);
  const Value answer = ask(process_ ? process_->ini() : Ini::none, request, "reading PHP tokens");
  const auto& flat = answer.array()->entries;
  std::vector<Token> tokens;
  for (std::size_t i = 0; i + 5 <= flat.size(); i += 5) {
    const auto number = [&](std::size_t at) { return *flat[i + at].second.integer(); };
    tokens.push_back({static_cast<TokenKind>(number(0)), static_cast<std::size_t>(number(1)),
                      static_cast<std::size_t>(number(2)), static_cast<int>(number(3)),
                      number(4) != 0});
  }
  return tokens;
}

std::string Runtime::var_export(const Value& value) {
  Array request;
  request.set("do", "var_export");
  request.set("value", value);
  return *ask(process_ ? process_->ini() : Ini::none, request, "var_export").string();
}

bool Runtime::has_constant(const std::string& name) {
  Array request;
  request.set("do", "has_constant");
  request.set("name", name);
  return ask(Ini::host, request, "looking for the constant " + name).truthy();
}

} // namespace php
