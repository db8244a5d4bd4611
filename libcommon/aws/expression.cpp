#include "aws/expression.hpp"

#include <algorithm>
#include <array>

namespace aws {

namespace {

/// Conditions that refer to each other in a ring are another check's business; here they only must
/// not run for ever.
constexpr int max_condition_depth = 64;

std::pair<std::string, std::string> split_at_dot(std::string_view text) {
  const std::size_t dot = std::min(text.find('.'), text.size());
  return {std::string(text.substr(0, dot)),
          std::string(text.substr(std::min(dot + 1, text.size())))};
}

/// Collects the names used below a value.
class Walker {
public:
  Walker(std::vector<Reference>& found, const Resource* from, bool in_conditions)
      : found_(found), from_(from), in_conditions_(in_conditions) {}

  void guard(std::string_view condition, int line) {
    if (!condition.empty()) {
      add(Reference::Kind::condition, std::string(condition), {}, line);
      guards_.push_back({condition, true});
    }
  }

  void visit(const YamlNode& node) {
    if (const auto call = call_of(node)) {
      visit_call(*call);
      return;
    }
    if (in_conditions_ && node.entries.size() == 1
        && node.entries.front().first->text == "Condition") {
      const YamlNode& name = *node.entries.front().second;
      add(Reference::Kind::condition, name.text, {}, name.line);
      return;
    }
    for (const YamlNode* item : node.items) {
      visit(*item);
    }
    for (const auto& [key, value] : node.entries) {
      visit(*value);
    }
  }

  void depends_on(const YamlNode* names) {
    if (names == nullptr) {
      return;
    }
    if (names->is_scalar()) {
      add(Reference::Kind::depends_on, names->text, {}, names->line);
    }
    for (const YamlNode* item : names->items) {
      add(Reference::Kind::depends_on, item->text, {}, item->line);
    }
  }

private:
  void add(Reference::Kind kind, std::string name, std::string attribute, int line) {
    found_.push_back({kind, line, std::move(name), std::move(attribute), from_, guards_});
  }

  void visit_call(const Call& call) {
    const YamlNode& argument = *call.argument;
    if (call.function == "Ref" && argument.is_scalar()) {
      add(Reference::Kind::ref, argument.text, {}, argument.line);
    } else if (call.function == "Fn::GetAtt") {
      visit_attribute(argument);
    } else if (call.function == "Fn::Sub") {
      visit_substitution(argument);
    } else if (call.function == "Fn::If" && argument.items.size() == 3) {
      visit_choice(argument);
    } else if (call.function == "Fn::FindInMap" && !argument.items.empty()
               && argument.items.front()->is_scalar()) {
      add(Reference::Kind::mapping, argument.items.front()->text, {}, argument.line);
      visit(argument);
    } else {
      visit(argument);
    }
  }

  void visit_attribute(const YamlNode& argument) {
    auto [name, attribute] = attribute_of(argument);
    add(Reference::Kind::attribute, std::move(name), std::move(attribute), argument.line);
    visit(argument);
  }

  void visit_substitution(const YamlNode& argument) {
    const bool has_variables = argument.is_sequence() && argument.items.size() == 2;
    const YamlNode* variables = has_variables ? argument.items[1] : nullptr;
    const YamlNode* format = argument.is_scalar() ? &argument
                             : has_variables      ? argument.items[0]
                                                  : nullptr;
    if (variables != nullptr) {
      visit(*variables);
    }
    if (format == nullptr) {
      return;
    }
    const std::string_view text = format->text;
    for (std::size_t start = text.find("${"); start != std::string_view::npos;
         start = text.find("${", start + 2)) {
      const std::size_t end = text.find('}', start);
      if (end == std::string_view::npos) {
        return;
      }
      const std::string_view name = text.substr(start + 2, end - start - 2);
      const bool literal = name.starts_with('!');
      const bool local = variables != nullptr && variables->find(name) != nullptr;
      if (literal || local) {
        continue;
      }
      if (name.find('.') == std::string_view::npos) {
        add(Reference::Kind::ref, std::string(name), {}, format->line);
      } else {
        auto [resource, attribute] = split_at_dot(name);
        add(Reference::Kind::attribute, std::move(resource), std::move(attribute), format->line);
      }
    }
  }

  void visit_choice(const YamlNode& argument) {
    const YamlNode& condition = *argument.items[0];
    if (!condition.is_scalar()) {
      visit(argument);
      return;
    }
    add(Reference::Kind::condition, condition.text, {}, condition.line);
    for (const bool holds : {true, false}) {
      guards_.push_back({condition.text, holds});
      visit(*argument.items[holds ? 1 : 2]);
      guards_.pop_back();
    }
  }

