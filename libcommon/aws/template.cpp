#include "aws/template.hpp"

#include "aws/pattern.hpp"
#include "cli/error.hpp"
#include "cli/input.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

namespace aws {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

/// CloudFormation's quota for one template.
constexpr std::size_t max_resources = 500;
constexpr std::string_view ssm_value = "AWS::SSM::Parameter::Value<";

template <typename T>
const T* find_named(const std::vector<T>& all, std::string_view name) noexcept {
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const T& one) { return one.name == name; });
  return at == all.end() ? nullptr : &*at;
}

[[noreturn]] void fail(const std::string& path, int line, const std::string& reason) {
  throw Error(ExitCode::data, fmt::format("{}:{}: {}", path, line, reason));
}

/// The entries of a section; none when it is absent.
const std::vector<YamlNode::Entry>& entries_of(const YamlNode* section, std::string_view title,
                                               const std::string& path) {
  static const std::vector<YamlNode::Entry> none;
  if (section == nullptr) {
    return none;
  }
  if (!section->is_map()) {
    fail(path, section->line, fmt::format("{} is not a map of names", title));
  }
  return section->entries;
}

/// Names that stand for what a macro or a loop puts there.
bool is_made(std::string_view key) noexcept {
  return key.starts_with("Fn::");
}

Parameter read_parameter(const YamlNode& key, const YamlNode& value, const std::string& path) {
  const auto text = [&](std::string_view name) { return std::string(value.text_of(name)); };
  Parameter parameter;
  parameter.name = key.text;
  parameter.line = key.line;
  parameter.type = text("Type");
  if (parameter.type.empty()) {
    fail(path, key.line, fmt::format("parameter {} has no Type", shown(key.text)));
  }
  if (const YamlNode* given = value.find("Default")) {
    if (!given->is_scalar()) {
      fail(path, given->line,
           fmt::format("the Default of parameter {} is not a text", shown(key.text)));
    }
    parameter.default_value = given->text;
  }
  parameter.description = text("Description");
  parameter.allowed_pattern = text("AllowedPattern");
  parameter.constraint_description = text("ConstraintDescription");
  parameter.min_length = text("MinLength");
  parameter.max_length = text("MaxLength");
  parameter.min_value = text("MinValue");
  parameter.max_value = text("MaxValue");
  parameter.no_echo = text("NoEcho") == "true";
  if (const YamlNode* allowed = value.find("AllowedValues")) {
    for (const YamlNode* item : allowed->items) {
      parameter.allowed_values.push_back(item->text);
    }
  }
  return parameter;
}

