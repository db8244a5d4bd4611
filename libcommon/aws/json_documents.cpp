#include "aws/json_documents.hpp"

#include "cli/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace aws {

namespace {

using cli::Error;
using cli::ExitCode;
using nlohmann::json;

/// Follows the parser through one document without building it, to know where it ends and to refuse
/// what must not be built.
class Surveyor : public nlohmann::json_sax<json> {
public:
  /// The document begins at the stream's position.
  explicit Surveyor(std::istream& in) : in_(in), start_(position()) {}

  struct Problem {
    std::size_t offset; ///< of the byte that is wrong, in the stream
    std::string reason; ///< empty when the text just is not JSON
  };
  [[nodiscard]] const std::optional<Problem>& problem() const { return problem_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    return keys_.back().insert(name).second
           || refuse(fmt::format("the key '{}' is there twice in one object", cli::shown(name)));
  }

  bool parse_error(std::size_t bytes_read, const std::string&, const json::exception&) override {
    // The parser counts the byte that it could not use, and the end of the input as one.
    problem_ = Problem{start_ + bytes_read - 1, ""};
    return false;
  }

private:
  bool enter() {
    keys_.emplace_back();
    return keys_.size() <= max_json_depth
           || refuse(fmt::format("it is nested more than {} levels deep", max_json_depth));
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }
  bool refuse(std::string reason) {
    problem_ = Problem{position() - 1, std::move(reason)};
    return false;
  }

  [[nodiscard]] std::size_t position() const { return static_cast<std::size_t>(in_.tellg()); }

  std::istream& in_;
  std::size_t start_;
  std::vector<std::set<std::string>> keys_; ///< of each object or array that is open
  std::optional<Problem> problem_;
};

/// Where the next document begins, or the end of the text.
std::size_t skip_blanks(std::string_view text, std::size_t at) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  for (;;) {
    at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    if (!text.substr(at).starts_with(byte_order_mark)) {
      return at;
    }
    at += byte_order_mark.size();
  }
}

Error explain(std::string_view text, std::string_view source, std::size_t offset,
              const std::string& reason) {
  if (!reason.empty()) {
    return {ExitCode::data, fmt::format("{}: byte {}: {}", source, offset, reason)};
  }
  if (offset >= text.size()) {
    return {ExitCode::data,
            fmt::format("{}: the JSON stops early, at byte {}: the command before it failed",
                        source, text.size())};
  }
  return {ExitCode::data,
          fmt::format("{}: byte {}: this is not JSON: '{}'", source, offset,
                      cli::shown(text.substr(offset, 30))),
          "run the AWS CLI with '--output json'"};
}

} // namespace

void for_each_json_document(std::string_view text, std::string_view source,
                            const std::function<void(const json&, std::size_t)>& consume) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw Error(ExitCode::data, fmt::format("{}: byte 0: this is UTF-16, not UTF-8", source),
                "Windows PowerShell writes UTF-16 after '>'; use '| Out-File -Encoding utf8'");
  }
  std::istringstream in{std::string(text)};
  std::size_t start = skip_blanks(text, 0);
  if (start == text.size()) {
    throw Error(ExitCode::data,
                fmt::format("{}: there is no JSON in it: the command before it failed", source));
  }
  while (start < text.size()) {
    if (text[start] == '[' || text[start] == '"') {
      throw Error(ExitCode::data, fmt::format("{}: byte {}: an object was expected", source, start),
                  "run the AWS CLI without '--query'");
    }
    if (text[start] != '{') {
      throw explain(text, source, start, "");
    }
    in.seekg(static_cast<std::streamoff>(start));
    Surveyor surveyor(in);
    json::sax_parse(in, &surveyor, json::input_format_t::json, false);
    if (const auto& problem = surveyor.problem()) {
      throw explain(text, source, problem->offset, problem->reason);
    }
    const auto end = static_cast<std::size_t>(in.tellg());
    consume(json::parse(text.substr(start, end - start)), start);
    start = skip_blanks(text, end);
  }
}

} // namespace aws
