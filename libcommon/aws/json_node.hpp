#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aws {

/// A JSON object that is read by the types its reader expects; what has another type is an
/// Error{data} that names its place ("FILE: Stacks[0].Outputs[2].OutputValue: a string was
/// expected, not a number"). A key that is not there, or null, is absent. The value must outlive
/// the node.
class JsonNode {
public:
  /// `place` is the object's own name in errors. Throws Error{data} unless it is an object.
  JsonNode(const nlohmann::json& value, std::string place);

  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view key) const;
  [[nodiscard]] std::optional<bool> flag(std::string_view key) const;
  [[nodiscard]] std::optional<JsonNode> object(std::string_view key) const;
  /// The objects of an array; empty when the key is absent.
  [[nodiscard]] std::vector<JsonNode> objects(std::string_view key) const;
  /// How many elements an array has; 0 when the key is absent.
  [[nodiscard]] std::size_t count(std::string_view key) const;
  /// A string that has to be there. Throws Error{data} when it is not.
  [[nodiscard]] std::string required_text(std::string_view key) const;

  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  [[nodiscard]] std::vector<std::string> keys() const;

private:
  [[nodiscard]] const nlohmann::json* find(std::string_view key) const;
  [[nodiscard]] std::string place_of(std::string_view key) const;

  const nlohmann::json* value_;
  std::string place_;
};

} // namespace aws
