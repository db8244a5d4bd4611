#pragma once

#include "finding.hpp"
#include "subject.hpp"

#include <memory>
#include <vector>

using SharedSubject = std::shared_ptr<const Subject>;

/// Who says how things should be; more are beside their checks.
namespace source {
inline constexpr const char* architecture = "Hosting Moodle on AWS, where Moodle's folders are";
inline constexpr const char* security = "https://docs.moodle.org/en/Security_recommendations";
} // namespace source

struct Question {
  const char* name;
  Outcome (*ask)(const Subject& subject);
};
/// The questions as checks of the subject.
std::vector<Check> checks_of(const SharedSubject& subject, const std::vector<Question>& questions);

/// The checks of each part of the site. None depends on another one's outcome.

std::vector<Check> folder_checks(const SharedSubject& subject);
std::vector<Check> code_checks(const SharedSubject& subject);
std::vector<Check> database_checks(const SharedSubject& subject);
std::vector<Check> session_checks(const SharedSubject& subject);
std::vector<Check> cache_checks(const SharedSubject& subject);
std::vector<Check> php_checks(const SharedSubject& subject);
std::vector<Check> efs_checks(const SharedSubject& subject);
std::vector<Check> web_checks(const SharedSubject& subject);

/// Asks all of them at once; whoever has not answered soon after the subject's deadline is given
/// up. In the order of `checks`.
std::vector<Result> ask_all(const std::vector<Check>& checks, const net::Deadline& deadline);
