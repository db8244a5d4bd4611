#pragma once

#include "aws/expression.hpp"
#include "aws/template.hpp"

#include <string>
#include <vector>

namespace aws {

/// Something that may be absent: its condition, in the template that holds it. `nesting` is null
/// when that is the template that uses it, else the stack through which it is used.
struct Target {
  const Template* templ;
  std::string_view condition;
  const Resource* nesting;
};

/// Looks for values of the parameters with which a use counts while its target is absent: a stack
/// that would fail. Returns them as "Name=value, …"; nothing when there are none, or it cannot be
/// told. `nested_by` is the stack that nests `user`; null for a main template.
std::optional<std::string> missing_when(const Template& user, const std::vector<Guard>& guards,
                                        const Target& target, const Resource* nested_by);

} // namespace aws
