#pragma once

#include "aws/template.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace aws {

/// A document of Systems Manager that a template creates, told apart from the template: what
/// `aws ssm create-document --content` takes.
struct CommandDocument {
  /// What Systems Manager takes ("Systems Manager service quotas").
  static constexpr std::size_t max_bytes = 64U << 10U;

  std::string name; ///< the logical name in lower case, its words joined by hyphens: "fix-lastip"
  std::string description;
  std::string json; ///< with a line end
};

/// The AWS::SSM::Document resources of some templates, in their order. Every plain value of a
/// document becomes a text, which Systems Manager takes everywhere. Throws Error{data} with file
/// and line for a document whose Content is no map, calls a function of CloudFormation (it would
/// not mean anything elsewhere) or is too large, and for two of one name.
std::vector<CommandDocument> command_documents(const std::vector<Template>& templates);

} // namespace aws
