#include "ini_text.hpp"

#include "cli/error.hpp"
#include "moodle/managed_block.hpp"
#include "moodle/opcache_findings.hpp"

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

constexpr const char* script = R"php(
$read = @parse_ini_string($text, false, INI_SCANNER_RAW);
$found = [];
foreach (is_array($read) ? $read : ['' => ''] as $name => $value) {
    $found[] = [(string) $name, is_string($value) ? $value : ''];
}
)php";

/// "On" in one file and "1" in another are the same to PHP.
bool same(const std::string& setting, const std::string& one, const std::string& other) {
  moodle::PhpSettings a;
  moodle::PhpSettings b;
  a.values[setting] = {one, ""};
  b.values[setting] = {other, ""};
  const auto word = [](const std::string& text) {
    return text == "On" || text == "on" || text == "Off" || text == "off";
  };
  return one == other || ((word(one) || word(other)) && a.on(setting) == b.on(setting));
}

} // namespace

std::string ini_text(const std::vector<moodle::OpcacheSetting>& plan) {
  std::string text = "; Written by moodle-opcache, which replaces the whole file when it is run\n"
                     "; again. PHP reads it after the other files of this folder.\n";
  for (const moodle::OpcacheSetting& setting : plan) {
    text += fmt::format("\n; {}\n{} = {}\n", setting.reason, setting.name,
                        setting.value.empty() ? "\"\"" : setting.value);
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> parse_ini(php::Runtime& php,
                                                           const std::string& text) {
  const php::Run run =
      php.run({.path = "/moodle-opcache.php",
               .content = fmt::format("<?php $text = {};{}", moodle::php_literal(text), script),
               .stop_at = {},
               .stop_marker = {},
               .constants = {},
               .variables = {"found"}});
  const php::Value* const found = run.variables.find("found");
  std::vector<std::pair<std::string, std::string>> read;
  if (found != nullptr && found->array() != nullptr) {
    for (const auto& [key, pair] : found->array()->entries) {
      const auto& words = pair.array()->entries;
      read.emplace_back(*words[0].second.string(), *words[1].second.string());
    }
  }
  if (read.empty() || read.front().first.empty()) {
    throw Error(ExitCode::data, "PHP does not read it as an .ini file");
  }
  return read;
}

std::vector<std::string> overruled(const std::vector<moodle::OpcacheSetting>& plan,
                                   const moodle::PhpSettings& settings,
                                   const moodle::PhpService& service) {
  std::vector<std::string> lines;
  for (const moodle::OpcacheSetting& setting : plan) {
    const std::string where = settings.where(setting.name);
    const std::string text = settings.text(setting.name);
    if (moodle::wins_over_ini(where, service) && !same(setting.name, text, setting.value)) {
      lines.push_back(fmt::format("{} sets {} to {}", shown(where), setting.name,
                                  text.empty() ? "nothing" : shown(text)));
    }
  }
  return lines;
}
