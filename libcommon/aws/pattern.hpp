#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aws {

/// Whether an AllowedPattern matches all of `value`. CloudFormation takes Java regular expressions;
/// PCRE is the closest relative. Nothing when the pattern is none for PCRE, or gives up within its
/// bound on backtracking.
std::optional<bool> matches(const std::string& pattern, std::string_view value);

} // namespace aws
