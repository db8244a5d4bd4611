#include "php/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace php {

namespace {

/// As PHP does it: a text that is the canonical form of an integer is that integer.
Key make_key(std::string_view name) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = error == std::errc{} && end == name.data() + name.size();
  return whole && std::to_string(number) == name ? Key(number) : Key(std::string(name));
}

class Writer {
public:
  explicit Writer(std::string& out) : out_(out) {}

  void operator()(const Value& value) {
    out_ += static_cast<char>(value.variant().index());
    std::visit(*this, value.variant());
  }
  void operator()(std::monostate) {}
  void operator()(bool value) { out_ += value ? '\1' : '\0'; }
  void operator()(std::int64_t value) { raw(value); }
  void operator()(double value) { raw(value); }
  void operator()(const std::string& value) {
    raw(static_cast<std::uint64_t>(value.size()));
    out_ += value;
  }
  void operator()(const Opaque& value) { (*this)(value.type); }
  void operator()(const Array& value) {
    (*this)(value.class_name);
    raw(static_cast<std::uint64_t>(value.entries.size()));
    for (const auto& [key, entry] : value.entries) {
      out_ += static_cast<char>(key.index());
      std::visit(*this, key);
      (*this)(entry);
    }
  }

private:
  template <typename T>
  void raw(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  std::string& out_;
};

class Reader {
public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Value value() {
    switch (tag()) {
    case 0:
      return {};
    case 1:
      return tag() != 0;
    case 2:
      return raw<std::int64_t>();
    case 3:
      return raw<double>();
    case 4:
      return text();
    case 5:
      return array();
    case 6:
      return Opaque{text()};
    default:
      throw std::runtime_error("unknown kind of PHP value");
    }
  }
  [[nodiscard]] bool at_end() const noexcept { return bytes_.empty(); }

private:
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size()) {
      throw std::runtime_error("PHP value cut short");
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  unsigned char tag() { return static_cast<unsigned char>(take(1)[0]); }
  template <typename T>
  T raw() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(raw<std::uint64_t>())); }
  Value array() {
    Array array;
    array.class_name = text();
    for (auto count = raw<std::uint64_t>(); count > 0; --count) {
      Key key = tag() == 0 ? Key(raw<std::int64_t>()) : Key(text());
      array.entries.emplace_back(std::move(key), value());
    }
    return array;
  }

  std::string_view bytes_;
};

} // namespace

// Spelled out: clang 14, which the checks run, does not survive defaulting them for a type that
// holds itself.
bool Array::operator==(const Array& other) const {
  return class_name == other.class_name && entries == other.entries;
}

bool Value::operator==(const Value& other) const {
  const double* const number = std::get_if<double>(&variant_);
  const double* const other_number = std::get_if<double>(&other.variant_);
  if (number != nullptr && other_number != nullptr && std::isnan(*number)) {
    return std::isnan(*other_number);
  }
  return variant_ == other.variant_;
}

const Value* Array::find(std::string_view key) const {
  const auto at =
      std::find_if(entries.begin(), entries.end(),
                   [wanted = make_key(key)](const auto& entry) { return entry.first == wanted; });
  return at == entries.end() ? nullptr : &at->second;
}

Value* Array::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

std::string Array::text(std::string_view key) const {
  const Value* const value = find(key);
  return value == nullptr ? "" : value->scalar_text().value_or("");
}

void Array::set(std::string_view key, Value value) {
  if (Value* const there = find(key)) {
    *there = std::move(value);
  } else {
    entries.emplace_back(make_key(key), std::move(value));
  }
}

void Array::push(Value value) {
  std::int64_t next = 0;
  for (const auto& [key, entry] : entries) {
    if (const auto* number = std::get_if<std::int64_t>(&key)) {
      next = std::max(next, *number + 1);
    }
  }
  entries.emplace_back(next, std::move(value));
}

void Array::remove(std::string_view key) {
  std::erase_if(entries,
                [wanted = make_key(key)](const auto& entry) { return entry.first == wanted; });
}

std::optional<std::int64_t> Value::integer() const noexcept {
  const auto* value = std::get_if<std::int64_t>(&variant_);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

bool Value::truthy() const noexcept {
  struct Visitor {
    bool operator()(std::monostate) const { return false; }
    bool operator()(bool value) const { return value; }
    bool operator()(std::int64_t value) const { return value != 0; }
    bool operator()(double value) const { return value != 0.0; }
    bool operator()(const std::string& value) const { return !value.empty() && value != "0"; }
    bool operator()(const Array& value) const {
      return !value.class_name.empty() || !value.entries.empty();
    }
    bool operator()(const Opaque&) const { return true; }
  };
  return std::visit(Visitor(), variant_);
}

std::optional<std::string> Value::scalar_text() const {
  if (is_null()) {
    return "";
  }
  if (const auto* flag = std::get_if<bool>(&variant_)) {
    return *flag ? "1" : "";
  }
  if (const auto number = integer()) {
    return std::to_string(*number);
  }
  if (const auto* text = string()) {
    return *text;
  }
  return std::nullopt;
}

std::string encode(const Value& value) {
  std::string out;
  Writer writer(out);
  writer(value);
  return out;
}

Value decode(std::string_view bytes) {
  Reader reader(bytes);
  Value value = reader.value();
  if (!reader.at_end()) {
    throw std::runtime_error("more than one PHP value");
  }
  return value;
}

} // namespace php
