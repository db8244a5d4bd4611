#include "cli/facts.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using cli::Facts;
  const auto input = fuzz::text(data, size);
  for (const auto ending : {Facts::Ending::required, Facts::Ending::optional}) {
    try {
      const Facts facts = Facts::parse(input, "input", ending);
      const std::string text = facts.text(true);
      const Facts again = Facts::parse(text, "text", Facts::Ending::required);
      fuzz::require(again.list() == facts.list());
      fuzz::require(again.text(true) == text);
    } catch (const cli::Error&) {
    }
  }
  return 0;
}
