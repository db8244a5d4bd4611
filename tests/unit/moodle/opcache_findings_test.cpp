#include "cli/error.hpp"
#include "moodle/opcache_findings.hpp"

#include <doctest/doctest.h>

using moodle::OpcacheFinding;
using moodle::PhpService;
using moodle::PhpSettings;

namespace {

using Names = std::vector<std::string>;

const PhpService fpm{.sapi = "fpm",
                     .version = "8.2",
                     .unit = "php8.2-fpm",
                     .serves = true,
                     .ini_file = "/etc/php/8.2/fpm/php.ini",
                     .ini_folder = "/etc/php/8.2/fpm/conf.d",
                     .pools = "/etc/php/8.2/fpm/pool.d"};

moodle::OpcacheNeed need() {
  moodle::OpcacheNeed need;
  need.files = 17'577;
  need.largest_file = 900'000;
  need.script_bytes = 403'116'848;
  need.string_bytes = 35'643'792;
  return need;
}

/// As 'moodle-opcache write' leaves it.
PhpSettings healthy(const moodle::OpcachePolicy& policy = {}) {
  PhpSettings settings;
  settings.opcache = true;
  for (const moodle::OpcacheSetting& setting : moodle::opcache_plan(need(), policy)) {
    settings.values[setting.name] = {setting.value,
                                     fpm.ini_folder + "/" + moodle::opcache_ini_name};
  }
  return settings;
}

std::vector<OpcacheFinding> findings(const PhpSettings& settings,
                                     const moodle::OpcachePolicy& policy = {}) {
  return moodle::opcache_findings(
      settings, need(), policy,
      {.dirroot = "/var/www/html", .shared_type = [](const std::string& path) {
         return path.starts_with("/efs/") ? std::string("nfs4") : std::string();
       }});
}

Names names(const PhpSettings& settings, const moodle::OpcachePolicy& policy = {}) {
  Names all;
  for (const OpcacheFinding& finding : findings(settings, policy)) {
    all.push_back(finding.setting);
    CHECK_FALSE(finding.why.empty());
    CHECK_FALSE(finding.source.empty());
  }
  return all;
}

PhpSettings with(const std::string& name, const std::string& text,
                 const std::string& where = "/etc/php/8.2/fpm/conf.d/20-own.ini") {
  PhpSettings settings = healthy();
  settings.values[name] = {text, where};
  return settings;
}

} // namespace

TEST_CASE("a plan's own settings have no finding") {
  CHECK(names(healthy()).empty());
  const moodle::OpcachePolicy immutable{.immutable = true};
  CHECK(names(healthy(immutable), immutable).empty());
  CHECK(names(healthy({.headroom_percent = 0})).empty());
}

TEST_CASE("each mistake has its own finding, and no other one") {
  const std::vector<std::pair<const char*, const char*>> mistakes{
      {"opcache.enable", "0"},
      {"opcache.enable", "Off"},
      {"opcache.memory_consumption", "256"},
      {"opcache.interned_strings_buffer", "8"},
      {"opcache.max_accelerated_files", "10000"},
      {"opcache.max_file_size", "100000"},
      {"opcache.validate_timestamps", "0"},
      {"opcache.revalidate_freq", "0"},
      {"opcache.revalidate_freq", "3600"},
      {"opcache.use_cwd", "0"},
      {"opcache.save_comments", "off"},
      {"opcache.enable_file_override", "60"},
      {"opcache.enable_file_override", "On"},
      {"opcache.file_cache_only", "1"},
      {"opcache.file_cache", "/efs/cache"},
      {"opcache.preload", "/var/www/preload.php"},
      {"opcache.restrict_api", "/srv/status"},
  };
  for (const auto& [name, text] : mistakes) {
    CAPTURE(name);
    CAPTURE(text);
    CHECK(names(with(name, text)) == Names{name});
  }
}

TEST_CASE("what is unusual but right has no finding") {
  const std::vector<std::pair<const char*, const char*>> fine{
      {"opcache.memory_consumption", "4096"},       {"opcache.max_accelerated_files", "17000"},
      {"opcache.interned_strings_buffer", "128"},   {"opcache.revalidate_freq", "300"},
      {"opcache.file_cache", "/var/cache/opcache"}, {"opcache.restrict_api", "/var/www"},
      {"opcache.max_file_size", "2000000"},         {"opcache.enable_file_override", "off"},
      {"opcache.jit_buffer_size", "64M"},           {"opcache.use_cwd", "yes"},
  };
  for (const auto& [name, text] : fine) {
    CAPTURE(name);
    CAPTURE(text);
    CHECK(names(with(name, text)).empty());
  }
}

