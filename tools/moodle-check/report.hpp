#pragma once

#include "finding.hpp"

#include <string>
#include <vector>

/// How many columns there are, and whether to colour.
struct Style {
  std::size_t width = 0; ///< 0: lines are not broken
  bool colour = false;
  bool verbose = false; ///< also what did not apply
};

/// Whether a finding makes the command fail.
bool is_at_or_above(const Finding& finding, Severity least);

/// For people: the findings, most severe first, then what could not be checked.
std::string as_text(const std::vector<Result>& results, const Style& style);
/// One JSON object, whose form is in moodle-check(1); keys are only ever added to it.
std::string as_json(const std::vector<Result>& results, const std::string& site,
                    const std::string& release);
/// JUnit's XML: a check is a test case, which fails from `least` on.
std::string as_junit(const std::vector<Result>& results, Severity least);
