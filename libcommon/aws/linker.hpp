#pragma once

#include "aws/component.hpp"
#include "aws/template.hpp"

#include <map>
#include <string>
#include <vector>

namespace aws {

/// Where a nested stack's parameter comes from: an output of another component, or a parameter of
/// the main template.
struct Argument {
  const Parameter* parameter = nullptr; ///< as the component declares it
  const Component* provider = nullptr;  ///< null when it comes from the main template
  std::string source; ///< the provider's own name for the output, or the main parameter
};

struct LinkedStack {
  const Component* component = nullptr;
  std::vector<Argument> arguments;
};

struct ParameterGroup {
  std::string label;
  std::vector<std::string> parameters;
};

struct PassedOutput {
  std::string name;
  const Component* component = nullptr;
  const Output* output = nullptr;
};

/// How components make up a main template. Stacks stand behind those that they take outputs from.
struct Plan {
  std::vector<LinkedStack> stacks;
  std::vector<Parameter> parameters;
  std::map<std::string, std::string>
      types; ///< parameters that travel under another type than declared
  std::vector<ParameterGroup> groups;
  std::vector<PassedOutput> outputs;

  [[nodiscard]] const Parameter* parameter(std::string_view name) const noexcept;
  /// Gives a parameter of the main template a default. Throws Error{usage} when there is no such
  /// parameter, or it does not take the value.
  void set(const std::string& name, const std::string& value);
};

/// Joins every output to the parameters of the same name, and leaves what stays open to the main
/// template. Throws Error{data} when two components give one name, need each other in a ring,
/// declare one parameter in two ways, or need what may be absent at run time.
Plan link(const std::vector<const Component*>& components);

/// The main template's text: the same plan gives the same bytes.
std::string main_template(const Plan& plan);

} // namespace aws
