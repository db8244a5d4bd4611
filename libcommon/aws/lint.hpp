#pragma once

#include "aws/template.hpp"
#include "cli/error.hpp"

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

/// Templates that belong together.
struct TemplateSet {
  std::vector<Template> templates;
  std::vector<std::string> unreadable_paths; ///< files that are no templates, or not even YAML
  std::vector<cli::Error> unreadable;        ///< why, one each
};

/// Reads files, and the templates in folders (*.yaml, *.yml, *.json and *.template, without those
/// that hold no Resources), and after them every template that these nest by a local path that
/// exists. Throws as Template::read does when not one of them can be read; Error{no_input} for a
/// folder without a template.
TemplateSet read_set(const std::vector<std::string>& paths);

/// The templates of a folder that has to be whole. Throws the first reason why a file is not
/// readable.
std::vector<Template> read_all(const std::string& folder);

/// Checks how templates refer to themselves and to each other: names that are not there, parameters
/// of nested stacks that are missing, superfluous or of another type, outputs that a child does not
/// give or that a condition may hide, and cycles. A nested stack's template is found by its local
/// path, or, for a URL, by its file's name if only one file of the set has it; when it is not in
/// the set it is taken on trust. What cannot be decided here is no finding.
///
/// A set that `moodle-stack generate` wrote is held to more, because it promises more: parameters
/// have exactly the type of what they get, and the main template passes on every output.
///
/// The findings are in the order of file and line.
std::vector<Finding> lint(const TemplateSet& set);

/// The path that a nested stack's TemplateURL names, seen from `templ`; empty when it is no local
/// path.
std::string nested_path(const Template& templ, const Resource& stack);

} // namespace aws