std::optional<double> number(std::string_view text) noexcept {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

bool is_number_type(std::string_view type) noexcept {
  return type == "Number" || type == "List<Number>";
}

/// CloudFormation counts characters, not bytes.
double character_count(std::string_view text) {
  return static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// Why one value, or one item of a list, does not fit.
std::optional<std::string> item_refused(const Parameter& parameter, std::string_view value) {
  const auto& allowed = parameter.allowed_values;
  const bool numeric = is_number_type(parameter.type);
  const auto is_value = [&](const std::string& one) {
    return one == value || (numeric && number(one) && number(one) == number(value));
  };
  if (!allowed.empty() && std::none_of(allowed.begin(), allowed.end(), is_value)) {
    return "choose one of " + cli::join(allowed, ", ");
  }
  const auto outside = [](double amount, const std::string& least, const std::string& most) {
    return (!least.empty() && amount < number(least).value_or(amount))
           || (!most.empty() && amount > number(most).value_or(amount));
  };
  if (numeric) {
    const auto amount = number(value);
    if (!amount) {
      return "it takes a number";
    }
    if (outside(*amount, parameter.min_value, parameter.max_value)) {
      return fmt::format("it takes a number from {} to {}",
                         parameter.min_value.empty() ? "any" : parameter.min_value,
                         parameter.max_value.empty() ? "any" : parameter.max_value);
    }
  }
  if (outside(character_count(value), parameter.min_length, parameter.max_length)) {
    return fmt::format("it takes {} to {} characters",
                       parameter.min_length.empty() ? "0" : parameter.min_length,
                       parameter.max_length.empty() ? "any number of" : parameter.max_length);
  }
  if (!parameter.allowed_pattern.empty()
      && !matches(parameter.allowed_pattern, value).value_or(true)) {
    return parameter.constraint_description.empty() ? "it has to match " + parameter.allowed_pattern
                                                    : parameter.constraint_description;
  }
  return std::nullopt;
}

} // namespace

bool Parameter::is_list() const noexcept {
  const std::string_view of = value_type();
  return of == "CommaDelimitedList" || of.starts_with("List<");
}

std::string_view Parameter::given_type() const noexcept {
  return type.starts_with(ssm_value) ? std::string_view("String") : std::string_view(type);
}

std::string_view Parameter::value_type() const noexcept {
  std::string_view of = type;
  if (of.starts_with(ssm_value) && of.ends_with('>')) {
    of.remove_prefix(ssm_value.size());
    of.remove_suffix(1);
  }
  return of;
}

std::optional<std::string> Parameter::refuses(std::string_view value) const {
  if (!is_list() || given_type() != value_type()) {
    return item_refused(*this, value);
  }
  for (const std::string& item : cli::split(value, ',')) {
    if (auto reason = item_refused(*this, cli::trim(item))) {
      return reason;
    }
  }
  return std::nullopt;
}

bool Parameter::agrees_with(const Parameter& other) const {
  const auto rules = [](const Parameter& p) {
    return std::tie(p.type, p.default_value, p.allowed_pattern, p.allowed_values, p.min_length,
                    p.max_length, p.min_value, p.max_value, p.no_echo);
  };
  return rules(*this) == rules(other);
}

const YamlNode* Resource::property(std::string_view key) const noexcept {
  const YamlNode* properties = node->find("Properties");
  return properties == nullptr ? nullptr : properties->find(key);
}

bool Template::is_template(const Document& document) noexcept {
  const YamlNode* resources = document.root().find("Resources");
  return resources != nullptr && resources->is_map();
}

Template Template::parse(const std::string& text, std::string name) {
  Document document = Document::parse(text, name);
  return template_of(std::move(document), text, std::move(name));
}

Template Template::read(const std::string& path) {
  const cli::Input input = cli::read_input(path, Document::max_bytes);
  return parse(input.text, input.name);
}

Template template_of(Document document, const std::string& text, std::string name) {
  if (!Template::is_template(document)) {
    fail(name, document.root().line, "no CloudFormation template: it has no map of Resources");
  }
  Template made;
  made.document_ = std::move(document);
  made.text = text;
  made.path = std::move(name);
  made.description = made.root().text_of("Description");
  const std::string& path = made.path;
  const auto section = [&](std::string_view title) -> const std::vector<YamlNode::Entry>& {
    return entries_of(made.section(title), title, path);
  };
  // LanguageExtensions only adds functions; any other transform is a program that may add anything.
  if (const YamlNode* transform = made.section("Transform")) {
    made.makes_names = !(transform->is_scalar() && transform->text == "AWS::LanguageExtensions");
  }
  for (const auto& [key, value] : section("Parameters")) {
    if (is_made(key->text)) {
      made.makes_names = true;
    } else {
      made.parameters.push_back(read_parameter(*key, *value, path));
    }
  }
  for (const auto& [key, value] : section("Mappings")) {
    made.makes_names = made.makes_names || is_made(key->text);
    made.mappings.push_back(key->text);
  }
  for (const auto& [key, value] : section("Conditions")) {
    made.makes_names = made.makes_names || is_made(key->text);
    made.conditions.push_back({key->text, key->line, value});
  }
  for (const auto& [key, value] : section("Resources")) {
    if (is_made(key->text)) {
      made.makes_names = true;
      continue;
    }
    made.resources.push_back({key->text, key->line, std::string(value->text_of("Type")),
                              std::string(value->text_of("Condition")), value});
    if (made.resources.size() > max_resources) {
      fail(path, key->line,
           fmt::format("more than {} resources: no stack takes them", max_resources));
    }
    if (made.resources.back().type.empty()) {
      fail(path, key->line, fmt::format("resource {} has no Type", shown(key->text)));
    }
  }
  for (const auto& [key, value] : section("Outputs")) {
    if (is_made(key->text)) {
      made.makes_names = true;
      continue;
    }
    const YamlNode* given = value->find("Value");
    if (given == nullptr) {
      fail(path, key->line, fmt::format("output {} has no Value", shown(key->text)));
    }
    made.outputs.push_back({key->text, key->line, given, std::string(value->text_of("Condition"))});
  }
  return made;
}

const Parameter* Template::parameter(std::string_view name) const noexcept {
  return find_named(parameters, name);
}
const Output* Template::output(std::string_view name) const noexcept {
  return find_named(outputs, name);
}
const Resource* Template::resource(std::string_view name) const noexcept {
  return find_named(resources, name);
}
const Condition* Template::condition(std::string_view name) const noexcept {
  return find_named(conditions, name);
}

} // namespace aws
