#include "net/suitability.hpp"

#include <doctest/doctest.h>

using net::Finding;
using net::MemcachedStatus;
using net::RedisStatus;
using net::session_findings;
using Severity = net::Finding::Severity;

namespace {

RedisStatus redis(const std::string& policy, std::uint64_t used = 10) {
  RedisStatus status;
  status.eviction_policy = policy;
  status.used_bytes = used;
  status.limit_bytes = 100;
  return status;
}

Finding only(const std::vector<Finding>& findings) {
  REQUIRE(findings.size() == 1);
  return findings[0];
}

} // namespace

TEST_CASE("the eviction policy decides what happens to sessions") {
  CHECK(session_findings(redis("noeviction")).empty());
  for (const char* policy : {"allkeys-lru", "allkeys-lfu", "allkeys-random"}) {
    const Finding finding = only(session_findings(redis(policy)));
    CHECK(finding.severity == Severity::warning);
    CHECK(finding.text.find(policy) != std::string::npos);
  }
  CHECK(only(session_findings(redis("volatile-lru"))).severity == Severity::note);
}

TEST_CASE("a server that is nearly full is one that will fail") {
  CHECK(session_findings(redis("noeviction", 79)).empty());
  CHECK(only(session_findings(redis("noeviction", 80))).text
        == "uses 80 % of its memory; when that is full, nobody can log in any more");
  CHECK(session_findings(redis("volatile-lru", 99))[1].text
        == "uses 99 % of its memory; when that is full, sessions get lost");
}

TEST_CASE("no limit is worth a note only where a limit is known to be missing") {
  RedisStatus status;
  CHECK(session_findings(status).empty());
  status.eviction_policy = "noeviction";
  CHECK(only(session_findings(status)).severity == Severity::note);
}

TEST_CASE("a replica takes no writes; in a cluster its clients find the primary") {
  RedisStatus status = redis("noeviction");
  status.role = RedisStatus::Role::replica;
  CHECK(only(session_findings(status)).severity == Severity::unusable);
  status.mode = RedisStatus::Mode::cluster;
  CHECK(session_findings(status).empty());
  status.mode = RedisStatus::Mode::sentinel;
  CHECK(only(session_findings(status)).severity == Severity::unusable);
}

TEST_CASE("evictions have happened to sessions too") {
  RedisStatus status = redis("noeviction");
  status.evictions = 3;
  CHECK(only(session_findings(status)).severity == Severity::warning);
  MemcachedStatus memcached;
  CHECK(session_findings(memcached).empty());
  memcached.evictions = 3;
  CHECK(only(session_findings(memcached)).text
        == "has evicted 3 keys since it was started, for lack of memory: the sessions among them "
           "are lost");
  memcached.bytes = 9;
  memcached.limit_bytes = 10;
  CHECK(session_findings(memcached).size() == 2);
}
