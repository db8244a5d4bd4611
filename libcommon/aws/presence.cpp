#include "aws/presence.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace aws {

namespace {

using Values = std::map<std::string, std::string, std::less<>>;

/// More combinations than this are not tried.
constexpr std::size_t max_combinations = 4096;
/// Stands for any value that no condition compares with.
const std::string other = "(another value)";

const YamlNode* argument_for(const Resource& stack, std::string_view parameter) {
  const YamlNode* given = stack.property("Parameters");
  return given == nullptr ? nullptr : given->find(parameter);
}

/// The parameters of the using template that decide whether guards and target hold, and the texts
/// that conditions compare.
class Deciders {
public:
  std::set<std::string, std::less<>> parameters;
  std::set<std::string> literals;

  Deciders(const Template& user, const std::vector<Guard>& guards, const Target& target) {
    for (const Guard& guard : guards) {
      add_condition(user, guard.condition, nullptr, user);
    }
    add_condition(*target.templ, target.condition, target.nesting, user);
  }

private:
  void add_condition(const Template& templ, std::string_view name, const Resource* nesting,
                     const Template& user) {
    const Condition* condition = templ.condition(name);
    if (condition != nullptr && seen_.insert(condition).second) {
      add_literals(*condition->expression);
      add_names(*condition->expression, templ, nesting, user);
    }
  }

  void add_names(const YamlNode& expression, const Template& templ, const Resource* nesting,
                 const Template& user) {
    for (const Reference& reference : references(expression)) {
      if (reference.kind == Reference::Kind::condition) {
        add_condition(templ, reference.name, nesting, user);
      } else if (reference.kind != Reference::Kind::ref) {
        continue;
      } else if (nesting == nullptr) {
        if (templ.parameter(reference.name) != nullptr) {
          parameters.insert(reference.name);
        }
      } else if (const YamlNode* given = argument_for(*nesting, reference.name)) {
        add_names(*given, user, nullptr, user);
      }
    }
  }

  void add_literals(const YamlNode& node) {
    if (node.is_scalar()) {
      literals.insert(node.text);
    }
    for (const YamlNode* item : node.items) {
      add_literals(*item);
    }
    for (const auto& [key, value] : node.entries) {
      add_literals(*value);
    }
  }

  std::set<const Condition*> seen_;
};

/// The values to try for a parameter of a main template.
std::vector<std::string> free_values(const Parameter& parameter,
                                     const std::set<std::string>& literals) {
  if (!parameter.allowed_values.empty()) {
    return parameter.allowed_values;
  }
  std::set<std::string> values;
  if (parameter.default_value) {
    values.insert(*parameter.default_value);
  }
  const bool takes_empty = parameter.type.find("::") == std::string::npos;
  for (const std::string& literal : literals) {
    if ((!literal.empty() || takes_empty) && !parameter.refuses(literal)) {
      values.insert(literal);
    }
  }
  values.insert(other);
  return {values.begin(), values.end()};
}

/// The value that a parent gives; none when it cannot be told.
std::vector<std::string> given_value(const Parameter& parameter, const Resource& stack) {
  const YamlNode* given = argument_for(stack, parameter.name);
  if (given == nullptr) {
    return parameter.default_value ? std::vector{*parameter.default_value}
                                   : std::vector<std::string>{};
  }
  return given->is_scalar() ? std::vector{given->text} : std::vector<std::string>{};
}

/// Sets `values` to the next combination; false after the last.
bool advance(Values& values, const std::map<std::string, std::vector<std::string>>& domains,
             std::map<std::string, std::size_t>& at) {
  for (const auto& [name, domain] : domains) {
    std::size_t& index = at[name];
    index = (index + 1) % domain.size();
    values[name] = domain[index];
    if (index != 0) {
      return true;
    }
  }
  return false;
}

std::optional<bool> target_holds(const Target& target, const Evaluator& in_user) {
  if (target.nesting == nullptr) {
    return in_user.condition(target.condition);
  }
  const Evaluator in_child(*target.templ, [&](std::string_view name) -> std::optional<std::string> {
    const YamlNode* given = argument_for(*target.nesting, name);
    if (given != nullptr) {
      return in_user.value(*given);
    }
    return target.templ->parameter(name)->default_value;
  });
  return in_child.condition(target.condition);
}

std::string described(const Values& values) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : values) {
    parts.push_back(fmt::format("{}={}", name, value == other ? other : "'" + value + "'"));
  }
  return parts.empty() ? "always" : "with " + cli::join(parts, ", ");
}

} // namespace

std::optional<std::string> missing_when(const Template& user, const std::vector<Guard>& guards,
                                        const Target& target, const Resource* nested_by) {
  const Deciders deciders(user, guards, target);
  std::map<std::string, std::vector<std::string>> domains;
  Values values;
  std::size_t combinations = 1;
  for (const std::string& name : deciders.parameters) {
    const Parameter& parameter = *user.parameter(name);
    const auto domain = nested_by == nullptr ? free_values(parameter, deciders.literals)
                                             : given_value(parameter, *nested_by);
    combinations *= domain.size();
    if (combinations == 0 || combinations > max_combinations) {
      return std::nullopt;
    }
    values[name] = domain.front();
    domains[name] = domain;
  }
  const Evaluator::Lookup lookup = [&](std::string_view name) -> std::optional<std::string> {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : std::optional(at->second);
  };
  std::map<std::string, std::size_t> at;
  do {
    const Evaluator in_user(user, lookup);
    if (in_user.all(guards) == true && target_holds(target, in_user) == false) {
      return described(values);
    }
  } while (advance(values, domains, at));
  return std::nullopt;
}

} // namespace aws
