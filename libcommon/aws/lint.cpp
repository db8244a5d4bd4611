#include "aws/lint.hpp"

#include "aws/component.hpp"
#include "aws/expression.hpp"
#include "aws/presence.hpp"
#include "aws/value_type.hpp"
#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

namespace aws {

namespace fs = std::filesystem;
using cli::shown;

namespace {

std::string normal(const std::string& path) {
  return fs::path(path).lexically_normal().string();
}

/// The last part of a nested stack's TemplateURL, literal or inside Fn::Sub; empty for a stack that
/// is none, and for another expression.
std::string file_of_url(const Resource& stack) {
  const YamlNode* url = stack.is_stack() ? stack.property("TemplateURL") : nullptr;
  if (url == nullptr) {
    return {};
  }
  const auto call = call_of(*url);
  const YamlNode& text = call && call->function == "Fn::Sub" ? *call->argument : *url;
  const std::size_t slash = text.text.rfind('/');
  return slash == std::string::npos ? std::string() : text.text.substr(slash + 1);
}

/// A condition that is already known to hold around a use needs no search.
bool guarded(const std::vector<Guard>& guards, std::string_view condition) {
  return std::any_of(guards.begin(), guards.end(), [&](const Guard& guard) {
    return guard.holds && guard.condition == condition;
  });
}

/// Finds a ring in a directed graph, depth first.
template <typename T>
class RingSearch {
public:
  using Next = std::function<std::vector<const T*>(const T&)>;
  explicit RingSearch(Next next) : next_(std::move(next)) {}

  /// The members of a ring that is reached from `start`, in order; empty when there is none that an
  /// earlier search has not told of.
  std::vector<const T*> from(const T& start) {
    if (state_[&start] == State::done) {
      return {};
    }
    if (state_[&start] == State::open) {
      return {std::find(path_.begin(), path_.end(), &start), path_.end()};
    }
    state_[&start] = State::open;
    path_.push_back(&start);
    std::vector<const T*> ring;
    for (const T* next : next_(start)) {
      ring = from(*next);
      if (!ring.empty()) {
        break;
      }
    }
    path_.pop_back();
    state_[&start] = State::done;
    return ring;
  }

private:
  enum class State { unseen, open, done };
  Next next_;
  std::map<const T*, State> state_;
  std::vector<const T*> path_;
};

template <typename T, typename Name>
std::string ring_text(const std::vector<const T*>& ring, const Name& name) {
  std::string text;
  for (const T* member : ring) {
    text += name(*member) + " -> ";
  }
  return text + name(*ring.front());
}

class Linter {
public:
  explicit Linter(const TemplateSet& set)
      : templates_(set.templates),
        unreadable_(set.unreadable_paths.begin(), set.unreadable_paths.end()),
        typer_([this](const Template& parent, const Resource& stack) {
          return child_of(parent, stack);
        }) {
    for (const Template& templ : templates_) {
      by_path_[normal(templ.path)] = &templ;
      by_name_[fs::path(templ.path).filename().string()].push_back(&templ);
    }
    for (const Template& templ : templates_) {
      for (const Resource& resource : templ.resources) {
        if (const Template* child = child_of(templ, resource)) {
          nested_in_[child].push_back(&resource);
        }
      }
    }
  }

  std::vector<Finding> run() {
    for (const Template& templ : templates_) {
      check_parameters(templ);
      check_references(templ);
      check_resource_rings(templ);
      for (const Resource& resource : templ.resources) {
        if (resource.is_stack()) {
          check_stack(templ, resource);
        }
      }
      for (const Output& output : templ.outputs) {
        check_output(templ, output);
      }
      if (is_generated(templ)) {
        check_passed_on(templ);
        check_switches(templ);
      }
    }
    check_nesting_rings();
    std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
      return std::tie(a.path, a.line) < std::tie(b.path, b.line);
    });
    return std::move(findings_);
  }

private:
  void find(const Template& templ, int line, std::string fault, std::string todo) {
    findings_.push_back({templ.path, line, std::move(fault), std::move(todo)});
  }

