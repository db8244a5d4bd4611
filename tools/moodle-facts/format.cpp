#include "format.hpp"

#include "cli/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

namespace {

bool is_list(std::string_view name) {
  constexpr std::array<std::string_view, 3> lists{"alb-ip", "app-cache-node", "session-cache-node"};
  return std::find(lists.begin(), lists.end(), name) != lists.end();
}

struct Entry {
  std::string name;
  std::vector<std::string> values;
};

/// The facts by name, in the order in which the names appear first.
std::vector<Entry> entries(const cli::Facts& facts) {
  std::vector<Entry> out;
  std::map<std::string, std::size_t> places;
  for (const auto& [name, value] : facts.list()) {
    const auto [place, added] = places.emplace(name, out.size());
    if (added) {
      out.push_back({name, {}});
    }
    out[place->second].values.push_back(value);
  }
  return out;
}

} // namespace

std::string as_json(const cli::Facts& facts) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, values] : entries(facts)) {
    if (is_list(name) || values.size() > 1) {
      object[name] = values;
    } else {
      object[name] = values.front();
    }
  }
  return object.dump(2) + "\n";
}

std::string as_shell(const cli::Facts& facts) {
  std::string out;
  for (const auto& [name, values] : entries(facts)) {
    std::string variable = name;
    std::replace(variable.begin(), variable.end(), '-', '_');
    out += fmt::format("{}={}\n", variable, cli::shell_quoted(cli::join(values, "\n")));
  }
  return out;
}
