#include "cli/error.hpp"
#include "ini_text.hpp"

#include <doctest/doctest.h>

using moodle::OpcacheSetting;
using moodle::PhpService;
using moodle::PhpSettings;

namespace {

constexpr std::chrono::milliseconds patience{20'000};
const PhpService fpm{.sapi = "fpm",
                     .version = "8.2",
                     .unit = "php8.2-fpm",
                     .serves = true,
                     .ini_file = "/etc/php/8.2/fpm/php.ini",
                     .ini_folder = "/etc/php/8.2/fpm/conf.d",
                     .pools = "/etc/php/8.2/fpm/pool.d"};

PhpSettings set(const std::string& name, const std::string& text, const std::string& where) {
  PhpSettings settings;
  settings.values[name] = {text, where};
  return settings;
}

} // namespace

TEST_CASE("PHP reads in the file exactly what was planned") {
  php::Runtime php(patience);
  moodle::OpcacheNeed need;
  need.files = 17'000;
  need.script_bytes = 400'000'000;
  need.string_bytes = 36'000'000;
  for (const bool immutable : {false, true}) {
    const auto plan = moodle::opcache_plan(need, {.immutable = immutable});
    std::vector<std::pair<std::string, std::string>> wanted;
    for (const OpcacheSetting& setting : plan) {
      wanted.emplace_back(setting.name, setting.value);
    }
    CHECK(parse_ini(php, ini_text(plan)) == wanted);
  }
}

TEST_CASE("a text that is no ini file is refused") {
  php::Runtime php(patience);
  CHECK_THROWS_AS(parse_ini(php, "((( = {"), cli::Error);
}

TEST_CASE("who has the last word is found") {
  const std::vector<OpcacheSetting> plan{{"opcache.use_cwd", "1", ""}};
  const auto lines = [&](const std::string& text, const std::string& where) {
    return overruled(plan, set("opcache.use_cwd", text, where), fpm).size();
  };
  CHECK(lines("0", "/etc/php/8.2/fpm/conf.d/10-opcache.ini") == 0);
  CHECK(lines("0", "/etc/php/8.2/fpm/php.ini") == 0);
  CHECK(lines("0", "/etc/php/8.2/fpm/conf.d/99-moodle-opcache.ini") == 0);
  CHECK(lines("0", "/etc/php/8.2/fpm/conf.d/moodle.ini") == 1);
  CHECK(lines("off", "/etc/php/8.2/fpm/pool.d/www.conf") == 1);
  CHECK(lines("on", "/etc/php/8.2/fpm/pool.d/www.conf") == 0);
  CHECK(lines("1", "/etc/php/8.2/fpm/conf.d/moodle.ini") == 0);
  CHECK(
      overruled(plan, set("opcache.use_cwd", "", "/etc/php/8.2/fpm/conf.d/z.ini"), fpm)
      == std::vector<std::string>{"/etc/php/8.2/fpm/conf.d/z.ini sets opcache.use_cwd to nothing"});
}