  const Template* child_of(const Template& templ, const Resource& stack) const {
    const std::string path = nested_path(templ, stack);
    if (!path.empty()) {
      const auto local = by_path_.find(path);
      return local == by_path_.end() ? nullptr : local->second;
    }
    const auto at = by_name_.find(file_of_url(stack));
    return at == by_name_.end() || at->second.size() != 1 ? nullptr : at->second.front();
  }

  void check_parameters(const Template& templ) {
    for (const Parameter& parameter : templ.parameters) {
      if (!parameter.default_value) {
        continue;
      }
      if (const auto reason = parameter.refuses(*parameter.default_value)) {
        find(templ, parameter.line,
             fmt::format("the default '{}' of parameter {} is not one of its values: {}",
                         shown(*parameter.default_value), shown(parameter.name), shown(*reason)),
             "change the default, or what the parameter allows");
      }
    }
  }

  void check_references(const Template& templ) {
    for (const Reference& reference : references(templ)) {
      if (!templ.makes_names) {
        check_exists(templ, reference);
      }
      const Resource* resource = templ.resource(reference.name);
      const bool is_value =
          reference.kind == Reference::Kind::ref || reference.kind == Reference::Kind::attribute;
      if (resource == nullptr || !is_value) {
        continue;
      }
      check_present(
          templ, reference, {&templ, resource->condition, nullptr},
          fmt::format("{} {}", resource->is_stack() ? "stack" : "resource", shown(resource->name)));
      if (resource->is_stack() && reference.kind == Reference::Kind::attribute) {
        check_stack_output(templ, *resource, reference);
      }
    }
  }

  void check_exists(const Template& templ, const Reference& reference) {
    const std::string& name = reference.name;
    const std::string name_shown = shown(name);
    switch (reference.kind) {
    case Reference::Kind::ref:
      if (templ.parameter(name) == nullptr && templ.resource(name) == nullptr
          && !is_pseudo_parameter(name)) {
        find(templ, reference.line, fmt::format("{} is no parameter or resource here", name_shown),
             "declare it, or correct the name");
      }
      break;
    case Reference::Kind::attribute:
      if (templ.resource(name) == nullptr) {
        find(templ, reference.line, fmt::format("{} is no resource here", name_shown),
             "declare it, or correct the name");
      }
      break;
    case Reference::Kind::depends_on:
      if (templ.resource(name) == nullptr) {
        find(templ, reference.line,
             fmt::format("DependsOn names {}, which is no resource here", name_shown),
             "declare it, or drop it from DependsOn");
      }
      break;
    case Reference::Kind::condition:
      if (templ.condition(name) == nullptr) {
        find(templ, reference.line, fmt::format("{} is no condition here", name_shown),
             "declare it below Conditions, or correct the name");
      }
      break;
    case Reference::Kind::mapping:
      if (std::find(templ.mappings.begin(), templ.mappings.end(), name) == templ.mappings.end()) {
        find(templ, reference.line, fmt::format("{} is no mapping here", name_shown),
             "declare it below Mappings, or correct the name");
      }
      break;
    }
  }

  void check_stack_output(const Template& templ, const Resource& stack,
                          const Reference& reference) {
    const Template* child = child_of(templ, stack);
    const std::string_view name = output_name(reference.attribute);
    if (child == nullptr || name.empty() || child->makes_names) {
      return;
    }
    const Output* output = child->output(name);
    if (output == nullptr) {
      find(templ, reference.line,
           fmt::format("stack {} has no output {} ({})", shown(stack.name), shown(name),
                       shown(child->path)),
           "add the output to that template, or correct the name");
      return;
    }
    check_present(templ, reference, {child, output->condition, &stack},
                  fmt::format("output {} of stack {}", shown(name), shown(stack.name)));
  }

  /// Whether the use of something that has a condition can happen without it.
  void check_present(const Template& templ, const Reference& reference, const Target& target,
                     const std::string& what) {
    if (target.condition.empty()
        || (target.nesting == nullptr && guarded(reference.guards, target.condition))) {
      return;
    }
    const auto parents = nested_in_.find(&templ);
    const std::vector<const Resource*> places =
        parents == nested_in_.end() ? std::vector<const Resource*>{nullptr} : parents->second;
    for (const Resource* nested_by : places) {
      if (const auto when = missing_when(templ, reference.guards, target, nested_by)) {
        find(templ, reference.line,
             fmt::format("the condition {} hides {}, which is needed here {}",
                         shown(target.condition), what, shown(*when)),
             "use it inside Fn::If of a condition that implies that one, or drop the condition");
        return;
      }
    }
  }

