#pragma once

#include "aws/template.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace aws {

/// One use of a template in the architecture. A template says for itself how it takes part, below
/// Metadata, "moodle-stack":
///
///   Optional: true            left out unless asked for
///   EnabledBy: Name           the main template asks at run time, by a parameter of this name
///   Label: Title              heads the parameters that stand in no group
///   Defaults: {Name: value}   for parameters of which the main template's default is another one
///   Instances: {name: {…}}    used several times, once under each name; each with the keys above
///   Shared: [Name, …]         with Instances: the parameters that all of them share
///
/// A template without that section takes part once, under its file's name.
struct Component {
  std::string name;       ///< "app-cache"
  std::string logical_id; ///< "AppCache", its stack in the main template
  const Template* templ = nullptr;
  std::string label;
  std::string enabled_by;                      ///< empty when it is always there
  std::map<std::string, std::string> defaults; ///< by the parameter's own name
  bool optional = false;
  bool is_instance = false;
  std::set<std::string> shared;

  /// What a parameter is called in the main template: an instance puts its own name before those
  /// that it does not share.
  [[nodiscard]] std::string parameter_name(const std::string& own) const;
  [[nodiscard]] std::string output_name(const std::string& own) const;
  /// The file's name, without folders.
  [[nodiscard]] std::string file() const;
};

/// The components that a folder's templates stand for, in the order of the file names.
/// Throws Error{data} for a section of the wrong shape, for two components of one name, and for a
/// default that is none of the parameter's values.
std::vector<Component> components_of(const std::vector<Template>& templates);

/// Whether a template is a main template that `moodle-stack generate` wrote.
bool is_generated(const Template& templ) noexcept;

/// In a generated main template: the type that a component gives to a parameter.
std::string linked_type(const Template& main, const Parameter& parameter);

/// In a generated set: what the main template calls the output of a stack.
std::string linked_output_name(const Template& child, const std::string& logical_id,
                               const std::string& output);

/// The name under which templates speak to the generator, below Metadata.
constexpr std::string_view metadata_key = "moodle-stack";

} // namespace aws
