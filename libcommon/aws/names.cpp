#include "aws/names.hpp"

#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace aws {

std::string fact_name(std::string_view role, std::string_view part) {
  return fmt::format("{}-{}", role, part);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool same(std::string_view a, std::string_view b) {
  return lower(a) == lower(b);
}

std::string arn_part(const std::string& arn, std::size_t n) {
  const auto parts = cli::split(arn, ':');
  return n < parts.size() ? parts[n] : "";
}

std::string stack_name_of(const std::string& arn) {
  const auto parts = cli::split(arn_part(arn, 5), '/');
  return parts.size() > 1 ? parts[1] : "";
}

bool is_nested_in(std::string_view stack, std::string_view outer) {
  if (outer.empty() || !stack.starts_with(outer)) {
    return false;
  }
  const auto parts = cli::split(stack.substr(outer.size()), '-');
  const auto is_random = [](const std::string& part) {
    return part.size() >= 10 && std::all_of(part.begin(), part.end(), [](char c) {
             return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
           });
  };
  if (!parts[0].empty() || parts.size() % 2 == 0) {
    return false;
  }
  for (std::size_t i = 2; i < parts.size(); i += 2) {
    if (!is_random(parts[i])) {
      return false;
    }
  }
  return true;
}

std::string host_of(std::string_view endpoint) {
  return lower(endpoint.substr(0, endpoint.find(':')));
}

std::string load_balancer_of(std::string_view dns) {
  std::string_view label = dns.substr(0, dns.find('.'));
  if (dns.find(".elb.") == std::string_view::npos) {
    return "";
  }
  if (label.starts_with("internal-")) {
    label.remove_prefix(std::string_view("internal-").size());
  }
  return std::string(label.substr(0, label.rfind('-')));
}

std::string_view role_in(std::string_view text) {
  const std::string name = lower(text);
  if (name.find("session") != std::string::npos) {
    return session_cache;
  }
  if (name.find("application") != std::string::npos) {
    return app_cache;
  }
  for (std::size_t at = name.find("app"); at != std::string::npos; at = name.find("app", at + 1)) {
    if (at == 0 || name[at - 1] < 'a' || name[at - 1] > 'z') {
      return app_cache;
    }
  }
  return {};
}

} // namespace aws