  void check_resource_rings(const Template& templ) {
    std::map<const Resource*, std::vector<const Resource*>> next;
    for (const Reference& reference : references(templ)) {
      const Resource* resource = templ.resource(reference.name);
      const bool orders = reference.kind == Reference::Kind::ref
                          || reference.kind == Reference::Kind::attribute
                          || reference.kind == Reference::Kind::depends_on;
      if (orders && resource != nullptr && reference.from != nullptr) {
        next[reference.from].push_back(resource);
      }
    }
    RingSearch<Resource> search([&](const Resource& resource) { return next[&resource]; });
    for (const Resource& resource : templ.resources) {
      const auto ring = search.from(resource);
      if (!ring.empty()) {
        find(templ, ring.front()->line,
             fmt::format("the resources need each other: {}",
                         ring_text(ring, [](const Resource& r) { return shown(r.name); })),
             "take one of these references out");
      }
    }
  }

  void check_nesting_rings() {
    RingSearch<Template> search([this](const Template& templ) {
      std::vector<const Template*> children;
      for (const Resource& resource : templ.resources) {
        if (const Template* child = child_of(templ, resource)) {
          children.push_back(child);
        }
      }
      return children;
    });
    for (const Template& templ : templates_) {
      const auto ring = search.from(templ);
      if (ring.empty()) {
        continue;
      }
      const Template& first = *ring.front();
      const Template* second = ring[1 % ring.size()];
      const auto stack =
          std::find_if(first.resources.begin(), first.resources.end(),
                       [&](const Resource& r) { return child_of(first, r) == second; });
      find(first, stack->line,
           fmt::format("the templates nest each other: {}",
                       ring_text(ring, [](const Template& t) { return shown(t.path); })),
           "take one of these stacks out");
    }
  }

  void check_stack(const Template& templ, const Resource& stack) {
    const Template* child = child_of(templ, stack);
    if (child == nullptr) {
      const std::string path = nested_path(templ, stack);
      if (!path.empty() && unreadable_.find(path) == unreadable_.end()) {
        find(templ, stack.line,
             fmt::format("stack {} nests {}, which does not exist", shown(stack.name), shown(path)),
             "correct TemplateURL, or add the file");
      }
      return;
    }
    const YamlNode* given = stack.property("Parameters");
    if (child->makes_names || (given != nullptr && call_of(*given))) {
      return;
    }
    for (const Parameter& parameter : child->parameters) {
      if (!parameter.optional() && (given == nullptr || given->find(parameter.name) == nullptr)) {
        find(templ, stack.line,
             fmt::format("stack {} does not get parameter {} ({}:{})", shown(stack.name),
                         shown(parameter.name), shown(child->path), parameter.line),
             "pass it, or give it a default there");
      }
    }
    if (given == nullptr) {
      return;
    }
    for (const auto& [key, value] : given->entries) {
      const Parameter* parameter = child->parameter(key->text);
      if (parameter == nullptr) {
        find(templ, key->line,
             fmt::format("stack {} takes no parameter {} ({})", shown(stack.name), shown(key->text),
                         shown(child->path)),
             "drop it, or declare it there");
      } else {
        check_argument(templ, stack, *key, *value, *child, *parameter);
      }
    }
  }

  void check_argument(const Template& templ, const Resource& stack, const YamlNode& key,
                      const YamlNode& value, const Template& child, const Parameter& parameter) {
    const std::string what = fmt::format("parameter {} of stack {} ({}:{})", shown(parameter.name),
                                         shown(stack.name), shown(child.path), parameter.line);
    const ValueType given = typer_.of(value, templ);
    if (given.shape == ValueType::Shape::array) {
      find(templ, key.line, fmt::format("{} gets a list", what),
           "a nested stack takes text only: put Fn::Join with ',' around the list");
    } else if (given.shape == ValueType::Shape::literal) {
      if (const auto reason = parameter.refuses(value.text)) {
        find(templ, key.line,
             fmt::format("{} gets '{}': {}", what, shown(value.text), shown(*reason)),
             "pass a value that it allows");
      }
    } else if (is_generated(templ)) {
      check_same_type(templ, key, value, what, given, parameter);
    } else if (given.type != "AWS::SSM::Parameter::Name"
               && contradicts(given.type, parameter.type)) {
      find(
          templ, key.line,
          fmt::format("{} has type {} and gets {}", what, shown(parameter.type), shown(given.type)),
          "pass something of that type, or change the type");
    }
  }

