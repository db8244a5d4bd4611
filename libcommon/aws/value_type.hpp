#pragma once

#include "aws/expression.hpp"
#include "aws/template.hpp"

#include <functional>
#include <map>
#include <string>

namespace aws {

/// What can be told, without AWS, of the value that an expression gives.
struct ValueType {
  enum class Shape {
    absent,  ///< AWS::NoValue
    literal, ///< a text written in the template
    text,    ///< one text, or a list joined by commas into one
    array,   ///< a list as such, which a nested stack's parameter does not take
  };
  Shape shape = Shape::text;
  std::string type; ///< a parameter type; empty when it cannot be told
};

/// Finds the template behind a nested stack; null when it is not at hand.
using ChildOf = std::function<const Template*(const Template& parent, const Resource& stack)>;

/// Tells the types of values. Outputs of nested stacks are looked at once: what it has told holds
/// as long as the templates stay as they are.
class Typer {
public:
  explicit Typer(ChildOf child_of) : child_of_(std::move(child_of)) {}
  ValueType of(const YamlNode& value, const Template& templ);

private:
  ValueType of_call(const Call& call, const Template& templ);
  ValueType of_attribute(const YamlNode& argument, const Template& templ);
  /// The type of the list with these elements, whether it is joined or not.
  std::string list_type(const YamlNode& list, const Template& templ);

  ChildOf child_of_;
  std::map<const Output*, std::string> outputs_;
};

/// Whether text of type `given` can never be right for a parameter of type `wanted`: both are ids,
/// of different things, say. Unknown types fit everything.
bool contradicts(std::string_view given, std::string_view wanted) noexcept;

/// The name of the output in the attribute "Outputs.<name>" of a nested stack; empty for another.
std::string_view output_name(std::string_view attribute) noexcept;

} // namespace aws
