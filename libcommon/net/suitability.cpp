#include "net/suitability.hpp"

#include "cli/error.hpp"

namespace net {

namespace {

using Severity = Finding::Severity;

/// From here on a server has little room for a busy day.
constexpr double nearly_full = 0.8;

std::optional<Finding> memory_finding(std::uint64_t used, std::uint64_t limit,
                                      std::string_view consequence) {
  if (limit == 0 || static_cast<double>(used) < nearly_full * static_cast<double>(limit)) {
    return std::nullopt;
  }
  return Finding{Severity::warning,
                 fmt::format("uses {:.0f} % of its memory; when that is full, {}",
                             100 * static_cast<double>(used) / static_cast<double>(limit),
                             consequence)};
}

std::optional<Finding> eviction_finding(std::uint64_t evictions) {
  if (evictions == 0) {
    return std::nullopt;
  }
  return Finding{Severity::warning,
                 fmt::format("has evicted {} keys since it was started, for lack of memory: the "
                             "sessions among them are lost",
                             evictions)};
}

std::optional<Finding> policy_finding(const RedisStatus& status) {
  const std::string policy = cli::shown(status.eviction_policy);
  if (status.limit_bytes == 0) {
    if (policy.empty()) {
      return std::nullopt; // Serverless does not tell
    }
    return Finding{Severity::note,
                   "has no memory limit (maxmemory 0): it grows until its host has no memory left"};
  }
  if (policy.starts_with("allkeys-")) {
    return Finding{Severity::warning,
                   fmt::format("evicts any key when its memory is full (maxmemory-policy {}): that "
                               "ends sessions; noeviction does not",
                               policy)};
  }
  if (policy.starts_with("volatile-")) {
    return Finding{Severity::note,
                   fmt::format("evicts keys that expire when its memory is full (maxmemory-policy "
                               "{}): sessions are such keys; noeviction keeps them",
                               policy)};
  }
  return std::nullopt;
}

void add(std::vector<Finding>& findings, std::optional<Finding> finding) {
  if (finding) {
    findings.push_back(std::move(*finding));
  }
}

} // namespace

std::vector<Finding> session_findings(const RedisStatus& status) {
  if (status.mode == RedisStatus::Mode::sentinel) {
    return {{Severity::unusable, "is a Sentinel, which holds no data"}};
  }
  std::vector<Finding> findings;
  const bool cluster = status.mode == RedisStatus::Mode::cluster; // its clients find the primary
  if (status.role == RedisStatus::Role::replica && !cluster) {
    findings.push_back({Severity::unusable, "is a read-only replica: name its primary"});
  }
  add(findings, policy_finding(status));
  add(findings, memory_finding(status.used_bytes, status.limit_bytes,
                               status.eviction_policy == "noeviction" ? "nobody can log in any more"
                                                                      : "sessions get lost"));
  add(findings, eviction_finding(status.evictions));
  return findings;
}

std::vector<Finding> session_findings(const MemcachedStatus& status) {
  std::vector<Finding> findings;
  add(findings, memory_finding(status.bytes, status.limit_bytes, "sessions get lost"));
  add(findings, eviction_finding(status.evictions));
  return findings;
}

} // namespace net
