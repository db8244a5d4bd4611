#include "aws/yaml.hpp"

#include "aws/block_scalar.hpp"
#include "cli/error.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace aws {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

/// The long form of a tag: a function's name; empty for a plain value; nothing for an unknown tag.
/// The list is that of the intrinsic function and rule function references; YAML's own types beyond
/// the core schema are those that the CloudFormation user guide ("template formats") says are not
/// supported.
std::optional<std::string> function_of(std::string_view tag) {
  static constexpr std::array<std::string_view, 25> functions = {
      "And",         "Base64",   "Cidr",   "Equals",  "FindInMap",  "ForEach",
      "GetAZs",      "GetAtt",   "If",     "Join",    "Length",     "ImportValue",
      "Not",         "Or",       "Select", "Split",   "Sub",        "ToJsonString",
      "Transform",   "Contains", "RefAll", "ValueOf", "ValueOfAll", "EachMemberEquals",
      "EachMemberIn"};
  static constexpr std::array<std::string_view, 7> core = {"str",  "int", "float", "bool",
                                                           "null", "map", "seq"};
  constexpr std::string_view yaml_prefix = "tag:yaml.org,2002:";
  if (tag.empty() || tag == "?" || tag == "!") {
    return "";
  }
  if (tag.starts_with(yaml_prefix)) {
    tag.remove_prefix(yaml_prefix.size());
    return std::find(core.begin(), core.end(), tag) == core.end() ? std::nullopt
                                                                  : std::optional<std::string>("");
  }
  tag.remove_prefix(1);
  if (tag == "Ref" || tag == "Condition") {
    return std::string(tag);
  }
  if (std::find(functions.begin(), functions.end(), tag) != functions.end()) {
    return "Fn::" + std::string(tag);
  }
  return std::nullopt;
}

/// CloudFormation writes an unquoted boolean as "true" or "false".
std::string canonical(const std::string& plain) {
  if (plain == "True" || plain == "TRUE") {
    return "true";
  }
  return plain == "False" || plain == "FALSE" ? "false" : plain;
}

/// The line on which a tab stands among the blanks that indent it, at or just above `line`.
std::optional<int> tab_indented_line(const std::string& text, int line) {
  std::istringstream in(text);
  std::string content;
  for (int at = 1; at <= line && std::getline(in, content); ++at) {
    if (at + 1 >= line && content.find('\t') < content.find_first_not_of(" \t")) {
      return at;
    }
  }
  return std::nullopt;
}

} // namespace

/// Builds the nodes from yaml-cpp's events, and enforces every bound while doing so: nothing is
/// ever built that a bound forbids.
class DocumentBuilder : public YAML::EventHandler {
public:
  DocumentBuilder(Document& document, const std::string& name) : document_(document), name_(name) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (document_.root_ != nullptr) {
      fail(mark.line + 1, "a second document starts here; a template is one document");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    leaf(mark, "", anchor, YamlNode::Kind::null, "");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    leaf(mark, tag, anchor, YamlNode::Kind::scalar, tag == "?" ? canonical(value) : value);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const int line = mark.line + 1;
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) {
      fail(line, "an alias refers to the value it stands in");
    }
    const Anchored& target = known->second;
    count(line, target.size);
    check_depth(line, static_cast<int>(frames_.size()) + target.height);
    add(*target.node, line, target.height);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }

