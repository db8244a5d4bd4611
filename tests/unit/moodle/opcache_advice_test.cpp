#include "moodle/opcache_advice.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace fs = std::filesystem;

namespace {

/// A folder that stands for /etc.
class Etc {
public:
  Etc() {
    std::string name = (fs::temp_directory_path() / "moodle-aws-toolkit-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Etc() { fs::remove_all(path_); }
  Etc(const Etc&) = delete;
  Etc& operator=(const Etc&) = delete;

  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << content;
  }

  [[nodiscard]] std::string path() const { return path_; }

  /// "service enabled validates seconds", a line each.
  [[nodiscard]] std::string settings() const {
    php::Runtime php(std::chrono::seconds(20));
    std::string text;
    for (const auto& one : moodle::opcache_settings(php, path_.string())) {
      text += fmt::format("{} {} {} {}\n", one.service, one.enabled, one.validates, one.seconds);
    }
    return text;
  }

private:
  fs::path path_;
};

} // namespace

TEST_CASE("a host that serves no PHP") {
  const Etc etc;
  CHECK(etc.settings().empty());
  etc.write("php/8.2/cli/php.ini", "zend_extension=opcache\n");
  CHECK(etc.settings().empty());
}

TEST_CASE("PHP-FPM on Debian: the later file wins, and a pool over all") {
  const Etc etc;
  etc.write("php/8.2/fpm/php.ini", "[opcache]\n;opcache.enable=0\nopcache.revalidate_freq=300\n");
  CHECK(etc.settings() == "php8.2-fpm false true 300\n"); // not loaded
  etc.write("php/8.2/fpm/conf.d/10-opcache.ini", "zend_extension=opcache.so\n");
  CHECK(etc.settings() == "php8.2-fpm true true 300\n");
  etc.write("php/8.2/fpm/conf.d/99-site.ini",
            "opcache.revalidate_freq = \"60\"\nopcache.validate_timestamps = Off\n");
  CHECK(etc.settings() == "php8.2-fpm true false 60\n");
  etc.write("php/8.2/fpm/pool.d/www.conf",
            "[www]\nuser = www-data\npm.max_children = 5\n"
            "php_admin_flag[opcache.validate_timestamps] = on\n"
            "php_admin_value[opcache.revalidate_freq] = 15\nphp_admin_value[memory_limit] = 1G\n");
  CHECK(etc.settings() == "php8.2-fpm true true 15\n");
}

TEST_CASE("PHP's own defaults") {
  const Etc etc;
  etc.write("php/8.2/fpm/php.ini", "zend_extension=/usr/lib/php/20220829/opcache.so\n");
  CHECK(etc.settings() == "php8.2-fpm true true 2\n");
}

TEST_CASE("Apache's module counts when it is enabled") {
  const Etc etc;
  etc.write("php/8.2/apache2/php.ini", "zend_extension=opcache\nopcache.enable=0\n");
  CHECK(etc.settings().empty());
  etc.write("apache2/mods-enabled/php8.2.load", "");
  CHECK(etc.settings() == "apache2 false true 2\n");
}

TEST_CASE("Amazon Linux") {
  const Etc etc;
  etc.write("php.ini", "");
  etc.write("php.d/10-opcache.ini", "zend_extension=opcache\nopcache.enable=1\n");
  etc.write("php-fpm.d/www.conf", "[www]\nphp_value[opcache.revalidate_freq] = 90\n");
  CHECK(etc.settings() == "php-fpm true true 90\n");
}

TEST_CASE("files that are no ini files count for nothing") {
  const Etc etc;
  etc.write("php/8.2/fpm/php.ini", "zend_extension=opcache\n");
  etc.write("php/8.2/fpm/conf.d/99-bad.ini", "(((\n\xff\xfe[[[ opcache ]\n");
  CHECK(etc.settings() == "php8.2-fpm true true 2\n");
}

TEST_CASE("the advice says what has to be done, and where") {
  using Lines = std::vector<std::string>;
  const std::string others = "the other web servers keep the file in an OPcache of their own, each";
  CHECK(moodle::reload_advice({}, "/site/config.php")
        == Lines{"no PHP serves pages on this host: on each web server, reload PHP so that its "
                 "OPcache sees the new /site/config.php"});
  CHECK(moodle::reload_advice({{"php8.2-fpm", true, true, 300}}, "/c")
        == Lines{"php8.2-fpm on this host sees the new /c within 300 s (opcache.revalidate_freq), "
                 "or after 'systemctl reload php8.2-fpm'",
                 others});
  CHECK(moodle::reload_advice({{"apache2", true, false, 2}, {"php-fpm", false, true, 2}}, "/c")
        == Lines{"apache2 on this host does not see the new /c until 'systemctl reload apache2' "
                 "(opcache.validate_timestamps is 0)",
                 "php-fpm on this host sees the new /c at once (no OPcache)", others});
}

TEST_CASE("settings that cannot be read in time do not fail what was done") {
  const Etc etc;
  etc.write("php/8.2/fpm/php.ini", "zend_extension=opcache\n");
  php::Runtime php(std::chrono::milliseconds(1));
  CHECK_THROWS_AS(moodle::opcache_settings(php, etc.path()), cli::Error);
  const cli::Log log("unit-moodle");
  moodle::ReloadAdvice advice(php, log, etc.path());
  CHECK_NOTHROW(advice.give("/site/config.php"));
}
