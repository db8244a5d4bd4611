#include "aws/value_type.hpp"

#include "aws/expression.hpp"

#include <algorithm>
#include <array>

namespace aws {

namespace {

using Shape = ValueType::Shape;

struct Attribute {
  std::string_view resource;
  std::string_view attribute; ///< empty for Ref
  std::string_view type;
};

/// What Ref and GetAtt give for the resources whose ids are parameter types of their own
/// (CloudFormation user guide, "AWS-specific parameter types", and each resource's "Return
/// values").
constexpr std::array<Attribute, 9> ids = {{
    {"AWS::EC2::VPC", "", "AWS::EC2::VPC::Id"},
    {"AWS::EC2::VPC", "VpcId", "AWS::EC2::VPC::Id"},
    {"AWS::EC2::Subnet", "", "AWS::EC2::Subnet::Id"},
    {"AWS::EC2::Subnet", "SubnetId", "AWS::EC2::Subnet::Id"},
    {"AWS::EC2::SecurityGroup", "GroupId", "AWS::EC2::SecurityGroup::Id"},
    {"AWS::EC2::Instance", "", "AWS::EC2::Instance::Id"},
    {"AWS::EC2::Volume", "", "AWS::EC2::Volume::Id"},
    {"AWS::EC2::KeyPair", "", "AWS::EC2::KeyPair::KeyName"},
    {"AWS::Route53::HostedZone", "", "AWS::Route53::HostedZone::Id"},
}};

std::string id_type(std::string_view resource, std::string_view attribute) {
  const auto at = std::find_if(ids.begin(), ids.end(), [&](const Attribute& id) {
    return id.resource == resource && id.attribute == attribute;
  });
  return at == ids.end() ? std::string() : std::string(at->type);
}

std::string element_of(std::string_view list) {
  if (list.starts_with("List<") && list.ends_with('>')) {
    return std::string(list.substr(5, list.size() - 6));
  }
  return list == "CommaDelimitedList" ? "String" : "";
}

std::string list_of(const std::string& element) {
  return element.find("::") != std::string::npos || element == "Number" ? "List<" + element + ">"
                                                                        : "CommaDelimitedList";
}

ValueType merged(const ValueType& a, const ValueType& b) {
  if (a.shape == Shape::absent || b.shape == Shape::array) {
    return b;
  }
  if (b.shape == Shape::absent || a.shape == Shape::array) {
    return a;
  }
  if (a.shape == Shape::literal) {
    return {Shape::text, b.type};
  }
  if (b.shape == Shape::literal || a.type == b.type) {
    return {Shape::text, a.type};
  }
  return {Shape::text, ""};
}

ValueType type_of_name(std::string_view name, const Template& templ) {
  if (name == "AWS::NoValue") {
    return {Shape::absent, ""};
  }
  if (name == "AWS::NotificationARNs") {
    return {Shape::array, ""};
  }
  if (is_pseudo_parameter(name)) {
    return {Shape::text, "String"};
  }
  if (const Parameter* parameter = templ.parameter(name)) {
    return {parameter->is_list() ? Shape::array : Shape::text,
            std::string(parameter->value_type())};
  }
  const Resource* resource = templ.resource(name);
  return {Shape::text, resource == nullptr ? "" : id_type(resource->type, "")};
}

bool is_id(std::string_view type) noexcept {
  return type.starts_with("AWS::");
}

} // namespace

ValueType Typer::of(const YamlNode& value, const Template& templ) {
  if (value.kind == YamlNode::Kind::null) {
    return {Shape::absent, ""};
  }
  if (value.is_scalar()) {
    return {Shape::literal, ""};
  }
  if (const auto call = call_of(value)) {
    return of_call(*call, templ);
  }
  return value.is_sequence() ? ValueType{Shape::array, ""} : ValueType{};
}

ValueType Typer::of_call(const Call& call, const Template& templ) {
  const YamlNode& argument = *call.argument;
  const auto& items = argument.items;
  if (call.function == "Ref") {
    return type_of_name(argument.text, templ);
  }
  if (call.function == "Fn::GetAtt") {
    return of_attribute(argument, templ);
  }
  if (call.function == "Fn::Sub") {
    return {Shape::text, "String"};
  }
  if (call.function == "Fn::If" && items.size() == 3) {
    return merged(of(*items[1], templ), of(*items[2], templ));
  }
  if (call.function == "Fn::Join" && items.size() == 2) {
    return {Shape::text, items[0]->text == "," ? list_type(*items[1], templ) : "String"};
  }
  if (call.function == "Fn::Select" && items.size() == 2) {
    return {Shape::text, element_of(list_type(*items[1], templ))};
  }
  if (call.function == "Fn::Split" || call.function == "Fn::GetAZs"
      || call.function == "Fn::Cidr") {
    return {Shape::array, ""};
  }
  return {};
}

ValueType Typer::of_attribute(const YamlNode& argument, const Template& templ) {
  const auto [name, attribute] = attribute_of(argument);
  const Resource* resource = templ.resource(name);
  if (resource == nullptr) {
    return {};
  }
  if (!resource->is_stack()) {
    return {Shape::text, id_type(resource->type, attribute)};
  }
  const Template* child = child_of_(templ, *resource);
  const Output* output = child == nullptr ? nullptr : child->output(output_name(attribute));
  if (output == nullptr) {
    return {};
  }
  // The place is taken before the look, so that templates that nest each other in a ring end here.
  const auto [at, is_new] = outputs_.emplace(output, "");
  if (is_new) {
    outputs_[output] = of(*output->value, *child).type;
  }
  return {Shape::text, at->second}; // whatever an output is made of, a parent gets text
}

std::string Typer::list_type(const YamlNode& list, const Template& templ) {
  if (!list.is_sequence()) {
    return of(list, templ).type;
  }
  ValueType common{Shape::absent, ""};
  for (const YamlNode* item : list.items) {
    common = merged(common, of(*item, templ));
  }
  return list_of(common.type);
}

bool contradicts(std::string_view given, std::string_view wanted) noexcept {
  const bool lists = given.starts_with("List<") && wanted.starts_with("List<");
  if (lists) {
    return contradicts(given.substr(5, given.size() - 6), wanted.substr(5, wanted.size() - 6));
  }
  return is_id(given) && (wanted == "Number" || (is_id(wanted) && given != wanted));
}

std::string_view output_name(std::string_view attribute) noexcept {
  constexpr std::string_view prefix = "Outputs.";
  return attribute.starts_with(prefix) ? attribute.substr(prefix.size()) : std::string_view();
}

} // namespace aws
