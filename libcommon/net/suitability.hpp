#pragma once

#include "net/memcached.hpp"
#include "net/redis.hpp"

#include <string>
#include <vector>

namespace net {

/// Something about a server that matters to what it is to hold.
struct Finding {
  enum class Severity {
    note,    ///< good to know
    warning, ///< works, and will lose sessions under load
    unusable ///< cannot hold sessions at all
  };
  Severity severity = Severity::note;
  std::string text; ///< a clause that follows the endpoint, as in "evicts any key (allkeys-lru), …"
};

/// Whether a server can hold sessions; empty when there is nothing to say.
std::vector<Finding> session_findings(const RedisStatus& status);
std::vector<Finding> session_findings(const MemcachedStatus& status);

} // namespace net
