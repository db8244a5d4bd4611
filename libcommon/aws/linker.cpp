#include "aws/linker.hpp"

#include "cli/error.hpp"

#include <algorithm>
#include <set>

namespace aws {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

struct Provider {
  const Component* component;
  const Output* output;
};
using Providers = std::map<std::string, Provider>;

Providers providers_among(const std::vector<const Component*>& components) {
  Providers providers;
  for (const Component* component : components) {
    for (const Output& output : component->templ->outputs) {
      const auto [at, is_new] =
          providers.emplace(component->output_name(output.name), Provider{component, &output});
      if (!is_new) {
        throw Error(ExitCode::data,
                    fmt::format("{}:{}: output {} is given by {} as well", component->templ->path,
                                output.line, shown(at->first), at->second.component->name));
      }
    }
  }
  return providers;
}

/// Who gives a component's parameter; null when nobody does, or only the component itself.
const Provider* provider_of(const Providers& providers, const Component& component,
                            const Parameter& parameter) {
  const auto at = providers.find(component.parameter_name(parameter.name));
  return at == providers.end() || at->second.component == &component ? nullptr : &at->second;
}

/// The components in an order in which each stands behind those that it takes from; otherwise in
/// the given order.
std::vector<const Component*> ordered(std::vector<const Component*> waiting,
                                      const Providers& providers) {
  std::vector<const Component*> done;
  const auto is_done = [&](const Component* component) {
    return std::find(done.begin(), done.end(), component) != done.end();
  };
  const auto is_ready = [&](const Component* component) {
    const auto& parameters = component->templ->parameters;
    return std::all_of(parameters.begin(), parameters.end(), [&](const Parameter& parameter) {
      const Provider* provider = provider_of(providers, *component, parameter);
      return provider == nullptr || is_done(provider->component);
    });
  };
  while (!waiting.empty()) {
    const auto next = std::find_if(waiting.begin(), waiting.end(), is_ready);
    if (next == waiting.end()) {
      throw Error(ExitCode::data, fmt::format("{}: the component needs others that need it",
                                              waiting.front()->templ->path));
    }
    done.push_back(*next);
    waiting.erase(next);
  }
  return done;
}

/// The heading under which a component shows one of its parameters.
std::string group_label(const Component& component, const Parameter& parameter) {
  if (component.is_instance && component.parameter_name(parameter.name) != parameter.name) {
    return component.label;
  }
  const YamlNode* metadata = component.templ->section("Metadata");
  const YamlNode* interface =
      metadata == nullptr ? nullptr : metadata->find("AWS::CloudFormation::Interface");
  const YamlNode* groups = interface == nullptr ? nullptr : interface->find("ParameterGroups");
  if (groups == nullptr) {
    return component.label;
  }
  for (const YamlNode* group : groups->items) {
    const YamlNode* names = group->find("Parameters");
    const YamlNode* label = group->find("Label");
    const bool holds =
        names != nullptr
        && std::any_of(names->items.begin(), names->items.end(),
                       [&](const YamlNode* name) { return name->text == parameter.name; });
    if (holds && label != nullptr) {
      return std::string(label->text_of("default"));
    }
  }
  return component.label;
}

/// Gathers the parameters of the main template.
class Hoister {
public:
  explicit Hoister(Plan& plan) : plan_(plan) {}

  /// Adds the parameter under its name in the main template, which it returns.
  std::string hoist(const Component& component, const Parameter& declared) {
    std::string name = component.parameter_name(declared.name);
    const auto [at, is_new] = declarations_.emplace(name, Declaration{&component, &declared});
    if (!is_new) {
      const Declaration& first = at->second;
      if (!first.parameter->agrees_with(declared)) {
        throw Error(ExitCode::data,
                    fmt::format("{}:{}: parameter {} is declared in another way than in {}:{}",
                                component.templ->path, declared.line, shown(name),
                                first.component->templ->path, first.parameter->line));
      }
      return name;
    }
    Parameter parameter = declared;
    parameter.name = name;
    if (const auto own = component.defaults.find(declared.name); own != component.defaults.end()) {
      parameter.default_value = own->second;
    }
    parameter.type = declared.given_type();
    if (parameter.type != declared.type) {
      plan_.types[name] = declared.type;
    }
    add(std::move(parameter), group_label(component, declared));
    return name;
  }

  void add_switch(const Component& component) {
    if (plan_.parameter(component.enabled_by) != nullptr) {
      return;
    }
    Parameter parameter;
    parameter.name = component.enabled_by;
    parameter.type = "String";
    parameter.default_value = "false";
    parameter.allowed_values = {"true", "false"};
    parameter.description = fmt::format("Whether {} is there", component.name);
    add(std::move(parameter), component.label);
  }

private:
  struct Declaration {
    const Component* component;
    const Parameter* parameter;
  };

