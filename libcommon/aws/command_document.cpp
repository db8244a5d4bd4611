#include "aws/command_document.hpp"

#include "cli/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

namespace aws {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

[[noreturn]] void refuse(const Template& templ, int line, const std::string& reason) {
  throw Error(ExitCode::data, fmt::format("{}:{}: {}", shown(templ.path), line, reason));
}

/// "FixLastip" is "fix-lastip".
std::string name_of(const std::string& logical_id) {
  std::string name;
  for (const char c : logical_id) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) != 0 && !name.empty()) {
      name += '-';
    }
    name += static_cast<char>(std::tolower(byte));
  }
  return name;
}

/// The depth is bounded by Document::max_depth.
nlohmann::ordered_json // NOLINTNEXTLINE(misc-no-recursion)
json_of(const Template& templ, const YamlNode& node) {
  switch (node.kind) {
  case YamlNode::Kind::null:
    return nullptr;
  case YamlNode::Kind::scalar:
    return node.text;
  case YamlNode::Kind::sequence: {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const YamlNode* item : node.items) {
      list.push_back(json_of(templ, *item));
    }
    return list;
  }
  case YamlNode::Kind::map:
    break;
  }
  nlohmann::ordered_json map = nlohmann::ordered_json::object();
  for (const auto& [key, value] : node.entries) {
    if (key->text == "Ref" || key->text.starts_with("Fn::")) {
      refuse(
          templ, key->line,
          fmt::format("{} stands in a document, which has to mean the same outside of a template",
                      shown(key->text)));
    }
    map[key->text] = json_of(templ, *value);
  }
  return map;
}

CommandDocument read(const Template& templ, const Resource& resource) {
  const YamlNode* content = resource.property("Content");
  if (content == nullptr || !content->is_map()) {
    refuse(templ, resource.line,
           fmt::format("the Content of {} is not a map", shown(resource.name)));
  }
  CommandDocument document;
  document.name = name_of(resource.name);
  document.description = content->text_of("description");
  document.json =
      json_of(templ, *content).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
      + "\n";
  if (document.json.size() > CommandDocument::max_bytes) {
    refuse(templ, resource.line,
           fmt::format("the document {} has {} bytes; Systems Manager takes {}",
                       shown(resource.name), document.json.size(), CommandDocument::max_bytes));
  }
  return document;
}

} // namespace

std::vector<CommandDocument> command_documents(const std::vector<Template>& templates) {
  std::vector<CommandDocument> documents;
  for (const Template& templ : templates) {
    for (const Resource& resource : templ.resources) {
      if (resource.type != "AWS::SSM::Document") {
        continue;
      }
      CommandDocument document = read(templ, resource);
      if (std::any_of(documents.begin(), documents.end(),
                      [&](const CommandDocument& other) { return other.name == document.name; })) {
        refuse(templ, resource.line,
               fmt::format("there is another document '{}'", shown(document.name)));
      }
      documents.push_back(std::move(document));
    }
  }
  return documents;
}

} // namespace aws
