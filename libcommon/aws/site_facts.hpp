#pragma once

#include "aws/inventory.hpp"
#include "cli/facts.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace aws {

/// Which of several things is the site's own, where the documents cannot tell.
struct Choices {
  std::optional<std::string> stack_name = {};    ///< the outermost stack's
  std::optional<std::string> load_balancer = {}; ///< its name
  std::optional<std::string> db_cluster = {};
  std::optional<std::string> efs_id = {};
  std::optional<std::string> app_cache = {};
  std::optional<std::string> session_cache = {};
  std::optional<std::string> web_asg = {};
};

struct SiteFacts {
  /// Name and values, in the order of moodle-facts(7). No values means that what was known under
  /// that name belongs to something that the site no longer uses.
  std::vector<std::pair<std::string, std::vector<std::string>>> facts;
  /// What was left out that somebody might miss, for a person to read.
  std::vector<std::string> remarks;
};

/// The facts of the one site that the inventory is about. `known` facts decide between several
/// things where neither a choice nor a stack does. Throws Error{data} when that leaves more than
/// one, or when a value is not fit to be a fact, and Error{try_again} for a thing that is still
/// being created.
SiteFacts site_facts(const Inventory& inventory, const Choices& choices, const cli::Facts& known);

} // namespace aws
