#pragma once

#include "finding.hpp"
#include "subject.hpp"

/// What is asked about the servers of sessions and of cache stores alike. All return nothing for
/// what is as it should be.

/// How a group of servers is called, and mended.
struct GroupUse {
  std::string object;                  ///< "sessions", or "the store 'elasticache'"
  std::string consequence;             ///< when a server is not there: "users cannot log in"
  std::string mend;                    ///< the command that sets the servers anew
  const CacheFacts* facts = nullptr;   ///< what is known about this cluster
  bool verifies = true;                ///< whether Moodle wants to know, with TLS, who answers
  Severity severity = Severity::error; ///< of a server that is not there
};

/// A finding for each server that does not answer.
std::vector<Finding> unreachable_servers(const Subject& subject, const ProbedGroup& group,
                                         const GroupUse& use);
/// The cluster's endpoint, given to a memcached client that talks to one of its nodes only; a Redis
/// that is a cluster, or is none, given to a client for the other.
std::vector<Finding> misused_endpoint(const Subject& subject, const ProbedGroup& group,
                                      const GroupUse& use);
/// Servers that the cluster does not have any more, or has and that are not used.
std::vector<Finding> drifted_servers(const Subject& subject, const ProbedGroup& group,
                                     const GroupUse& use);
