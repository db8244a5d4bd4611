#include "cli/error.hpp"
#include "php/runtime.hpp"

#include <doctest/doctest.h>

using php::Run;

namespace {

constexpr std::chrono::milliseconds patience{20'000};

Run run(php::Runtime& runtime, const std::string& content) {
  return runtime.run({.path = "/tmp/site/config.php",
                      .content = content,
                      .stop_at = "lib/setup.php",
                      .stop_marker = "version.php",
                      .constants = {},
                      .variables = {"CFG"}});
}

const php::Value& cfg(const Run& run) {
  const php::Value* const value = run.variables.find("CFG");
  REQUIRE(value != nullptr);
  return *value;
}

std::string text(const Run& run, const char* name) {
  const php::Value* value = cfg(run).array() ? cfg(run).array()->find(name) : nullptr;
  return value ? value->scalar_text().value_or("(no scalar)") : "(absent)";
}

} // namespace

TEST_CASE("a script stops where it requires the named file, in every form") {
  php::Runtime runtime(patience);
  for (const char* require :
       {"require_once(__DIR__ . '/lib/setup.php');",
        "require_once dirname(__FILE__).'/lib/setup.php';", "require('/nowhere/lib/setup.php');",
        "include 'lib/setup.php';", "require_once(\"$CFG->dirroot/lib/setup.php\");",
        "$x = @include_once '/a/lib/setup.php';"}) {
    CAPTURE(require);
    const Run seen =
        run(runtime, std::string("<?php\n$CFG = new stdClass();\n$CFG->dirroot = '/x';\n"
                                 "$CFG->a = 'before';\n")
                         + require + "\n$CFG->a = 'too late';\n");
    CHECK(seen.end == Run::End::stopped);
    CHECK(text(seen, "a") == "before");
    CHECK(seen.file == "/tmp/site/config.php");
    CHECK(seen.line == 5);
  }
}

TEST_CASE("every way to end is told from the others") {
  php::Runtime runtime(patience);
  CHECK(run(runtime, "<?php $CFG = 1;").end == Run::End::finished);
  CHECK(run(runtime, "<?php exit(3);").end == Run::End::exited);
  CHECK(run(runtime, "<?php die('x');").end == Run::End::exited);
  const Run syntax = run(runtime, "<?php\n$CFG = ;");
  CHECK(syntax.end == Run::End::failed);
  CHECK(syntax.message == "syntax error, unexpected token");
  CHECK(syntax.line == 2);
  const Run thrown = run(runtime, "<?php\n\nthrow new Exception('why');");
  CHECK(thrown.end == Run::End::failed);
  CHECK(thrown.message == "uncaught Exception");
  CHECK(thrown.line == 3);
  const Run memory = run(runtime, "<?php $a = str_repeat('x', 1 << 40);");
  CHECK(memory.end == Run::End::failed);
  CHECK(memory.message.starts_with("Allowed memory size of"));
}

TEST_CASE("an error tells nothing of the source") {
  php::Runtime runtime(patience);
  const auto message = [&](const char* code) {
    return run(runtime, std::string("<?php $CFG = ") + code).message;
  };
  CHECK(message("'it's\"ecret';") == "syntax error, unexpected identifier");
  CHECK(message("'it'secret\"';") == "syntax error, unexpected identifier");
  CHECK(message("'a' 'se\"c\"ret';") == "syntax error, unexpected single-quoted string");
  CHECK(message("\"a\"secret $b[\";") == "syntax error, unexpected identifier");
  CHECK(message("['a'") == "syntax error");
  CHECK(message("secret;") == "uncaught Error");
}

TEST_CASE("one script leaves nothing behind for the next") {
  php::Runtime runtime(patience);
  run(runtime, "<?php define('LEFT', 1); $CFG = 'old'; putenv('LEFT=1'); chdir('/');"
               "register_shutdown_function(function () { while (true); });");
  const Run next = run(runtime, "<?php $CFG = [defined('LEFT'), getenv('LEFT'), isset($CFG)];");
  const auto& entries = cfg(next).array()->entries;
  CHECK_FALSE(entries[0].second.truthy());
  CHECK_FALSE(entries[1].second.truthy());
  CHECK_FALSE(entries[2].second.truthy());
}

TEST_CASE("a script that loops ends with the timeout, one that crashes PHP is named") {
  php::Runtime runtime(std::chrono::milliseconds(200));
  CHECK_THROWS_WITH_AS(run(runtime, "<?php while (true) { sleep(1); }"),
                       "PHP did not finish /tmp/site/config.php within 0.2 s", cli::Error);
  php::Runtime patient(patience);
  CHECK_THROWS_AS(run(patient, "<?php function f() { array_map('f', [1]); } f();"), cli::Error);
  CHECK(run(patient, "<?php $CFG = 1;").end == Run::End::finished);
}

TEST_CASE("a script that asks for an extension gets the host's") {
  php::Runtime runtime(patience);
  const Run asked = run(runtime, "<?php $CFG = [extension_loaded('tokenizer')];");
  CHECK(cfg(asked).array()->entries[0].second.truthy());
  for (const char* question :
       {"phpversion('tokenizer') !== false", "is_callable('token_get_all')",
        "method_exists('PhpToken', 'tokenize')", "get_extension_funcs('tokenizer') !== false"}) {
    CAPTURE(question);
    php::Runtime fresh(patience);
    CHECK(cfg(run(fresh, fmt::format("<?php $CFG = {};", question))).truthy());
  }
  php::Runtime other(patience);
  const Run used = run(other, "<?php $CFG = ctype_digit('1');");
  CHECK(cfg(used).truthy());
}

TEST_CASE("values keep their types and order") {
  php::Runtime runtime(patience);
  const Run seen =
      run(runtime, "<?php $CFG = ['b' => 1, 0 => 1.5, 'a' => \"\\0x\", 'n' => null, 7 => [true],"
                   " 'o' => (object)['p' => false]];");
  CHECK(runtime.var_export(cfg(seen))
        == "array (\n  'b' => 1,\n  0 => 1.5,\n  'a' => '' . \"\\0\" . 'x',\n  'n' => NULL,\n  7 "
           "=> \n"
           "  array (\n    0 => true,\n  ),\n  'o' => \n  array (\n    'p' => false,\n  ),\n)");
  CHECK(cfg(seen).array()->find("o")->array()->class_name == "stdClass");
  CHECK(php::decode(php::encode(cfg(seen))) == cfg(seen));
}

TEST_CASE("tokens cover every byte") {
  php::Runtime runtime(patience);
  const std::string source =
      "\xef\xbb\xbf<?php // require\r\n$a = 'require';\r\nrequire_once 'x';\n?>\ntail";
  const auto tokens = runtime.tokens(source);
  std::size_t end = 0;
  std::vector<int> includes;
  for (const php::Token& token : tokens) {
    CHECK(token.offset == end);
    end += token.length;
    if (token.kind == php::TokenKind::include) {
      includes.push_back(token.line);
    }
  }
  CHECK(end == source.size());
  CHECK(includes == std::vector<int>{3});
}

TEST_CASE("no token is empty, not even where the index of a variable in a string breaks off") {
  php::Runtime runtime(patience);
  const std::string source = "<?php\n$x = <<<E\n{$y[}\nE;\n$z = \"$y[\n\";\n// after";
  std::size_t end = 0;
  for (const php::Token& token : runtime.tokens(source)) {
    CHECK(token.offset == end);
    CHECK(token.length > 0);
    end += token.length;
  }
  CHECK(end <= source.size());
}
