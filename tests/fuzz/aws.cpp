#include "aws/cli_json.hpp"
#include "aws/site_facts.hpp"
#include "cli/error.hpp"
#include "fuzz.hpp"

namespace {

/// Facts that come out have to be facts.
void check(const aws::SiteFacts& site) {
  for (const auto& [name, values] : site.facts) {
    for (const std::string& value : values) {
      cli::Facts::check(name, value);
    }
  }
}

void read(std::string_view input, aws::Unknown unknown) {
  aws::Inventory inventory;
  try {
    aws::read_cli_json(input, "input", unknown, inventory);
  } catch (const cli::Error&) {
    return;
  }
  aws::SiteFacts site;
  try {
    site = aws::site_facts(inventory, {}, {});
  } catch (const cli::Error&) {
    return;
  }
  check(site);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read(fuzz::text(data, size), aws::Unknown::refuse);
  read(fuzz::text(data, size), aws::Unknown::ignore);
  return 0;
}
