#include "aws/pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <cstdint>
#include <memory>
#include <pcre2.h>

namespace aws {

namespace {

constexpr std::uint32_t max_steps = 100'000;

template <auto release>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};
using Code = std::unique_ptr<pcre2_code, Release<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Release<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Release<pcre2_match_context_free>>;

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

} // namespace

std::optional<bool> matches(const std::string& pattern, std::string_view value) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const Code code(pcre2_compile(units(pattern), pattern.size(),
                                PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &error, &offset,
                                nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  if (!code || !context) {
    return std::nullopt;
  }
  pcre2_set_match_limit(context.get(), max_steps);
  const MatchData data(pcre2_match_data_create_from_pattern(code.get(), nullptr));
  if (!data) {
    return std::nullopt;
  }
  const int result =
      pcre2_match(code.get(), units(value), value.size(), 0, 0, data.get(), context.get());
  if (result == PCRE2_ERROR_NOMATCH) {
    return false;
  }
  return result >= 0 ? std::optional(true) : std::nullopt;
}

} // namespace aws