TEST_CASE("the JIT is wrong with Xdebug only") {
  PhpSettings settings = with("opcache.jit", "tracing");
  settings.values["opcache.jit_buffer_size"] = {"64M", ""};
  CHECK(names(settings).empty());
  settings.xdebug = true;
  CHECK(names(settings) == Names{"opcache.jit"});
  settings.values["opcache.jit"] = {"off", ""};
  CHECK(names(settings).empty());
}

TEST_CASE("where OPcache is not loaded or off, nothing else matters") {
  PhpSettings settings = with("opcache.use_cwd", "0");
  settings.values["opcache.enable"] = {"0", ""};
  CHECK(names(settings) == Names{"opcache.enable"});
  settings.opcache = false;
  CHECK(names(settings) == Names{"zend_extension"});
}

TEST_CASE("code that changes with the image only is not looked at again") {
  const moodle::OpcachePolicy immutable{.immutable = true};
  CHECK(names(healthy(), immutable) == Names{"opcache.validate_timestamps"});
}

TEST_CASE("a size in a pool has no effect, and is said to") {
  PhpSettings settings = healthy();
  settings.ineffective["opcache.memory_consumption"] = {"512", "/etc/php/8.2/fpm/pool.d/www.conf"};
  const auto found = findings(settings);
  REQUIRE(found.size() == 1);
  CHECK(moodle::mend_command(found[0], fpm, "/c.php")
        == "sed -i --follow-symlinks -E "
           "'/^[[:space:]]*php_(admin_)?(value|flag)\\[opcache\\.memory_consumption\\]"
           "[[:space:]]*=/d' /etc/php/8.2/fpm/pool.d/www.conf && systemctl reload php8.2-fpm");
}

TEST_CASE("PHP's defaults are said to be that") {
  PhpSettings settings;
  settings.opcache = true;
  const auto found = findings(settings);
  REQUIRE(found.size() == 3);
  CHECK(found[0].setting == "opcache.max_accelerated_files");
  CHECK(found[0].found == "10000 (PHP's default)");
  CHECK(found[0].where.empty());
}

TEST_CASE("the command that mends removes what has the last word, and writes the rest") {
  const auto command = [](const PhpSettings& settings) {
    const auto found = findings(settings);
    REQUIRE(found.size() == 1);
    return moodle::mend_command(found[0], fpm, "/var/www/my site/config.php");
  };
  const std::string write =
      "moodle-opcache write --config '/var/www/my site/config.php' --sapi fpm "
      "--php 8.2 && systemctl reload php8.2-fpm";
  CHECK(command(with("opcache.use_cwd", "0")) == write);
  CHECK(command(with("opcache.use_cwd", "0", "/etc/php/8.2/fpm/php.ini")) == write);
  CHECK(command(with("opcache.use_cwd", "0", "/etc/php/8.2/fpm/conf.d/zz.ini"))
        == "sed -i --follow-symlinks -E '/^[[:space:]]*opcache\\.use_cwd[[:space:]]*=/d' "
           "/etc/php/8.2/fpm/conf.d/zz.ini && "
               + write);
  CHECK(command(with("opcache.preload", "/x.php", "/etc/php/8.2/fpm/php.ini"))
        == "sed -i --follow-symlinks -E '/^[[:space:]]*opcache\\.preload[[:space:]]*=/d' "
           "/etc/php/8.2/fpm/php.ini && "
           "systemctl reload php8.2-fpm");
  PhpSettings none;
  CHECK(command(none)
        == "apt-get install -y php8.2-opcache && phpenmod -v 8.2 -s fpm opcache && "
           "systemctl reload php8.2-fpm");
}

TEST_CASE("a setting that the plan has none of is removed, not written") {
  const auto found = findings(with("opcache.max_file_size", "1000", "/etc/php/8.2/fpm/php.ini"));
  REQUIRE(found.size() == 1);
  CHECK(moodle::mend_command(found[0], fpm, "/c.php")
        == "sed -i --follow-symlinks -E '/^[[:space:]]*opcache\\.max_file_size[[:space:]]*=/d' "
           "/etc/php/8.2/fpm/php.ini && systemctl reload php8.2-fpm");
}

TEST_CASE("the command that mends keeps the policy") {
  const auto found = findings(with("opcache.use_cwd", "0"));
  REQUIRE(found.size() == 1);
  CHECK(moodle::mend_command(found[0], fpm, "/c.php",
                             moodle::write_options({.immutable = true, .headroom_percent = 50}))
        == "moodle-opcache write --config /c.php --sapi fpm --php 8.2 --immutable --headroom 50 && "
           "systemctl reload php8.2-fpm");
  CHECK(moodle::write_options({.revalidate_seconds = 30}) == " --revalidate-freq 30");
  CHECK(moodle::write_options({}).empty());
}
