#pragma once

#include "moodle/opcache_plan.hpp"
#include "moodle/php_settings.hpp"
#include "php/runtime.hpp"

#include <string>
#include <vector>

/// The .ini file for the plan: each setting below its reason.
std::string ini_text(const std::vector<moodle::OpcacheSetting>& plan);

/// What PHP's own parser reads in the text: names and values, in order. Throws cli::Error{data}
/// when it takes offence.
std::vector<std::pair<std::string, std::string>> parse_ini(php::Runtime& php,
                                                           const std::string& text);

/// A setting that something else has the last word on, and who: "FILE sets opcache.use_cwd to 0".
/// Empty when the plan's file, in the service's folder, wins for all of them.
std::vector<std::string> overruled(const std::vector<moodle::OpcacheSetting>& plan,
                                   const moodle::PhpSettings& settings,
                                   const moodle::PhpService& service);