  void add(Parameter parameter, const std::string& label) {
    auto group = std::find_if(plan_.groups.begin(), plan_.groups.end(),
                              [&](const ParameterGroup& g) { return g.label == label; });
    if (group == plan_.groups.end()) {
      group = plan_.groups.insert(plan_.groups.end(), {label, {}});
    }
    group->parameters.push_back(parameter.name);
    plan_.parameters.push_back(std::move(parameter));
  }

  Plan& plan_;
  std::map<std::string, Declaration> declarations_;
};

/// What is there only at times cannot feed what is always needed.
void check_availability(const Component& component, const Parameter& parameter,
                        const Component& provider) {
  if (!provider.enabled_by.empty() && provider.enabled_by != component.enabled_by
      && !parameter.optional()) {
    throw Error(ExitCode::data, fmt::format("{}:{}: parameter {} needs a default: {} may be absent",
                                            component.templ->path, parameter.line,
                                            shown(parameter.name), provider.name));
  }
}

/// A YAML scalar that every reader takes for this text.
std::string quoted(std::string_view text) {
  std::string out;
  const bool plain = std::none_of(text.begin(), text.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (plain) {
    for (const char c : text) {
      out += c == '\'' ? "''" : std::string(1, c);
    }
    return "'" + out + "'";
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += c == '"' || c == '\\' ? std::string{'\\', c}
           : byte < 0x20         ? fmt::format("\\x{:02X}", byte)
                                 : std::string(1, c);
  }
  return '"' + out + '"';
}

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    out += (out.empty() ? "" : ", ") + quoted(text);
  }
  return "[" + out + "]";
}

/// The condition that a switch decides.
std::string condition_of(const std::string& enabled_by) {
  return enabled_by + "IsOn";
}

class Writer {
public:
  explicit Writer(const Plan& plan) : plan_(plan) {}

  std::string text() {
    header();
    parameters();
    conditions();
    resources();
    outputs();
    return std::move(out_);
  }

private:
  template <typename... T>
  void line(fmt::format_string<T...> format, T&&... arguments) {
    out_ += fmt::format(format, std::forward<T>(arguments)...);
    out_ += '\n';
  }

  void header() {
    std::vector<std::string> names;
    for (const LinkedStack& stack : plan_.stacks) {
      names.push_back(stack.component->name);
    }
    line("# Written by moodle-stack generate. Change the options and generate again instead of "
         "editing.");
    line("AWSTemplateFormatVersion: '2010-09-09'");
    line("Description: 'Moodle on AWS: the main stack, which nests the others'");
    line("Metadata:");
    line("  {}:", metadata_key);
    line("    Components: {}", quoted_list(names));
    if (!plan_.types.empty()) {
      line("    Types:");
      for (const auto& [name, type] : plan_.types) {
        line("      {}: {}", name, quoted(type));
      }
    }
    if (plan_.groups.empty()) {
      return;
    }
    line("  AWS::CloudFormation::Interface:");
    line("    ParameterGroups:");
    for (const ParameterGroup& group : plan_.groups) {
      line("      - Label: {{default: {}}}", quoted(group.label));
      line("        Parameters: {}", quoted_list(group.parameters));
    }
  }

  void parameters() {
    if (plan_.parameters.empty()) {
      return;
    }
    line("\nParameters:");
    for (const Parameter& parameter : plan_.parameters) {
      line("  {}:", parameter.name);
      line("    Type: {}", quoted(parameter.type));
      optional_line("Description", parameter.description);
      if (parameter.default_value) {
        line("    Default: {}", quoted(*parameter.default_value));
      }
      if (!parameter.allowed_values.empty()) {
        line("    AllowedValues: {}", quoted_list(parameter.allowed_values));
      }
      optional_line("AllowedPattern", parameter.allowed_pattern);
      optional_line("ConstraintDescription", parameter.constraint_description);
      optional_number("MinLength", parameter.min_length);
      optional_number("MaxLength", parameter.max_length);
      optional_number("MinValue", parameter.min_value);
      optional_number("MaxValue", parameter.max_value);
      if (parameter.no_echo) {
        line("    NoEcho: true");
      }
    }
  }

  void optional_line(std::string_view key, const std::string& value) {
    if (!value.empty()) {
      line("    {}: {}", key, quoted(value));
    }
  }

  void optional_number(std::string_view key, const std::string& value) {
    if (!value.empty()) {
      line("    {}: {}", key, value);
    }
  }

