#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace php {

class Value;

/// A key of a PHP array: an integer or a string, never a string that PHP would turn into an
/// integer.
using Key = std::variant<std::int64_t, std::string>;

/// A PHP array, or the public properties of an object, in PHP's order.
struct Array {
  std::vector<std::pair<Key, Value>> entries;
  /// The class when it was an object, else empty.
  std::string class_name;

  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);
  /// The scalar at the key as PHP's (string); empty when it is absent or no scalar.
  [[nodiscard]] std::string text(std::string_view key) const;
  /// Replaces the value in its place, or appends.
  void set(std::string_view key, Value value);
  /// Appends with the next integer key.
  void push(Value value);
  void remove(std::string_view key);

  bool operator==(const Array&) const;
};

/// A value that has no counterpart here (a resource, a closure, a reference cycle): its PHP type.
struct Opaque {
  std::string type;
  bool operator==(const Opaque&) const = default;
};

/// A PHP value outside PHP: null, bool, int, float, string (bytes), array or object.
class Value {
public:
  using Variant =
      std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Opaque>;

  Value() = default;
  Value(bool value) : variant_(value) {}
  Value(std::int64_t value) : variant_(value) {}
  Value(int value) : variant_(std::int64_t{value}) {}
  Value(double value) : variant_(value) {}
  Value(std::string value) : variant_(std::move(value)) {}
  Value(const char* value) : variant_(std::string(value)) {}
  Value(Array value) : variant_(std::move(value)) {}
  Value(Opaque value) : variant_(std::move(value)) {}

  [[nodiscard]] const Variant& variant() const noexcept { return variant_; }

  [[nodiscard]] bool is_null() const noexcept {
    return std::holds_alternative<std::monostate>(variant_);
  }
  [[nodiscard]] const std::string* string() const noexcept {
    return std::get_if<std::string>(&variant_);
  }
  [[nodiscard]] const Array* array() const noexcept { return std::get_if<Array>(&variant_); }
  [[nodiscard]] Array* array() noexcept { return std::get_if<Array>(&variant_); }
  [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;

  /// PHP's (bool): false for null, false, 0, 0.0, "", "0" and the empty array.
  [[nodiscard]] bool truthy() const noexcept;
  /// PHP's (string) for null, bool, int and string; nothing for everything else.
  [[nodiscard]] std::optional<std::string> scalar_text() const;

  /// The same type and content; unlike in PHP, NAN is equal to itself: it is the same in a file.
  bool operator==(const Value&) const;

private:
  Variant variant_;
};

/// A compact form for the pipe between the command and its PHP process.
std::string encode(const Value& value);
/// Throws std::runtime_error when the bytes are not what encode() gives.
Value decode(std::string_view bytes);

} // namespace php
