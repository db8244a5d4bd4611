#pragma once

#include "net/deadline.hpp"
#include "net/endpoint.hpp"

#include <string>
#include <vector>

namespace net {

/// The addresses of the endpoint, each as "address:port"; empty when it cannot be resolved before
/// the deadline.
std::vector<std::string> addresses(const Endpoint& endpoint, const Deadline& deadline);

} // namespace net
