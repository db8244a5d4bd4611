#pragma once

#include "cli/error.hpp"
#include "net/deadline.hpp"
#include "net/endpoint.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <vector>

namespace net {

/// One server that was asked: either its status or why there is none.
template <typename Status>
struct Probe {
  Endpoint endpoint;
  std::optional<Status> status;
  std::optional<cli::Error> failure; ///< names the endpoint and the reason; none with a status
};

/// What has become of one question; a failure when it is not answered some time after the deadline.
/// A question that keeps to its own timeout says more about what it was waiting for.
template <typename Status>
Probe<Status> collect(const Endpoint& endpoint, std::future<Status>& answer,
                      const Deadline& deadline) {
  constexpr std::chrono::milliseconds grace(250);
  try {
    auto status = wait_for(answer, Deadline(deadline.left() + grace));
    if (status) {
      return {endpoint, std::move(status), std::nullopt};
    }
  } catch (const cli::Error& error) {
    return {endpoint, std::nullopt, error};
  }
  return {endpoint, std::nullopt,
          cli::Error(cli::ExitCode::unavailable,
                     fmt::format("no answer from {} within {}", endpoint.text(), deadline.text()))};
}

/// How many servers are asked at once: ElastiCache allows 300 nodes in a region, unless asked for
/// more.
constexpr std::size_t most_at_once = 300;

/// Asks all of them at once, a thread each, in groups of `most_at_once`: the time it takes is that
/// of the slowest. `ask` throws cli::Error, and should keep to `timeout` by itself: a server that
/// it is not done with soon after is given up, and the thread left behind. Answers in the order of
/// `endpoints`. Throws Error{try_again} when the system has no thread left.
template <typename Status>
std::vector<Probe<Status>> probe_at_once(const std::vector<Endpoint>& endpoints,
                                         std::chrono::milliseconds timeout,
                                         const std::function<Status(const Endpoint&)>& ask) {
  std::vector<Probe<Status>> probes;
  for (std::size_t begin = 0; begin < endpoints.size(); begin += most_at_once) {
    const std::size_t end = std::min(endpoints.size(), begin + most_at_once);
    const Deadline deadline(timeout);
    std::vector<std::future<Status>> running;
    for (std::size_t i = begin; i < end; ++i) {
      running.push_back(start_detached([endpoint = endpoints[i], ask] { return ask(endpoint); }));
    }
    for (std::size_t i = begin; i < end; ++i) {
      probes.push_back(collect(endpoints[i], running[i - begin], deadline));
    }
  }
  return probes;
}

} // namespace net