  std::vector<Reference>& found_;
  const Resource* from_;
  bool in_conditions_;
  std::vector<Guard> guards_;
};

std::optional<bool> both(std::optional<bool> a, std::optional<bool> b) {
  if (a == false || b == false) {
    return false;
  }
  return a && b ? std::optional(true) : std::nullopt;
}

std::optional<bool> negated(std::optional<bool> value) {
  return value ? std::optional(!*value) : std::nullopt;
}

} // namespace

std::optional<Call> call_of(const YamlNode& node) noexcept {
  if (node.entries.size() != 1) {
    return std::nullopt;
  }
  const auto& [key, value] = node.entries.front();
  if (key->text != "Ref" && !key->text.starts_with("Fn::")) {
    return std::nullopt;
  }
  return Call{key->text, value};
}

std::pair<std::string, std::string> attribute_of(const YamlNode& argument) {
  if (argument.is_scalar()) {
    return split_at_dot(argument.text);
  }
  std::pair<std::string, std::string> found;
  for (const YamlNode* item : argument.items) {
    if (item == argument.items.front()) {
      found.first = item->text;
    } else {
      found.second += (found.second.empty() ? "" : ".") + item->text;
    }
  }
  return found;
}

std::vector<Reference> references(const YamlNode& value) {
  std::vector<Reference> found;
  Walker(found, nullptr, true).visit(value);
  return found;
}

std::vector<Reference> references(const Template& templ) {
  std::vector<Reference> found;
  for (const Condition& condition : templ.conditions) {
    Walker(found, nullptr, true).visit(*condition.expression);
  }
  for (const Resource& resource : templ.resources) {
    Walker walker(found, &resource, false);
    walker.guard(resource.condition, resource.line);
    walker.depends_on(resource.node->find("DependsOn"));
    walker.visit(*resource.node);
  }
  for (const Output& output : templ.outputs) {
    Walker walker(found, nullptr, false);
    walker.guard(output.condition, output.line);
    walker.visit(*output.value);
  }
  return found;
}

bool is_pseudo_parameter(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 8> names = {
      "AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue",   "AWS::Partition",
      "AWS::Region",    "AWS::StackId",          "AWS::StackName", "AWS::URLSuffix"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<bool> Evaluator::all(const std::vector<Guard>& guards) const {
  std::optional<bool> result = true;
  for (const Guard& guard : guards) {
    const auto holds = condition(guard.condition);
    result = both(result, guard.holds ? holds : negated(holds));
  }
  return result;
}

std::optional<bool> Evaluator::condition(std::string_view name, int depth) const {
  const Condition* found = template_.condition(name);
  if (found == nullptr || depth > max_condition_depth) {
    return std::nullopt;
  }
  const auto known = known_.find(name);
  return known != known_.end() ? known->second
                               : known_[std::string(name)] = truth(*found->expression, depth + 1);
}

std::optional<bool> Evaluator::truth(const YamlNode& node, int depth) const {
  if (node.entries.size() != 1) {
    return std::nullopt;
  }
  const std::string& function = node.entries.front().first->text;
  const YamlNode& argument = *node.entries.front().second;
  if (function == "Condition") {
    return condition(argument.text, depth);
  }
  if (function == "Fn::Equals" && argument.items.size() == 2) {
    const auto left = value(*argument.items[0], depth);
    const auto right = value(*argument.items[1], depth);
    return left && right ? std::optional(*left == *right) : std::nullopt;
  }
  if (function == "Fn::Not" && argument.items.size() == 1) {
    return negated(truth(*argument.items[0], depth));
  }
  if (function == "Fn::And" || function == "Fn::Or") {
    const bool conjunction = function == "Fn::And";
    std::optional<bool> result = true;
    for (const YamlNode* item : argument.items) {
      const auto one = truth(*item, depth);
      result = both(result, conjunction ? one : negated(one));
    }
    return conjunction ? result : negated(result);
  }
  return std::nullopt;
}

std::optional<std::string> Evaluator::value(const YamlNode& node, int depth) const {
  if (node.is_scalar()) {
    return node.text;
  }
  const auto call = call_of(node);
  if (!call) {
    return std::nullopt;
  }
  const YamlNode& argument = *call->argument;
  if (call->function == "Ref") {
    return template_.parameter(argument.text) != nullptr ? lookup_(argument.text) : std::nullopt;
  }
  if (call->function == "Fn::If" && argument.items.size() == 3) {
    const auto chosen = condition(argument.items[0]->text, depth);
    return chosen ? value(*argument.items[*chosen ? 1 : 2], depth) : std::nullopt;
  }
  if (call->function == "Fn::Join" && argument.items.size() == 2) {
    const YamlNode& list = *argument.items[1];
    const auto list_call = call_of(list);
    if (list_call && list_call->function == "Ref" && argument.items[0]->text == ",") {
      return value(list, depth); // a list parameter's own text, put together again
    }
  }
  return std::nullopt;
}

} // namespace aws
