#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// What the names that AWS gives to things tell about them.
namespace aws {

/// What the use of a cache is called: "app-cache" or "session-cache", the beginning of its facts.
inline constexpr std::string_view app_cache = "app-cache";
inline constexpr std::string_view session_cache = "session-cache";

/// "ROLE-PART".
std::string fact_name(std::string_view role, std::string_view part);

/// ASCII letters in lower case.
std::string lower(std::string_view text);

/// Whether two names are the same but for the case of their letters.
bool same(std::string_view a, std::string_view b);

/// The part of an ARN behind its n-th colon; empty when there is none.
std::string arn_part(const std::string& arn, std::size_t n);

/// The name in a stack's ARN: arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/UUID.
std::string stack_name_of(const std::string& arn);

/// Whether a stack's name is `outer` itself or one that CloudFormation made for a stack nested in
/// it, "OUTER-LOGICALID-RANDOM" at each level. "Moodle-test" is not nested in "Moodle".
bool is_nested_in(std::string_view stack, std::string_view outer);

/// "host" of "host:port", or of a bare host.
std::string host_of(std::string_view endpoint);

/// The load balancer's name in its DNS name, "[internal-]NAME-DIGITS.REGION.elb.amazonaws.com".
std::string load_balancer_of(std::string_view dns);

/// Which use a text names: "session", or else "application" or "app" at the beginning of a word.
std::string_view role_in(std::string_view text);

} // namespace aws
