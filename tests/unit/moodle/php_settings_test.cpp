#include "cli/error.hpp"
#include "moodle/php_settings.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds patience{20'000};

class Etc {
public:
  Etc() : path_(fs::temp_directory_path() / ("php-settings-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  Etc(const Etc&) = delete;
  Etc& operator=(const Etc&) = delete;
  ~Etc() { fs::remove_all(path_); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  [[nodiscard]] std::string at(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string path() const { return path_.string(); }

private:
  fs::path path_;
};

std::string names(const Etc& etc) {
  std::string all;
  for (const moodle::PhpService& service : moodle::find_php(etc.path())) {
    all += service.name() + (service.serves ? " serves;" : ";");
  }
  return all;
}

} // namespace

TEST_CASE("every PHP of a host is found") {
  const Etc etc;
  CHECK(names(etc).empty());
  etc.write("php/8.2/cli/php.ini", "");
  etc.write("php/8.2/mods-available/opcache.ini", "");
  CHECK(names(etc) == "php8.2 (cli);");
  etc.write("php/8.2/fpm/php.ini", "");
  etc.write("php/8.2/apache2/php.ini", "");
  etc.write("php/8.4/fpm/php.ini", "");
  CHECK(names(etc) == "php8.2-fpm serves;apache2;php8.2 (cli);php8.4-fpm serves;");
  etc.write("apache2/mods-enabled/php8.2.load", "");
  CHECK(names(etc) == "php8.2-fpm serves;apache2 serves;php8.2 (cli);php8.4-fpm serves;");
}

TEST_CASE("Amazon Linux keeps one PHP") {
  const Etc etc;
  etc.write("php.d/10-opcache.ini", "zend_extension=opcache\n");
  CHECK(names(etc) == "php (cli);");
  etc.write("php-fpm.d/www.conf", "");
  CHECK(names(etc) == "php-fpm serves;");
  CHECK(moodle::find_php(etc.path()).front().ini_folder == etc.at("php.d"));
}

TEST_CASE("later files win, pools win over them, and each value has its file") {
  const Etc etc;
  etc.write("php/8.2/fpm/php.ini", "opcache.use_cwd = 0\nopcache.revalidate_freq=1\n");
  etc.write("php/8.2/fpm/conf.d/10-opcache.ini", "zend_extension = opcache.so\n");
  etc.write("php/8.2/fpm/conf.d/20-own.ini",
            "opcache.revalidate_freq = 300\n;opcache.use_cwd=1\nopcache.enable_file_override=60\n");
  etc.write("php/8.2/fpm/pool.d/www.conf", "[www]\nphp_admin_value[opcache.revalidate_freq] = 15\n"
                                           "php_value[opcache.memory_consumption] = 512\n");
  php::Runtime php(patience);
  const auto all = moodle::read_settings(php, moodle::find_php(etc.path()));
  REQUIRE(all.size() == 1);
  const moodle::PhpSettings& one = all.front();
  CHECK(one.opcache);
  CHECK_FALSE(one.xdebug);
  CHECK(one.text("opcache.revalidate_freq") == "15");
  CHECK(one.where("opcache.revalidate_freq") == etc.at("php/8.2/fpm/pool.d/www.conf"));
  CHECK(one.text("opcache.enable_file_override") == "60");
  CHECK(one.where("opcache.enable_file_override") == etc.at("php/8.2/fpm/conf.d/20-own.ini"));
  CHECK(one.text("opcache.use_cwd") == "0");
  CHECK(one.text("opcache.memory_consumption") == "128");
  CHECK(one.where("opcache.memory_consumption").empty());
  CHECK(one.ineffective.at("opcache.memory_consumption").text == "512");
}

TEST_CASE("extensions are told from what is commented out") {
  const Etc etc;
  etc.write("php/8.2/fpm/conf.d/10-opcache.ini", ";zend_extension=opcache\n");
  etc.write("php/8.2/fpm/conf.d/20-xdebug.ini", "zend_extension=\"/usr/lib/php/xdebug.so\"\n");
  php::Runtime php(patience);
  const auto all = moodle::read_settings(php, moodle::find_php(etc.path()));
  REQUIRE(all.size() == 1);
  CHECK_FALSE(all[0].opcache);
  CHECK(all[0].xdebug);
}

TEST_CASE("a line of OPcache's does not load it, and PHP 8.5 has it built in") {
  const Etc etc;
  const std::string lines = "zend_extension=xdebug.so\nopcache.enable=1\n";
  etc.write("php/8.4/fpm/conf.d/20-xdebug.ini", lines);
  etc.write("php/8.5/fpm/conf.d/20-xdebug.ini", lines);
  php::Runtime php(patience);
  const auto all = moodle::read_settings(php, moodle::find_php(etc.path()));
  REQUIRE(all.size() == 2);
  CHECK_FALSE(all[0].opcache);
  CHECK(all[1].opcache);
}

TEST_CASE("no PHP, no settings") {
  php::Runtime php(patience);
  CHECK(moodle::read_settings(php, {}).empty());
}

TEST_CASE("what php -i prints is read") {
  const moodle::PhpSettings told = moodle::parse_phpinfo(
      "phpinfo()\nPHP Version => 8.2.29\n\nDirective => Local Value => Master Value\n"
      "opcache.enable => On => On\nopcache.file_cache => no value => no value\r\n"
      "opcache.revalidate_freq => 30 => 60\nrealpath_cache_size => 4096K => 4096K\n"
      "memory_limit => 128M => 128M\nxdebug.mode => develop => develop\n",
      "php -i");
  CHECK(told.opcache);
  CHECK(told.xdebug);
  CHECK(told.on("opcache.enable"));
  CHECK(told.text("opcache.file_cache").empty());
  CHECK(told.text("opcache.revalidate_freq") == "30");
  CHECK(told.where("opcache.revalidate_freq") == "php -i");
  CHECK(told.values.count("memory_limit") == 0);
  CHECK_FALSE(moodle::parse_phpinfo("PHP Version => 8.2.29\n", "").opcache);
  CHECK_THROWS_AS(moodle::parse_phpinfo("<html>PHP Version 8.2", "x"), cli::Error);
  CHECK_THROWS_AS(moodle::parse_phpinfo("", "x"), cli::Error);
}

TEST_CASE("switches and numbers are read as PHP reads them") {
  moodle::PhpSettings settings;
  const auto on = [&](const std::string& text) {
    settings.values["x"] = {text, ""};
    return settings.on("x");
  };
  for (const char* text : {"1", "On", "YES", "true", "60", "-1"}) {
    CAPTURE(text);
    CHECK(on(text));
  }
  for (const char* text : {"0", "Off", "no", "false", "", "none", "onn"}) {
    CAPTURE(text);
    CHECK_FALSE(on(text));
  }
  const auto number = [&](const std::string& text) {
    settings.values["x"] = {text, ""};
    return settings.number("x");
  };
  CHECK(number("128") == 128);
  CHECK(number("4096K") == 4'194'304);
  CHECK(number("64m") == 67'108'864);
  CHECK(number("1G") == 1'073'741'824);
  CHECK(number("-5") == -5);
  CHECK(number("abc") == 0);
  CHECK(number("99999999999999999999999G") > 0);
}
