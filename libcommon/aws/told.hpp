#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aws {

/// What documents tell about a site, by the names of facts; gathered step by step.
class Told {
public:
  /// Sets a fact of one value, brought into the form that facts have: engines and booleans in lower
  /// case, numbers as numbers. `where` names what tells it. Throws Error{data} for a value that
  /// does not fit the fact.
  void set(std::string_view fact, const std::string& value, const std::string& where);
  /// The same, but an empty value tells nothing.
  void set_unless_empty(std::string_view fact, const std::string& value, const std::string& where);
  /// The same for a number; an absent one tells nothing.
  void set_number(std::string_view fact, const std::optional<std::uint64_t>& value,
                  const std::string& where);
  /// Sets a list; no values at all mean that the fact is known to be there no more.
  void set_list(std::string_view fact, const std::vector<std::string>& values,
                const std::string& where);

  /// The fact's (first) value, or an empty text.
  [[nodiscard]] std::string get(std::string_view fact) const;
  [[nodiscard]] bool has(std::string_view fact) const;

  /// All facts, in the order of moodle-facts(7).
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<std::string>>> facts() const;

private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

} // namespace aws
