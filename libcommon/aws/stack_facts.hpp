#pragma once

#include "aws/inventory.hpp"
#include "aws/told.hpp"

#include <optional>
#include <string>
#include <vector>

namespace aws {

/// What stacks tell besides facts.
struct SiteStacks {
  std::string load_balancer; ///< "app/NAME/HASH", when they tell it
  std::vector<std::string> remarks;
};

/// Finds the stacks of one site, a main stack and those nested in it, and tells what their outputs
/// say. `choice` is the main stack's name; without it, `known` is taken when several are possible.
/// Throws Error{data} when that leaves more than one, or when they contradict each other.
SiteStacks read_stacks(const std::vector<Stack>& stacks, const std::optional<std::string>& choice,
                       const std::string& known, Told& told);

} // namespace aws