private:
  struct Anchored {
    const YamlNode* node;
    std::size_t size; ///< nodes, with aliases expanded
    int height;
  };

  struct Frame {
    YamlNode* node;
    const YamlNode* outermost; ///< the node, or the {Fn::…: node} around it
    YAML::anchor_t anchor;
    std::size_t counted_before;
    int height = 1;
    const YamlNode* key = nullptr;
    std::set<std::string_view> keys = {};
  };

  [[noreturn]] void fail(int line, const std::string& reason) const {
    throw Error(ExitCode::data, fmt::format("{}:{}: {}", name_, line, reason));
  }

  void count(int line, std::size_t nodes) {
    counted_ += nodes;
    if (counted_ > Document::max_nodes) {
      fail(line,
           fmt::format("more than {} values, counting what aliases repeat", Document::max_nodes));
    }
  }

  void check_depth(int line, int depth) const {
    if (depth > Document::max_depth) {
      fail(line, fmt::format("nested more than {} levels deep", Document::max_depth));
    }
  }

  YamlNode& make(YamlNode::Kind kind, int line, std::string text = {}) {
    count(line, 1);
    YamlNode& node = document_.nodes_->emplace_back();
    node.kind = kind;
    node.line = line;
    node.text = std::move(text);
    return node;
  }

  /// `node`, or the function call around it that the tag stands for.
  const YamlNode& tagged(const YamlNode& node, const std::string& tag) {
    const auto function = function_of(tag);
    if (!function) {
      fail(node.line, fmt::format("unknown tag '{}'", shown(tag)));
    }
    if (function->empty()) {
      return node;
    }
    YamlNode& call = make(YamlNode::Kind::map, node.line);
    call.entries.emplace_back(&make(YamlNode::Kind::scalar, node.line, *function), &node);
    return call;
  }

  void leaf(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind, const std::string& value) {
    const YamlNode& node = tagged(make(kind, mark.line + 1, value), tag);
    if (anchor != YAML::NullAnchor) {
      anchors_[anchor] = {&node, 1, 1};
    }
    add(node, mark.line + 1, 1);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    const int line = mark.line + 1;
    check_depth(line, static_cast<int>(frames_.size()) + 1);
    const std::size_t before = counted_;
    YamlNode& node = make(kind, line);
    const YamlNode& outermost = tagged(node, tag);
    frames_.push_back({&node, &outermost, anchor, before});
  }

  void close() {
    const Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor != YAML::NullAnchor) {
      anchors_[frame.anchor] = {frame.outermost, counted_ - frame.counted_before, frame.height};
    }
    add(*frame.outermost, frame.node->line, frame.height);
  }

  /// Puts a finished value where it belongs: into the open collection, or as the root.
  void add(const YamlNode& node, int line, int height) {
    if (frames_.empty()) {
      document_.root_ = &node;
      return;
    }
    Frame& frame = frames_.back();
    frame.height = std::max(frame.height, height + 1);
    if (frame.node->is_sequence()) {
      frame.node->items.push_back(&node);
    } else if (frame.key == nullptr) {
      check_key(frame, node, line);
      frame.key = &node;
    } else {
      frame.node->entries.emplace_back(std::exchange(frame.key, nullptr), &node);
    }
  }

  void check_key(Frame& frame, const YamlNode& key, int line) const {
    if (!key.is_scalar()) {
      fail(line, "a key is not a plain text");
    }
    if (key.text == "<<") {
      fail(line, "a merge key ('<<') is nothing that CloudFormation understands");
    }
    if (!frame.keys.insert(key.text).second) {
      fail(line, fmt::format("the key '{}' is there twice", shown(key.text)));
    }
  }

  Document& document_;
  const std::string& name_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t counted_ = 0;
};

const YamlNode* YamlNode::find(std::string_view key) const noexcept {
  for (const auto& [name, value] : entries) {
    if (name->text == key) {
      return value->kind == Kind::null ? nullptr : value;
    }
  }
  return nullptr;
}

std::string_view YamlNode::text_of(std::string_view key) const noexcept {
  const YamlNode* value = find(key);
  return value != nullptr && value->is_scalar() ? std::string_view(value->text)
                                                : std::string_view();
}

Document Document::parse(const std::string& text, const std::string& name) {
  Document document;
  DocumentBuilder builder(document, name);
  try {
    std::istringstream in(with_deep_block_scalars(text));
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    const int line = error.mark.line + 1;
    if (const auto tab = tab_indented_line(text, line)) {
      throw Error(ExitCode::data, fmt::format("{}:{}: a tab indents this line", name, *tab),
                  "YAML is indented with spaces only");
    }
    throw Error(ExitCode::data, fmt::format("{}:{}: not YAML: {}", name, line, shown(error.msg)));
  }
  if (document.root_ == nullptr) {
    throw Error(ExitCode::data, fmt::format("{}:1: the file is empty", name));
  }
  return document;
}

} // namespace aws
