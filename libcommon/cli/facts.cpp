#include "cli/facts.hpp"

#include "cli/error.hpp"
#include "cli/input.hpp"
#include "cli/text.hpp"

#include <algorithm>

namespace cli {

namespace {

constexpr std::string_view header = "#facts 1";
constexpr std::string_view footer = "#end";
/// The name under which a comment line is kept; no fact can have it.
constexpr const char* comment = "";

bool is_name(std::string_view name) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && lower(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return lower(c) || (c >= '0' && c <= '9') || c == '-';
  });
}

Error stopped_early(std::string_view source) {
  return {ExitCode::data,
          fmt::format("{}: the facts stopped early: an earlier command failed", source)};
}

} // namespace

void Facts::check(std::string_view name, std::string_view value) {
  if (!is_name(name)) {
    throw Error(ExitCode::data, fmt::format("'{}' is not the name of a fact", shown(name)),
                "a name is a lower-case letter followed by lower-case letters, digits and '-'");
  }
  if (value.size() > max_value_bytes) {
    throw Error(ExitCode::data,
                fmt::format("the value of '{}' has {} bytes; at most {} are allowed", shown(name),
                            value.size(), max_value_bytes));
  }
  if (const auto at = find_unprintable(value)) {
    throw Error(ExitCode::data,
                fmt::format("the value of '{}' holds a control character or a byte that is not "
                            "UTF-8 (\\x{:02x} at byte {})",
                            shown(name), static_cast<unsigned char>(value[*at]), *at));
  }
}

Facts Facts::parse(std::string_view text, std::string_view source, Ending ending) {
  Facts facts;
  bool ended = false;
  std::size_t number = 0;
  const auto fail = [&](std::string_view why) {
    return Error(ExitCode::data, fmt::format("{}: line {}: {}", source, number, why));
  };
  if (text.empty() && ending == Ending::required) {
    throw stopped_early(source);
  }
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find('\n', start);
    const std::string_view line = text.substr(start, end - start);
    ++number;
    if (end == std::string_view::npos) {
      if (ending == Ending::required) {
        throw stopped_early(source);
      }
      start = text.size();
    } else {
      start = end + 1;
    }
    if (number == 1) {
      if (line != header) {
        throw fail(fmt::format("'{}' is not the beginning of facts, which is '{}'", shown(line, 60),
                               header));
      }
      continue;
    }
    if (ended) {
      throw fail("there is more after '#end'");
    }
    if (line == footer) {
      ended = true;
      continue;
    }
    if (line.starts_with('#')) {
      if (find_unprintable(line)) {
        throw fail("the comment holds a control character or a byte that is not UTF-8");
      }
      facts.facts_.emplace_back(comment, std::string(line));
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      throw fail(fmt::format("'{}' is not name=value", shown(line, 60)));
    }
    try {
      facts.add(std::string(line.substr(0, equals)), std::string(line.substr(equals + 1)));
    } catch (const Error& error) {
      throw fail(error.message());
    }
  }
  if (!ended && ending == Ending::required) {
    throw stopped_early(source);
  }
  return facts;
}

Facts Facts::read(const std::string& path) {
  const Input input = read_input(path, max_stream_bytes);
  return parse(input.text, input.name, input.regular_file ? Ending::optional : Ending::required);
}

void Facts::add(std::string name, std::string value) {
  check(name, value);
  facts_.emplace_back(std::move(name), std::move(value));
}

void Facts::remove(std::string_view name) {
  std::erase_if(facts_, [&](const Fact& fact) { return fact.first == name; });
}

std::vector<std::string> Facts::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const Fact& fact : facts_) {
    if (fact.first == name) {
      values.push_back(fact.second);
    }
  }
  return values;
}

std::vector<Facts::Fact> Facts::list() const {
  std::vector<Fact> facts;
  std::copy_if(facts_.begin(), facts_.end(), std::back_inserter(facts),
               [](const Fact& fact) { return fact.first != comment; });
  return facts;
}

std::string Facts::text(bool complete) const {
  std::string out = fmt::format("{}\n", header);
  for (const auto& [name, value] : facts_) {
    out += name == comment ? fmt::format("{}\n", value) : fmt::format("{}={}\n", name, value);
  }
  if (complete) {
    out += fmt::format("{}\n", footer);
  }
  return out;
}

} // namespace cli
