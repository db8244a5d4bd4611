#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aws {

/// One value of a YAML (or JSON) document, with the line it starts on.
struct YamlNode {
  enum class Kind { null, scalar, sequence, map };
  using Entry = std::pair<const YamlNode*, const YamlNode*>; ///< key (always a scalar) and value

  Kind kind = Kind::null;
  int line = 0; ///< counted from 1
  std::string text;
  std::vector<const YamlNode*> items;
  std::vector<Entry> entries;

  [[nodiscard]] bool is_scalar() const noexcept { return kind == Kind::scalar; }
  [[nodiscard]] bool is_sequence() const noexcept { return kind == Kind::sequence; }
  [[nodiscard]] bool is_map() const noexcept { return kind == Kind::map; }
  /// The value under a key of a map; null when there is none or this is no map.
  [[nodiscard]] const YamlNode* find(std::string_view key) const noexcept;
  /// The scalar under a key; empty when there is none.
  [[nodiscard]] std::string_view text_of(std::string_view key) const noexcept;
};

/// A parsed document as CloudFormation reads it. A short tag is the long form: `!Sub x` is the map
/// {Fn::Sub: x}. The nodes live as long as the document, at fixed addresses.
class Document {
public:
  /// Far above what CloudFormation takes (1 MB a template), and enough to bound hostile input.
  static constexpr std::size_t max_bytes = 4U << 20U;
  static constexpr int max_depth = 64;
  /// Counted with every alias expanded.
  static constexpr std::size_t max_nodes = 200'000;

  /// Throws Error{data} "NAME:LINE: reason" for what is not YAML, for several documents, duplicate
  /// keys, keys that are no scalars, merge keys, tags that CloudFormation does not know, and for
  /// more depth or nodes than the bounds above.
  static Document parse(const std::string& text, const std::string& name);

  [[nodiscard]] const YamlNode& root() const noexcept { return *root_; }

private:
  friend class DocumentBuilder;
  /// Behind a pointer, so that moving a document moves no node.
  std::unique_ptr<std::deque<YamlNode>> nodes_ = std::make_unique<std::deque<YamlNode>>();
  const YamlNode* root_ = nullptr;
};

} // namespace aws
