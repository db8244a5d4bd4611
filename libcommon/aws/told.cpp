#include "aws/told.hpp"

#include "aws/names.hpp"
#include "cli/error.hpp"
#include "cli/facts.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace aws {

namespace {

using cli::Error;
using cli::ExitCode;
using cli::shown;

/// Every fact that can come from AWS, in the order in which they are written.
constexpr std::string_view fact_order[] = {
    "stack-name",
    "region",
    "site-url",
    "alb-dns",
    "alb-ip",
    "db-host",
    "db-port",
    "db-name",
    "efs-id",
    "efs-throughput-mode",
    "efs-size-bytes",
    "app-cache-endpoint",
    "app-cache-engine",
    "app-cache-tls",
    "app-cache-node",
    "session-cache-endpoint",
    "session-cache-engine",
    "session-cache-tls",
    "session-cache-node",
    "web-asg",
    "web-asg-min",
    "web-asg-max",
    "document-prefix",
};

std::string checked_number(const std::string& value, std::uint64_t least, std::uint64_t most) {
  const auto number = cli::parse_unsigned(value);
  if (!number || *number < least || *number > most) {
    throw Error(ExitCode::data,
                fmt::format("'{}' is not a whole number from {} to {}", shown(value), least, most));
  }
  return fmt::format("{}", *number);
}

std::string checked_choice(const std::string& value, const std::vector<std::string>& choices) {
  std::string small = lower(value);
  if (std::find(choices.begin(), choices.end(), small) == choices.end()) {
    throw Error(ExitCode::data,
                fmt::format("'{}' is none of {}", shown(value), cli::join(choices, ", ")));
  }
  return small;
}

/// A host name or address, with or without a port.
std::string checked_endpoint(const std::string& value) {
  const bool clean = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_' || c == '.' || c == ':';
  });
  const auto parts = cli::split(value, ':');
  if (!clean || parts[0].empty() || parts.size() > 2) {
    throw Error(ExitCode::data, fmt::format("'{}' is not an endpoint, host:port", shown(value)));
  }
  if (parts.size() == 2) {
    checked_number(parts[1], 1, 65'535);
  }
  return value;
}

/// The value as the fact has to have it. Throws Error{data} when it cannot be.
std::string checked_value(std::string_view fact, const std::string& value) {
  cli::Facts::check(fact, value);
  if (fact.ends_with("-engine")) {
    return checked_choice(value, {"memcached", "redis", "valkey"});
  }
  if (fact.ends_with("-tls")) {
    return checked_choice(value, {"true", "false"});
  }
  if (fact.ends_with("-endpoint") || fact.ends_with("-node")) {
    return checked_endpoint(value);
  }
  if (fact == "db-port") {
    return checked_number(value, 1, 65'535);
  }
  if (fact == "web-asg-min" || fact == "web-asg-max") {
    return checked_number(value, 0, std::numeric_limits<std::uint64_t>::max());
  }
  return value;
}

} // namespace

void Told::set(std::string_view fact, const std::string& value, const std::string& where) {
  set_list(fact, {value}, where);
}

void Told::set_unless_empty(std::string_view fact, const std::string& value,
                            const std::string& where) {
  if (!value.empty()) {
    set(fact, value, where);
  }
}

void Told::set_number(std::string_view fact, const std::optional<std::uint64_t>& value,
                      const std::string& where) {
  if (value) {
    set(fact, fmt::format("{}", *value), where);
  }
}

void Told::set_list(std::string_view fact, const std::vector<std::string>& values,
                    const std::string& where) {
  try {
    std::vector<std::string> checked;
    checked.reserve(values.size());
    for (const std::string& value : values) {
      checked.push_back(checked_value(fact, value));
    }
    values_.insert_or_assign(std::string(fact), std::move(checked));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", where, error.message()), error.hint());
  }
}

std::string Told::get(std::string_view fact) const {
  const auto at = values_.find(fact);
  return at == values_.end() || at->second.empty() ? "" : at->second.front();
}

bool Told::has(std::string_view fact) const {
  return values_.contains(fact);
}

std::vector<std::pair<std::string, std::vector<std::string>>> Told::facts() const {
  std::vector<std::pair<std::string, std::vector<std::string>>> facts;
  for (const std::string_view name : fact_order) {
    if (const auto at = values_.find(name); at != values_.end()) {
      facts.emplace_back(*at);
    }
  }
  return facts;
}

} // namespace aws
