#include "cli/error.hpp"
#include "fuzz.hpp"
#include "moodle/session_config.hpp"
#include "php_pieces.hpp"

#include <algorithm>
#include <array>

namespace {

using moodle::SessionSettings;
using php::Array;
using php::Value;

const std::string path = "/site/config.php";

constexpr std::array starts{
    "<?php\nunset($CFG);\nglobal $CFG;\n$CFG = new stdClass();\n", "<?php $CFG = new stdClass;\n",
    "<?php // config\n\n$CFG = (object) [];\n", "#!/usr/bin/php\n<?php\n$CFG = new stdClass();\n",
    "<?= $CFG = (object) [], "};

constexpr std::array requires_setup{
    "require_once(__DIR__ . '/lib/setup.php');",
    "require_once __DIR__ . '/lib/setup.php' ;",
    "require_once(dirname(__FILE__) . '/lib/setup.php'); // go",
    "include_once\n  __DIR__.\"/lib/setup.php\";",
    "@require_once(__DIR__ . '/lib/setup.php');",
    "/* here */ require_once(/* this */ __DIR__ . '/lib/setup.php' /* one */);",
    "if (true) require(__DIR__ . '/lib/setup.php');",
    "$r = require(__DIR__ . '/lib/setup.php');",
    "require __DIR__ . '/lib/setup.php' ?>\n",
    "\"{$CFG->{require 'lib/setup.php'}}\";",
    "(function () { require(__DIR__ . '/lib/setup.php'); })();",
    "true && require(__DIR__ . '/lib/setup.php');"};

constexpr std::array statements{"\n",
                                "\r\n",
                                "\t \t",
                                ";",
                                "{",
                                "}",
                                "?>\n<?php\n",
                                "?>\n\n<?php // again\n",
                                "/** doc **/",
                                "if (true) {\n",
                                "if (false) {\n",
                                "} else {\n",
                                "if (1):\n",
                                "endif;\n",
                                "else: ",
                                "while (false) ",
                                "foreach ([1, 2] as $k) ",
                                "switch (1) { case 1: ",
                                "default: ",
                                "break;\n",
                                "try { ",
                                "} finally { }\n",
                                "do { ",
                                "} while (false);\n",
                                "function () { ",
                                "($f = function () { ",
                                "})();\n",
                                "fn() => ",
                                "declare(strict_types=1);\n",
                                "namespace site;\n",
                                "return;\n",
                                "exit;\n",
                                "__halt_compiler();",
                                "<?php ",
                                "<?= ",
                                "#",
                                "//",
                                "/*",
                                "*/",
                                "[",
                                "]",
                                "(",
                                ")",
                                "\"",
                                "'",
                                "\"{$CFG->dataroot}",
                                "${",
                                "<<<X\n",
                                "\nX;\n",
                                "\nX",
                                "<<<'X'\n",
                                "#[A]\n",
                                "// moodle-session: begin. These lines belong to "
                                "moodle-session(1); 'moodle-session unset' removes "
                                "them.\n",
                                "// moodle-session: end.\n",
                                "// moodle-session: end.",
                                "# moodle-session: begin\n",
                                "$CFG->session_handler_class = '\\core\\session\\redis';\n",
                                "$CFG->session_redis_host = 'old';\n",
                                "$CFG->session_redis_lock_expire = 60;\n",
                                "$CFG->dbsessions = true;\n",
                                "unset($CFG->session_redis_host);\n",
                                "$CFG->now = microtime();\n",
                                "$CFG->f = [1, [2 => '3']];\n",
                                "$CFG = clone $CFG;\n",
                                "$CFG->g = &$CFG->h;\n",
                                "$CFG->i = PHP_INT_MAX;\n"};

template <std::size_t Count>
std::string pick(FuzzedDataProvider& input, const std::array<const char*, Count>& pieces) {
  return pieces[input.ConsumeIntegralInRange<std::size_t>(0, Count - 1)];
}

/// Bytes of the input, without those that could end what they are put in.
std::string bytes(FuzzedDataProvider& input, std::string_view without) {
  std::string text = input.ConsumeRandomLengthString(40);
  std::erase_if(text, [&](char c) { return without.find(c) != std::string_view::npos; });
  return text;
}

/// Something with bytes of the input in it. Whatever begins before it, a comment or a string among
/// that, these bytes call no function: they hold no "(" and no "`", what follows them is no "(",
/// and they end neither the line nor the string, nor open PHP.
std::string with_bytes(FuzzedDataProvider& input) {
  const std::string inner = bytes(input, "()`=<$\\'\"{}[]/*:?#\r\n");
  switch (input.ConsumeIntegralInRange(0, 5)) {
  case 0:
    return "// " + inner + "\n";
  case 1:
    return "/* " + inner + " */";
  case 2:
    return "$CFG->s = '" + inner + "';\n";
  case 3:
    return "$CFG->d = \"" + inner + "\";\n";
  case 4:
    return "?>" + inner + "<?php ";
  default:
    return "$CFG->{'" + inner + "'} = 1;\n";
  }
}

std::string config_file(FuzzedDataProvider& input) {
  std::string text = pick(input, starts);
  const auto more = [&] {
    for (int left = input.ConsumeIntegralInRange(0, 12); left > 0; --left) {
      text += input.ConsumeIntegralInRange(0, 3) == 0 ? with_bytes(input) : pick(input, statements);
    }
  };
  more();
  text += pick(input, requires_setup);
  more();
  return text;
}

SessionSettings settings(FuzzedDataProvider& input) {
  const auto handler = input.PickValueInArray({"redis", "memcached", "database", "file"});
  SessionSettings wanted{std::string("\\core\\session\\") + handler, {}};
  const std::string prefix = std::string("session_") + handler + "_";
  if (prefix == "session_redis_" || prefix == "session_memcached_") {
    wanted.values.emplace_back(prefix + "host", input.ConsumeRandomLengthString(40));
    wanted.values.emplace_back(prefix + "port", input.ConsumeIntegral<std::int64_t>());
    if (input.ConsumeBool()) {
      Array array;
      array.set("peer_name", input.ConsumeRandomLengthString(20));
      array.set("verify_peer", true);
      wanted.values.emplace_back(prefix + "encrypt", array);
    }
  }
  return wanted;
}

/// $CFG without what the settings are about, and without what changes by itself.
Array rest(Array cfg, const std::string& prefix) {
  std::erase_if(cfg.entries, [&](const auto& entry) {
    const auto* const key = std::get_if<std::string>(&entry.first);
    return key != nullptr
           && (*key == "session_handler_class" || *key == "now" || key->starts_with(prefix));
  });
  return cfg;
}

/// What Moodle would see.
void check(const Array& cfg, const Array& before, const SessionSettings& wanted) {
  const std::string prefix = "session_" + moodle::session_handler_name(wanted.handler_class) + "_";
  const Value* const handler = cfg.find("session_handler_class");
  fuzz::require(handler != nullptr && *handler == Value(wanted.handler_class));
  for (const auto& [key, value] : wanted.values) {
    const Value* const found = cfg.find(key);
    fuzz::require(found != nullptr && *found == value);
  }
  const auto ours = std::count_if(cfg.entries.begin(), cfg.entries.end(), [&](const auto& entry) {
    const auto* const key = std::get_if<std::string>(&entry.first);
    return key != nullptr && key->starts_with(prefix);
  });
  fuzz::require(wanted.values.empty() || ours == static_cast<std::ptrdiff_t>(wanted.values.size()));
  fuzz::require(rest(cfg, prefix) == rest(before, prefix));
}

void edit(const std::string& content, const SessionSettings& wanted) {
  php::Runtime& php = fuzz::php_runtime();
  moodle::Site site;
  site.config_path = path;
  site.config_content = content;
  site.php = &php;
  site.evaluation = moodle::evaluate_config(php, path, content);
  const moodle::SessionConfig config(site);
  const std::string base = config.without(content);
  const std::string after = config.with(content, wanted);
  config.verify(after, content, wanted); // a command refuses what does not pass
  check(moodle::evaluate_config(php, path, after).cfg, moodle::evaluate_config(php, path, base).cfg,
        wanted);
  fuzz::require(config.without(after) == base);
  fuzz::require(config.with(after, wanted) == after);
  fuzz::require(config.is_managed(after) == (after != base));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const SessionSettings wanted = settings(input);
  const std::string content = config_file(input);
  try {
    edit(content, wanted);
  } catch (const cli::Error&) {
  }
  return 0;
}
