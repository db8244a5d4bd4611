#pragma once

#include "aws/template.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aws {

/// An intrinsic function's call: a map with one entry, "Ref" or "Fn::…".
struct Call {
  std::string_view function;
  const YamlNode* argument;
};
std::optional<Call> call_of(const YamlNode& node) noexcept;

/// The resource and the attribute that GetAtt's argument names, in either form ("A.B.C", or a
/// list); the attribute is empty where it is computed.
std::pair<std::string, std::string> attribute_of(const YamlNode& argument);

/// A branch of Fn::If, or a resource's or output's own Condition, around a place in a template.
struct Guard {
  std::string_view condition;
  bool holds; ///< false inside the second branch
};

/// One name that a template uses.
struct Reference {
  enum class Kind { ref, attribute, condition, mapping, depends_on };
  Kind kind = Kind::ref;
  int line = 0;
  std::string name;
  std::string attribute;          ///< of GetAtt: all behind the first dot; empty when computed
  const Resource* from = nullptr; ///< null outside Resources
  std::vector<Guard> guards;      ///< what has to be so for the place to count
};

/// Every name used in Conditions, Resources and Outputs, in the order of the file.
std::vector<Reference> references(const Template& templ);

/// Every name used below one value, without guards from outside of it.
std::vector<Reference> references(const YamlNode& value);

/// What a pseudo parameter is called; nothing else starts with "AWS::".
bool is_pseudo_parameter(std::string_view name) noexcept;

/// Works out conditions and values from what is known of the parameters, which stays the same for
/// one evaluator. Whatever depends on something unknown (a resource, a mapping, the region) is
/// unknown.
class Evaluator {
public:
  using Lookup = std::function<std::optional<std::string>(std::string_view parameter)>;
  Evaluator(const Template& templ, Lookup lookup) : template_(templ), lookup_(std::move(lookup)) {}

  [[nodiscard]] std::optional<bool> condition(std::string_view name) const {
    return condition(name, 0);
  }
  [[nodiscard]] std::optional<bool> all(const std::vector<Guard>& guards) const;
  [[nodiscard]] std::optional<std::string> value(const YamlNode& node) const {
    return value(node, 0);
  }

private:
  [[nodiscard]] std::optional<bool> condition(std::string_view name, int depth) const;
  [[nodiscard]] std::optional<bool> truth(const YamlNode& node, int depth) const;
  [[nodiscard]] std::optional<std::string> value(const YamlNode& node, int depth) const;

  const Template& template_;
  Lookup lookup_;
  mutable std::map<std::string, std::optional<bool>, std::less<>> known_; ///< conditions
};

} // namespace aws
