#include "cli/error.hpp"
#include "moodle/cache_servers.hpp"
#include "moodle/session_config.hpp"

#include <doctest/doctest.h>

using moodle::SessionConfig;
using moodle::SessionSettings;

namespace {

constexpr std::chrono::milliseconds patience{60'000};
constexpr const char* path = "/tmp/site/config.php";
const std::string head = "<?php\n$CFG = new stdClass();\n";
const std::string require = "require_once(__DIR__ . '/lib/setup.php');\n";
const SessionSettings memcached{
    "\\core\\session\\memcached",
    {{"session_memcached_save_path", "h:1"}, {"session_memcached_lock_expire", 5}}};

/// Sets, checks that it holds, and gives the new content.
std::string set(const std::string& content, const SessionSettings& wanted) {
  php::Runtime php(patience);
  moodle::Site site;
  site.php = &php;
  site.config_path = path;
  site.config_content = content;
  site.evaluation = moodle::evaluate_config(php, path, content);
  const SessionConfig config(site);
  const std::string after = config.with(content, wanted);
  config.verify(after, content, wanted);
  CHECK(config.with(after, wanted) == after);
  CHECK(config.without(after) == config.without(content));
  return after;
}

php::Array cfg(std::initializer_list<std::pair<const char*, php::Value>> values) {
  php::Array array;
  for (const auto& [key, value] : values) {
    array.set(key, value);
  }
  return array;
}

} // namespace

TEST_CASE("the handler in force, as Moodle chooses it") {
  using moodle::session_handler_class;
  CHECK(session_handler_class({}) == "\\core\\session\\file");
  CHECK(session_handler_class(cfg({{"dbsessions", true}})) == "\\core\\session\\database");
  CHECK(session_handler_class(cfg({{"dbsessions", "0"}})) == "\\core\\session\\file");
  CHECK(session_handler_class(cfg({{"session_handler_class", "core\\session\\redis"}}))
        == "\\core\\session\\redis");
  CHECK(moodle::session_handler_name("\\core\\session\\redis") == "redis");
  CHECK(moodle::session_handler_name("\\local\\own") == "\\local\\own");
}

TEST_CASE("the servers of the handler in force") {
  const auto servers =
      moodle::session_servers(cfg({{"session_handler_class", "\\core\\session\\memcached"},
                                   {"session_memcached_save_path", "a:1, b ,/socket,c:3"},
                                   {"session_redis_host", "r"}}));
  REQUIRE(servers.size() == 3);
  CHECK(servers[1].text() == "b:11211");
  CHECK(moodle::session_servers(cfg({{"session_memcached_save_path", "a:1"}})).empty());
  CHECK(moodle::is_among({"A.Example.", 1}, {{"b", 1}, {"a.example", 1}}));
  CHECK_FALSE(moodle::is_among({"a", 1}, {{"a", 2}, {"b", 1}}));
}

TEST_CASE("what is there already is left alone") {
  const std::string own = head
                          + "$CFG->session_handler_class = '\\core\\session\\memcached';\n"
                            "$CFG->session_memcached_save_path = 'h:1';\n"
                            "$CFG->session_memcached_lock_expire = 5;\n"
                          + require;
  CHECK(set(own, memcached) == own);
  CHECK(set(head + require, memcached) != head + require);
}

TEST_CASE("settings of the handler that are not wanted are taken back") {
  const std::string with = set(
      head + "$CFG->session_memcached_prefix = 'p';\n$CFG->session_redis_host = 'r';\n" + require,
      memcached);
  CHECK(with.find("unset($CFG->session_memcached_prefix);\n") != std::string::npos);
  CHECK(with.find("unset($CFG->session_redis_host)") == std::string::npos);
}

TEST_CASE("a handler without settings of ours keeps the site's") {
  const std::string with = set(head + "$CFG->session_file_save_path = '/mnt/s';\n" + require,
                               {"\\core\\session\\file", {}});
  CHECK(with.find("unset($CFG") == std::string::npos);
}

TEST_CASE("the lines can be exchanged for those of another handler") {
  const std::string first = set(head + require, memcached);
  const std::string second = set(first, {"\\core\\session\\database", {}});
  CHECK(second.find("memcached") == std::string::npos);
  CHECK(set(second, memcached) == first);
}

TEST_CASE("values that change by themselves do not count as changed") {
  set(head + "$CFG->jsrev = hrtime(true);\n$CFG->list = [random_int(0, PHP_INT_MAX)];\n" + require,
      memcached);
}

TEST_CASE("lines that would not count, or would change something else, are refused") {
  for (const std::string& text :
       {std::string("if (false) { } else "), std::string("for ($i = 0; $i < 1; $i++) "),
        std::string("?><?= 1, ")}) {
    CAPTURE(text);
    CHECK_THROWS_AS(set(head + text + require, memcached), cli::Error);
  }
}
