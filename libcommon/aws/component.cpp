#include "aws/component.hpp"

#include "cli/error.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace aws {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

const YamlNode* own_metadata(const Template& templ) noexcept {
  const YamlNode* metadata = templ.section("Metadata");
  return metadata == nullptr ? nullptr : metadata->find(metadata_key);
}

const YamlNode* instances_of(const Template& templ) noexcept {
  const YamlNode* own = own_metadata(templ);
  return own == nullptr ? nullptr : own->find("Instances");
}

std::string camel_case(std::string_view name) {
  std::string out;
  bool upper = true;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      upper = true;
      continue;
    }
    out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = false;
  }
  return out;
}

std::map<std::string, std::string> defaults_of(const Template& templ, const YamlNode& settings) {
  std::map<std::string, std::string> defaults;
  const YamlNode* given = settings.find("Defaults");
  if (given == nullptr) {
    return defaults;
  }
  for (const auto& [name, value] : given->entries) {
    const Parameter* parameter = templ.parameter(name->text);
    if (parameter == nullptr) {
      throw Error(ExitCode::data, fmt::format("{}:{}: there is no parameter {} to have a default",
                                              templ.path, name->line, shown(name->text)));
    }
    if (const auto reason = parameter->refuses(value->text)) {
      throw Error(ExitCode::data,
                  fmt::format("{}:{}: '{}' is not a value for parameter {}: {}", templ.path,
                              value->line, shown(value->text), shown(name->text), shown(*reason)));
    }
    defaults[name->text] = value->text;
  }
  return defaults;
}

Component make(const Template& templ, const std::string& name, const YamlNode* settings) {
  Component component;
  component.name = name;
  component.logical_id = camel_case(name);
  component.templ = &templ;
  component.label = name;
  if (settings == nullptr) {
    return component;
  }
  if (!settings->is_map()) {
    throw Error(ExitCode::data, fmt::format("{}:{}: the settings of component {} are not a map",
                                            templ.path, settings->line, shown(name)));
  }
  if (const auto label = settings->text_of("Label"); !label.empty()) {
    component.label = label;
  }
  component.enabled_by = settings->text_of("EnabledBy");
  component.optional = settings->text_of("Optional") == "true";
  component.defaults = defaults_of(templ, *settings);
  if (const YamlNode* shared = settings->find("Shared")) {
    for (const YamlNode* parameter : shared->items) {
      component.shared.insert(parameter->text);
    }
  }
  return component;
}

} // namespace

std::string Component::parameter_name(const std::string& own) const {
  return is_instance && shared.find(own) == shared.end() ? logical_id + own : own;
}

std::string Component::output_name(const std::string& own) const {
  return is_instance ? logical_id + own : own;
}

std::string Component::file() const {
  return std::filesystem::path(templ->path).filename().string();
}

std::vector<Component> components_of(const std::vector<Template>& templates) {
  std::vector<Component> components;
  for (const Template& templ : templates) {
    const YamlNode* own = own_metadata(templ);
    const YamlNode* instances = instances_of(templ);
    if (instances == nullptr) {
      components.push_back(make(templ, std::filesystem::path(templ.path).stem().string(), own));
      continue;
    }
    const std::set<std::string> shared = make(templ, "", own).shared;
    for (const auto& [name, settings] : instances->entries) {
      Component instance = make(templ, name->text, settings);
      instance.is_instance = true;
      instance.shared = shared;
      components.push_back(std::move(instance));
    }
  }
  for (const Component& component : components) {
    const auto same = std::count_if(components.begin(), components.end(), [&](const Component& c) {
      return c.logical_id == component.logical_id;
    });
    if (same > 1 || component.logical_id.empty()) {
      throw Error(ExitCode::data, fmt::format("{}: the component name '{}' is not its own",
                                              component.templ->path, shown(component.name)));
    }
  }
  return components;
}

bool is_generated(const Template& templ) noexcept {
  const YamlNode* own = own_metadata(templ);
  return own != nullptr && own->find("Components") != nullptr;
}

std::string linked_type(const Template& main, const Parameter& parameter) {
  const YamlNode* own = own_metadata(main);
  const YamlNode* types = own == nullptr ? nullptr : own->find("Types");
  const auto recorded = types == nullptr ? std::string_view() : types->text_of(parameter.name);
  return std::string(recorded.empty() || parameter.type != "String" ? parameter.type : recorded);
}

std::string linked_output_name(const Template& child, const std::string& logical_id,
                               const std::string& output) {
  return instances_of(child) == nullptr ? output : logical_id + output;
}

} // namespace aws
