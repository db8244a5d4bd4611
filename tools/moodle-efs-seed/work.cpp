#include "work.hpp"

#include "cli/error.hpp"

#include <cerrno>
#include <exception>
#include <future>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <vector>

bool Work::may_go_on(std::uint64_t bytes) {
  std::unique_lock lock(mutex_);
  if (rate_) {
    const auto turn = std::max(next_, Clock::now());
    next_ = turn
            + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                static_cast<double>(bytes) / static_cast<double>(*rate_)));
    stopped_.wait_until(lock, turn, [&] { return stop_; });
  }
  return !stop_;
}

void Work::stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  stopped_.notify_all();
}

void Work::run(std::size_t threads, const std::function<void()>& job, Interruption& interruption,
               cli::Progress& progress) {
  const cli::UniqueFd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ended) {
    throw cli::system_error(errno, "cannot wait for threads");
  }
  std::exception_ptr failure;
  std::size_t running = 0;
  const auto body = [&] {
    try {
      job();
    } catch (...) {
      stop();
      const std::lock_guard lock(mutex_);
      failure = failure ? failure : std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      --running;
    }
    ::eventfd_write(ended.get(), 1);
  };
  const auto is_running = [&] {
    const std::lock_guard lock(mutex_);
    return running > 0;
  };
  std::vector<std::jthread> pool;
  for (std::size_t i = 0; i < threads; ++i) {
    try {
      const std::lock_guard lock(mutex_);
      pool.emplace_back(body);
      ++running;
    } catch (const std::system_error&) {
      if (pool.empty()) {
        throw cli::Error(cli::ExitCode::try_again, "the system has no thread left");
      }
      break; // fewer do as well
    }
  }
  while (is_running()) {
    std::array<pollfd, 2> events{pollfd{ended.get(), POLLIN, 0},
                                 pollfd{interruption.fd(), POLLIN, 0}};
    ::poll(events.data(), events.size(), static_cast<int>(cli::Progress::interval.count()));
    eventfd_t count = 0;
    ::eventfd_read(ended.get(), &count);
    if (!interruption.signal().empty()) {
      stop();
    }
    progress.show(done_);
  }
  pool.clear();
  if (failure) {
    std::rethrow_exception(failure);
  }
}
