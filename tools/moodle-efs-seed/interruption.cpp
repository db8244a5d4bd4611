#include "interruption.hpp"

#include "cli/error.hpp"

#include <cerrno>
#include <csignal>
#include <string.h>
#include <sys/signalfd.h>

Interruption::Interruption() {
  held_.emplace();
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
      ::sigaddset(&wanted, number);
    }
  }
  fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) {
    throw cli::system_error(errno, "cannot wait for signals");
  }
}

const std::string& Interruption::signal() {
  signalfd_siginfo info{};
  if (signal_.empty() && ::read(fd_.get(), &info, sizeof info) == sizeof info) {
    signal_ = std::string("SIG") + ::sigabbrev_np(static_cast<int>(info.ssi_signo));
    held_.reset();
  }
  return signal_;
}
