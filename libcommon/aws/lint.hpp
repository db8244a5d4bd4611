#pragma once

#include "aws/template.hpp"

#include <string>
#include <vector>

namespace aws {

/// One fault in the wiring of a set of templates.
struct Finding {
  std::string path;
  int line = 0;
  std::string fault; ///< what is wrong
  std::string todo;  ///< what to do about it
};

/// Checks how templates refer to themselves and to each other: names that are not there, parameters of
/// nested stacks that are missing, superfluous or of another type, outputs that a child does not give or
/// that a condition may hide, and cycles. A nested stack whose template is not in the set is taken on
/// trust, unless it is a local path. What cannot be decided here is no finding.
///
/// A set that `moodle-stack generate` wrote is held to more, because it promises more: parameters have
/// exactly the type of what they get, and the main template passes on every output.
///
/// The findings are in the order of file and line.
std::vector<Finding> lint(const std::vector<Template>& templates);

/// Reads files, and the templates below folders (*.yaml, *.yml, *.json and *.template, without those
/// that hold no Resources), and after them every template that these nest by a local path that exists.
/// Throws as Template::read does; Error{no_input} for a folder without a template.
std::vector<Template> read_set(const std::vector<std::string>& paths);

/// The path that a nested stack's TemplateURL names, seen from `templ`; empty when it is no local path.
std::string nested_path(const Template& templ, const Resource& stack);

} // namespace aws
