#include "moodle/cache_config.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"

#include <stdexcept>

namespace {

using moodle::CacheConfig;

const std::string path = "/data/muc/config.php";

/// What is written reads back as what it was.
void require_same(php::Runtime& php, const CacheConfig& config) {
  fuzz::require(CacheConfig::parse(php, path, config.text(php)) == config);
}

void look(const CacheConfig& config) {
  for (const std::string& name : config.store_names()) {
    fuzz::require(config.store(name) != nullptr);
    moodle::store_servers(*config.store(name));
  }
  for (const moodle::CacheMode mode : moodle::cache_modes) {
    for (const std::string& name : config.chain(mode)) {
      fuzz::require(config.store(name) != nullptr);
    }
  }
}

void edit(php::Runtime& php, CacheConfig config) {
  const std::string store = "elasticache";
  php::Array configuration;
  configuration.set("server", "c.example.org:6379");
  try {
    config.set_store(store, {"redis", 26, 3}, configuration);
    config.set_chain(moodle::CacheMode::application, {store});
    config.complete();
    fuzz::require(config.chain(moodle::CacheMode::application) == std::vector{store});
    require_same(php, config);
    look(config);
    fuzz::require(config.remove_store(store));
    require_same(php, config);
    look(config);
  } catch (const cli::Error& error) {
    fuzz::require(error.code() == cli::ExitCode::config); // a store of that name is another's
  }
}

} // namespace

// An encoded value (see php_value.cpp), as the file that Moodle would write for it: PHP runs
// nothing but var_export()'s literals.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static php::Runtime php(std::chrono::seconds(10));
  try {
    const php::Value value = php::decode(fuzz::text(data, size));
    const std::string content = std::string(moodle::cache_config_head) + php.var_export(value)
                                + std::string(moodle::cache_config_tail);
    const CacheConfig config = CacheConfig::parse(php, path, content);
    require_same(php, config); // not the bytes: a value may have the key "8", and PHP has 8
    look(config);
    edit(php, config);
  } catch (const std::runtime_error&) { // no value at all
  } catch (const cli::Error& error) {   // no cache configuration
    fuzz::require(error.code() == cli::ExitCode::data);
  }
  return 0;
}
