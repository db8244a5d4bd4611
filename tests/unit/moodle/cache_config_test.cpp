#include "cli/error.hpp"
#include "moodle/cache_config.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <sstream>

using moodle::CacheConfig;
using moodle::CacheMode;
using php::Array;

namespace {

constexpr std::chrono::milliseconds patience{60'000};
const moodle::StorePlugin memcached{"memcached", 20, 1};

std::string fixture(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(std::string(FIXTURES) + "/muc/" + name, std::ios::binary).rdbuf();
  REQUIRE_FALSE(text.str().empty());
  return text.str();
}

struct Fixture {
  php::Runtime php{patience};

  CacheConfig parse(const std::string& content) {
    return CacheConfig::parse(php, "/tmp/config.php", content);
  }
  cli::ExitCode code_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const cli::Error& error) {
      return error.code();
    }
    return cli::ExitCode::ok;
  }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "what Moodle wrote is written back byte for byte") {
  for (const char* name :
       {"moodle-4.1-before.php", "moodle-4.1-store-added.php", "moodle-4.1-store-mapped.php",
        "moodle-4.5-before.php", "moodle-4.5-store-added.php", "moodle-4.5-store-mapped.php"}) {
    CAPTURE(name);
    CHECK(parse(fixture(name)).text(php) == fixture(name));
  }
}

TEST_CASE_FIXTURE(Fixture, "stores, chains and servers") {
  const CacheConfig config = parse(fixture("moodle-4.5-store-mapped.php"));
  CHECK(config.store_names()
        == std::vector<std::string>{"default_application", "default_session", "default_request",
                                    "elasticache"});
  CHECK(config.chain(CacheMode::application) == std::vector<std::string>{"elasticache"});
  REQUIRE(config.store("elasticache") != nullptr);
  const auto servers = moodle::store_servers(*config.store("elasticache"));
  REQUIRE(servers.size() == 1);
  CHECK(servers.front().text() == "127.0.0.1:6379");
  CHECK(config.store("Elasticache") == nullptr);
}

TEST_CASE("the servers of a memcached store, in the forms that Moodle takes") {
  const auto list = [](std::initializer_list<const char*> parts) {
    Array entry;
    for (const char* part : parts) {
      entry.push(part);
    }
    return entry;
  };
  Array servers;
  servers.push(list({"::1", "11212", "3"}));
  servers.push(list({"a", "1"}));
  servers.push("b:2:100");
  servers.push("c");
  Array configuration;
  configuration.set("servers", servers);
  configuration.set("setservers", servers);
  Array store;
  store.set("plugin", "memcached");
  store.set("configuration", configuration);
  std::vector<std::string> texts;
  for (const net::Endpoint& server : moodle::store_servers(store)) {
    texts.push_back(server.text());
  }
  CHECK(texts == std::vector<std::string>{"[::1]:11212", "a:1", "b:2", "c:11211"});
}

TEST_CASE_FIXTURE(Fixture, "removing a store takes it out of chains and definitions") {
  CacheConfig config = parse(fixture("moodle-4.1-store-mapped.php"));
  config.set_store("second", memcached, {});
  config.set_chain(CacheMode::application, {"second", "elasticache"});
  CHECK(config.remove_store("second"));
  CHECK(config.chain(CacheMode::application) == std::vector<std::string>{"elasticache"});
  CHECK(config == parse(fixture("moodle-4.1-store-mapped.php")));
  CHECK(config.remove_store("elasticache"));
  CHECK(config == parse(fixture("moodle-4.1-before.php")));
  CHECK_FALSE(config.remove_store("elasticache"));
}

TEST_CASE_FIXTURE(Fixture, "mappings to a store that does not exist are found, and removed") {
  CacheConfig config = parse(fixture("moodle-4.1-store-mapped.php"));
  CHECK(config.missing_stores().empty());
  std::string text = fixture("moodle-4.1-store-mapped.php");
  const std::string entry = "'store' => 'elasticache'";
  text.replace(text.rfind(entry), entry.size(), "'store' => 'gone'");
  config = parse(text);
  CHECK(config.missing_stores() == std::vector<std::string>{"gone"});
  CHECK(config.remove_store("gone"));
  CHECK(config.missing_stores().empty());
  CHECK_FALSE(config.remove_store("gone"));
}

TEST_CASE_FIXTURE(Fixture, "chains that Moodle could not use are refused") {
  CacheConfig config = parse(fixture("moodle-4.1-store-mapped.php"));
  const CacheConfig before = config;
  for (const auto& [mode, stores] : std::vector<std::pair<CacheMode, std::vector<std::string>>>{
           {CacheMode::application, {"gone"}},
           {CacheMode::session, {"elasticache"}},
           {CacheMode::application, {"elasticache", "elasticache"}}}) {
    CHECK(code_of([&] { config.set_chain(mode, stores); }) == cli::ExitCode::config);
  }
  CHECK(code_of([&] { config.set_store("default_session", memcached, {}); })
        == cli::ExitCode::config);
  CHECK(code_of([&] {
          config.set_store("elasticache", {"redis", 26, 3}, {});
        })
        == cli::ExitCode::config);
  CHECK(code_of([&] { config.remove_store("default_request"); }) == cli::ExitCode::config);
  CHECK(config == before);
}

