#include "aws/json_node.hpp"

#include "cli/error.hpp"

#include <fmt/format.h>

namespace aws {

namespace {

using nlohmann::json;

std::string described(const json& value) {
  switch (value.type()) {
  case json::value_t::object:
    return "an object";
  case json::value_t::array:
    return "an array";
  case json::value_t::string:
    return "a string";
  case json::value_t::boolean:
    return value.get<bool>() ? "true" : "false";
  case json::value_t::null:
    return "null";
  default:
    return fmt::format("the number {}", value.dump());
  }
}

cli::Error unexpected(const std::string& place, std::string_view wanted, const json& value) {
  return {cli::ExitCode::data,
          fmt::format("{}: {} was expected, not {}", place, wanted, described(value))};
}

} // namespace

JsonNode::JsonNode(const json& value, std::string place)
    : value_(&value), place_(std::move(place)) {
  if (!value.is_object()) {
    throw unexpected(place_, "an object", value);
  }
}

std::optional<std::string> JsonNode::text(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_string()) {
    throw unexpected(place_of(key), "a string", *value);
  }
  return value->get<std::string>();
}

std::optional<std::uint64_t> JsonNode::number(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_number_unsigned()) {
    throw unexpected(place_of(key), "a whole number from 0", *value);
  }
  return value->get<std::uint64_t>();
}

std::optional<bool> JsonNode::flag(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_boolean()) {
    throw unexpected(place_of(key), "true or false", *value);
  }
  return value->get<bool>();
}

std::optional<JsonNode> JsonNode::object(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  return JsonNode(*value, place_of(key));
}

std::vector<JsonNode> JsonNode::objects(std::string_view key) const {
  std::vector<JsonNode> nodes;
  for (std::size_t i = 0; i < count(key); ++i) {
    nodes.emplace_back((*find(key))[i], fmt::format("{}[{}]", place_of(key), i));
  }
  return nodes;
}

std::size_t JsonNode::count(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) {
    return 0;
  }
  if (!value->is_array()) {
    throw unexpected(place_of(key), "an array", *value);
  }
  return value->size();
}

std::string JsonNode::required_text(std::string_view key) const {
  auto value = text(key);
  if (!value || value->empty()) {
    throw cli::Error(cli::ExitCode::data, fmt::format("{} is missing", place_of(key)));
  }
  return *std::move(value);
}

std::vector<std::string> JsonNode::keys() const {
  std::vector<std::string> names;
  for (const auto& member : value_->items()) {
    names.push_back(member.key());
  }
  return names;
}

const json* JsonNode::find(std::string_view key) const {
  const auto at = value_->find(key);
  return at == value_->end() || at->is_null() ? nullptr : &*at;
}

std::string JsonNode::place_of(std::string_view key) const {
  return fmt::format("{}{}{}", place_, place_.ends_with(": ") ? "" : ".", key);
}

} // namespace aws
