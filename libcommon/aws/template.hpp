#pragma once

#include "aws/yaml.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aws {

/// A parameter's declaration. Limits are kept as written.
struct Parameter {
  std::string name;
  int line = 0;
  std::string type;
  std::optional<std::string> default_value;
  std::string description;
  std::string allowed_pattern;
  std::string constraint_description;
  std::vector<std::string> allowed_values;
  std::string min_length, max_length, min_value, max_value;
  bool no_echo = false;

  /// Whether a stack can be made without giving a value.
  [[nodiscard]] bool optional() const noexcept { return default_value.has_value(); }
  /// Whether Ref gives a list: CommaDelimitedList, List<…>, and SSM values of such types.
  [[nodiscard]] bool is_list() const noexcept;
  /// The type as the caller of a nested stack sees it: where the parameter holds the name of a
  /// Systems Manager parameter, text.
  [[nodiscard]] std::string_view given_type() const noexcept;
  /// The type of what Ref gives: where the parameter holds the name of a Systems Manager parameter,
  /// the type of that one's value.
  [[nodiscard]] std::string_view value_type() const noexcept;
  /// Why CloudFormation would refuse `value`; nothing when it would not, or nobody can tell (a
  /// pattern that is no regular expression here).
  [[nodiscard]] std::optional<std::string> refuses(std::string_view value) const;
  /// Whether both take the same values and have the same default.
  [[nodiscard]] bool agrees_with(const Parameter& other) const;
};

struct Output {
  std::string name;
  int line = 0;
  const YamlNode* value = nullptr;
  std::string condition; ///< empty when it is always there
};

struct Resource {
  std::string name;
  int line = 0;
  std::string type;
  std::string condition; ///< empty when it is always there
  const YamlNode* node = nullptr;

  [[nodiscard]] const YamlNode* property(std::string_view key) const noexcept;
  [[nodiscard]] bool is_stack() const noexcept { return type == "AWS::CloudFormation::Stack"; }
};

struct Condition {
  std::string name;
  int line = 0;
  const YamlNode* expression = nullptr;
};

/// A CloudFormation template: its sections, each in the order of the file.
class Template {
public:
  /// `name` is the path for messages. Throws Error{data} as Document::parse does, and for sections
  /// of the wrong shape, with file and line.
  static Template parse(const std::string& text, std::string name);
  /// Reads `path`. Throws as cli::read_input and parse() do.
  static Template read(const std::string& path);
  /// Whether the document has a map of Resources: what tells a template from another YAML file.
  static bool is_template(const Document& document) noexcept;

  std::string path;
  std::string text; ///< the file, byte for byte
  std::string description;
  std::vector<Parameter> parameters;
  std::vector<Condition> conditions;
  std::vector<Resource> resources;
  std::vector<Output> outputs;
  std::vector<std::string> mappings;
  /// A transform or a loop makes names that the file does not show.
  bool makes_names = false;

  [[nodiscard]] const YamlNode& root() const noexcept { return document_.root(); }
  [[nodiscard]] const YamlNode* section(std::string_view name) const noexcept {
    return root().find(name);
  }
  [[nodiscard]] const Parameter* parameter(std::string_view name) const noexcept;
  [[nodiscard]] const Output* output(std::string_view name) const noexcept;
  [[nodiscard]] const Resource* resource(std::string_view name) const noexcept;
  [[nodiscard]] const Condition* condition(std::string_view name) const noexcept;

private:
  friend Template template_of(Document document, const std::string& text, std::string name);
  Document document_;
};

/// The template in an already parsed document. Throws Error{data} as Template::parse does.
Template template_of(Document document, const std::string& text, std::string name);

} // namespace aws