  /// The stricter rule for what the generator wrote: it copied the types, so they are the same.
  void check_same_type(const Template& templ, const YamlNode& key, const YamlNode& value,
                       const std::string& what, const ValueType& given,
                       const Parameter& parameter) {
    const Parameter* hoisted = nullptr;
    if (const auto call = call_of(value); call && call->function == "Ref") {
      hoisted = templ.parameter(call->argument->text);
    }
    std::string type = given.type.empty() ? "String" : given.type;
    if (hoisted != nullptr) {
      type = linked_type(templ, *hoisted);
    }
    if (type != parameter.type) {
      find(templ, key.line,
           fmt::format("{} has type {} and gets {}", what, shown(parameter.type), shown(type)),
           "generate again after a change of a component");
    }
  }

  void check_output(const Template& templ, const Output& output) {
    const ValueType given = typer_.of(*output.value, templ);
    if (given.shape == ValueType::Shape::array) {
      find(templ, output.line, fmt::format("output {} is a list", shown(output.name)),
           "an output is text: put Fn::Join with ',' around the list");
    }
  }

  /// In a generated set the main template gives every output of every component, under its name,
  /// and nothing else.
  void check_passed_on(const Template& templ) {
    std::set<std::string> expected;
    for (const Resource& stack : templ.resources) {
      const Template* child = child_of(templ, stack);
      if (child == nullptr) {
        continue;
      }
      for (const Output& output : child->outputs) {
        const std::string name = linked_output_name(*child, stack.name, output.name);
        expected.insert(name);
        const Output* passed = templ.output(name);
        if (passed == nullptr) {
          find(templ, stack.line,
               fmt::format("output {} of stack {} ({}:{}) is not passed on", shown(output.name),
                           shown(stack.name), shown(child->path), output.line),
               fmt::format("add output {}, or generate again", shown(name)));
        } else if (!is_pass_through(*passed->value, stack.name, output.name)) {
          find(templ, passed->line,
               fmt::format("output {} is not output {} of stack {}", shown(name),
                           shown(output.name), shown(stack.name)),
               "generate again after a change of a component");
        }
      }
    }
    for (const Output& output : templ.outputs) {
      if (expected.find(output.name) == expected.end()) {
        find(templ, output.line,
             fmt::format("output {} comes from no component", shown(output.name)),
             "generate again after a change of a component");
      }
    }
  }

  /// What no component gets decides whether components are there: "true" or "false".
  void check_switches(const Template& templ) {
    std::set<std::string> passed;
    for (const Resource& stack : templ.resources) {
      if (const YamlNode* given = stack.property("Parameters")) {
        for (const Reference& reference : references(*given)) {
          passed.insert(reference.name);
        }
      }
    }
    for (const Parameter& parameter : templ.parameters) {
      if (passed.find(parameter.name) == passed.end() && parameter.type != "String") {
        find(templ, parameter.line,
             fmt::format("parameter {} switches components, and has type {}", shown(parameter.name),
                         shown(parameter.type)),
             "give it type String, or generate again");
      }
    }
  }

  static bool is_pass_through(const YamlNode& value, const std::string& stack,
                              const std::string& output) {
    const auto call = call_of(value);
    return call && call->function == "Fn::GetAtt"
           && attribute_of(*call->argument) == std::pair(stack, "Outputs." + output);
  }

  const std::vector<Template>& templates_;
  std::set<std::string> unreadable_;
  std::map<std::string, const Template*> by_path_;
  std::map<std::string, std::vector<const Template*>> by_name_;
  std::map<const Template*, std::vector<const Resource*>> nested_in_;
  Typer typer_;
  std::vector<Finding> findings_;
};

} // namespace

std::vector<Finding> lint(const TemplateSet& set) {
  return Linter(set).run();
}

} // namespace aws