TEST_CASE_FIXTURE(Fixture, "a store under another one's key is not overwritten") {
  std::string content = fixture("moodle-4.1-store-mapped.php");
  const std::string name = "'name' => 'elasticache'";
  content.replace(content.find(name), name.size(), "'name' => 'renamed'");
  CacheConfig config = parse(content);
  const CacheConfig before = config;
  CHECK(code_of([&] { config.set_store("elasticache", memcached, {}); }) == cli::ExitCode::config);
  CHECK(config == before);
}

TEST_CASE_FIXTURE(Fixture, "a store named by a number has the key that PHP gives it") {
  CacheConfig config = parse(fixture("moodle-4.1-before.php"));
  for (const char* name : {"12", "0", "-3", "012", "9223372036854775808"}) {
    config.set_store(name, memcached, {});
  }
  CHECK(config.text(php).find("    12 => \n") != std::string::npos);
  CHECK(config.text(php).find("    '012' => \n") != std::string::npos);
  CHECK(parse(config.text(php)) == config);
}

TEST_CASE_FIXTURE(Fixture, "a file that lacks what Moodle adds when it loads one gets it, once") {
  CacheConfig config = parse(
      "<?php $configuration = ["
      "'stores' => ['a' => ['name' => 'a', 'plugin' => 'file', 'lock' => 'gone']],"
      "'modemappings' => [], 'definitions' => ["
      "  'x/a' => ['mode' => 1, 'sharingoptions' => 3], 'x/s' => ['mode' => 2]],"
      "'definitionmappings' => [], 'locks' => ["
      "  'first' => ['name' => 'first'], 'second' => ['name' => 'second', 'default' => 1]]];");
  config.complete();
  const CacheConfig wanted = parse("<?php $configuration = ["
                                   "'stores' => ['a' => ['name' => 'a', 'plugin' => 'file', 'lock' "
                                   "=> 'second', 'class' => 'cachestore_file',"
                                   "                     'default' => false]],"
                                   "'modemappings' => [], 'definitions' => ["
                                   "  'x/a' => ['mode' => 1, 'sharingoptions' => 3, "
                                   "'selectedsharingoption' => 2, 'userinputsharingkey' => ''],"
                                   "  'x/s' => ['mode' => 2, 'sharingoptions' => 2, "
                                   "'selectedsharingoption' => 2, 'userinputsharingkey' => '']],"
                                   "'definitionmappings' => [], 'locks' => ["
                                   "  'first' => ['name' => 'first', 'default' => false], 'second' "
                                   "=> ['name' => 'second', 'default' => true]]];");
  CHECK(config == wanted);
  config.complete();
  CHECK(config == wanted);
}

TEST_CASE_FIXTURE(Fixture, "what is no cache configuration") {
  for (const char* content :
       {"", "<?php ", "<?php $configuration = [];", "<?php $configuration = ;", "<?php exit;",
        "<?php $configuration = 'x';",
        "<?php $configuration = ['stores' => fopen('/dev/null', 'r')];"}) {
    CAPTURE(content);
    CHECK(code_of([&] { parse(content); }) == cli::ExitCode::data);
  }
}

TEST_CASE_FIXTURE(Fixture, "a file that computes something is known by it") {
  const std::string before = fixture("moodle-4.1-before.php");
  const auto with = [&](const std::string& value) {
    std::string content = before;
    const std::size_t at = content.find("'9f3f");
    return content.replace(at, content.find('\'', at + 1) - at + 1, value);
  };
  for (const char* computed :
       {"@$CFG->x . 'a'", "getenv('X')", "$_SERVER['X'] ?? 'a'", "PHP_VERSION", "\"a$b\"",
        "1 ? 2 : 3", "include 'x.php'", "strtoupper('a')", "Foo::class"}) {
    CAPTURE(computed);
    CHECK(parse(with(computed)).computed_line().value_or(0) > 1);
  }
  for (const char* literal :
       {"'b'", "\"b\"", "-1.5", "NULL", "[1, 'a' => true]", "array ( 2, ) /* 2 */"}) {
    CAPTURE(literal);
    CHECK_FALSE(parse(with(literal)).computed_line());
  }
  CHECK_FALSE(parse(before).computed_line());
  CHECK(parse("<?php $host = 'a';" + before.substr(5)).computed_line() == 1);
}

TEST_CASE_FIXTURE(Fixture, "the first lock is the one that Moodle's writer takes") {
  const CacheConfig config = parse(fixture("moodle-4.5-before.php"));
  REQUIRE(config.first_lock() != nullptr);
  CHECK(config.first_lock()->text("dir") == "filelocks");
}