  void conditions() {
    std::set<std::string> switches;
    for (const LinkedStack& stack : plan_.stacks) {
      if (!stack.component->enabled_by.empty()) {
        switches.insert(stack.component->enabled_by);
      }
    }
    if (switches.empty()) {
      return;
    }
    line("\nConditions:");
    for (const std::string& name : switches) {
      line("  {}: !Equals [!Ref {}, 'true']", condition_of(name), name);
    }
  }

  void resources() {
    line("\nResources:");
    for (const LinkedStack& stack : plan_.stacks) {
      const Component& component = *stack.component;
      line("  {}:", component.logical_id);
      line("    Type: AWS::CloudFormation::Stack");
      if (!component.enabled_by.empty()) {
        line("    Condition: {}", condition_of(component.enabled_by));
      }
      line("    Properties:");
      line("      TemplateURL: {}", quoted(component.file()));
      if (!stack.arguments.empty()) {
        line("      Parameters:");
      }
      for (const Argument& argument : stack.arguments) {
        line("        {}: {}", argument.parameter->name, value(component, argument));
      }
    }
  }

  std::string value(const Component& component, const Argument& argument) const {
    if (argument.provider == nullptr) {
      // A nested stack takes text only.
      const Parameter& parameter = *plan_.parameter(argument.source);
      return parameter.is_list() ? fmt::format("!Join [',', !Ref {}]", argument.source)
                                 : fmt::format("!Ref {}", argument.source);
    }
    const Component& provider = *argument.provider;
    std::string output = fmt::format("!GetAtt {}.Outputs.{}", provider.logical_id, argument.source);
    if (provider.enabled_by.empty() || provider.enabled_by == component.enabled_by) {
      return output;
    }
    return fmt::format("!If [{}, {}, !Ref AWS::NoValue]", condition_of(provider.enabled_by),
                       output);
  }

  void outputs() {
    if (plan_.outputs.empty()) {
      return;
    }
    line("\nOutputs:");
    for (const PassedOutput& passed : plan_.outputs) {
      const Component& component = *passed.component;
      line("  {}:", passed.name);
      if (!component.enabled_by.empty()) {
        line("    Condition: {}", condition_of(component.enabled_by));
      }
      line("    Value: !GetAtt {}.Outputs.{}", component.logical_id, passed.output->name);
    }
  }

  const Plan& plan_;
  std::string out_;
};

} // namespace

const Parameter* Plan::parameter(std::string_view name) const noexcept {
  const auto at = std::find_if(parameters.begin(), parameters.end(),
                               [&](const Parameter& p) { return p.name == name; });
  return at == parameters.end() ? nullptr : &*at;
}

void Plan::set(const std::string& name, const std::string& value) {
  const auto at = std::find_if(parameters.begin(), parameters.end(),
                               [&](const Parameter& p) { return p.name == name; });
  if (at == parameters.end()) {
    for (const LinkedStack& stack : stacks) {
      for (const Argument& argument : stack.arguments) {
        if (argument.provider != nullptr
            && stack.component->parameter_name(argument.parameter->name) == name) {
          throw Error(ExitCode::usage,
                      fmt::format("parameter {} is given by {}", name, argument.provider->name),
                      fmt::format("--without {} leaves it to you", argument.provider->name));
        }
      }
    }
    throw Error(ExitCode::usage, fmt::format("there is no parameter '{}'", shown(name)),
                "the Parameters of the generated main.yaml are what can be set");
  }
  if (const auto reason = at->refuses(value)) {
    throw Error(ExitCode::usage,
                fmt::format("'{}' is not a value for parameter {}: {}",
                            at->no_echo ? "(hidden)" : shown(value), name, shown(*reason)));
  }
  at->default_value = value;
}

Plan link(const std::vector<const Component*>& components) {
  const Providers providers = providers_among(components);
  Plan plan;
  Hoister hoister(plan);
  for (const Component* component : ordered(components, providers)) {
    if (!component->enabled_by.empty()) {
      hoister.add_switch(*component);
    }
    LinkedStack stack{component, {}};
    for (const Parameter& parameter : component->templ->parameters) {
      if (const Provider* provider = provider_of(providers, *component, parameter)) {
        check_availability(*component, parameter, *provider->component);
        stack.arguments.push_back({&parameter, provider->component, provider->output->name});
      } else {
        stack.arguments.push_back({&parameter, nullptr, hoister.hoist(*component, parameter)});
      }
    }
    for (const Output& output : component->templ->outputs) {
      plan.outputs.push_back({component->output_name(output.name), component, &output});
    }
    plan.stacks.push_back(std::move(stack));
  }
  return plan;
}

std::string main_template(const Plan& plan) {
  return Writer(plan).text();
}

} // namespace aws
