#include "cli/options.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

namespace cli {

namespace po = boost::program_options;

namespace {

using Strings = std::vector<std::string>;

Error bad_value(const std::string& names, const std::string& value, const std::string& wanted) {
  return {ExitCode::usage, fmt::format("'{}' is not a value for --{}: {}", shown(value),
                                       split(names, ',')[0], wanted)};
}

std::chrono::milliseconds parse_seconds(const std::string& names, const std::string& text) {
  constexpr double day = 86'400;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const auto milliseconds = static_cast<std::int64_t>(
      error == std::errc{} && std::isfinite(value) && value <= day ? std::lround(value * 1000) : 0);
  if (error != std::errc{} || end != text.data() + text.size() || milliseconds < 1) {
    throw bad_value(names, text, "seconds are a number above 0 and at most 86400");
  }
  return std::chrono::milliseconds(milliseconds);
}

/// Boost refuses "--name=" although it takes "--name ''"; both mean the empty value.
Strings split_empty_values(const Strings& arguments) {
  Strings out;
  bool options_ended = false;
  for (const std::string& argument : arguments) {
    options_ended = options_ended || argument == "--";
    if (!options_ended && argument.size() > 3 && argument.starts_with("--")
        && argument.find('=') == argument.size() - 1) {
      out.push_back(argument.substr(0, argument.size() - 1));
      out.emplace_back();
    } else {
      out.push_back(argument);
    }
  }
  return out;
}

/// Boost names the option with or without its dashes, depending on the error.
std::string explain(const po::error& error) {
  if (const auto* unknown = dynamic_cast<const po::unknown_option*>(&error)) {
    return fmt::format("unknown option '{}'", shown(unknown->get_option_name()));
  }
  if (const auto* twice = dynamic_cast<const po::multiple_occurrences*>(&error)) {
    return fmt::format("option '{}' is given more than once", shown(twice->get_option_name()));
  }
  if (const auto* syntax = dynamic_cast<const po::invalid_command_line_syntax*>(&error)) {
    if (syntax->kind() == po::invalid_command_line_syntax::missing_parameter) {
      return fmt::format("option '{}' needs a value", shown(syntax->get_option_name()));
    }
    if (syntax->kind() == po::invalid_command_line_syntax::extra_parameter) {
      return fmt::format("option '{}' takes no value", shown(syntax->get_option_name()));
    }
  }
  return shown(error.what());
}

} // namespace

void Options::group(std::string title) {
  group_ = std::move(title);
}

void Options::add(const std::string& names, const std::string& metavar, const std::string& help,
                  bool repeatable, From from, std::function<void(const Strings&)> set) {
  options_.push_back({.names = names,
                      .long_name = split(names, ',')[0],
                      .metavar = metavar,
                      .help = help,
                      .group = group_,
                      .repeatable = repeatable,
                      .from = from,
                      .set = std::move(set)});
}

void Options::flag(const std::string& names, bool& target, const std::string& help) {
  add(names, "", help, false, From::command_line, [&target](const Strings&) { target = true; });
}

void Options::text(const std::string& names, std::optional<std::string>& target,
                   const std::string& metavar, const std::string& help, From from) {
  add(names, metavar, help, false, from,
      [&target](const Strings& values) { target = values.front(); });
}

void Options::input(const std::string& names, std::optional<std::string>& target,
                    const std::string& help) {
  text(names, target, "FILE", help);
  options_.back().input = true;
}

void Options::list(const std::string& names, Strings& target, const std::string& metavar,
                   const std::string& help, From from) {
  add(names, metavar, help, true, from, [&target](const Strings& values) { target = values; });
}

void Options::choice(const std::string& names, std::string& target, const Strings& choices,
                     const std::string& help, From from) {
  add(names, join(choices, "|"), help, false, from,
      [&target, names, choices](const Strings& values) {
        if (std::find(choices.begin(), choices.end(), values.front()) == choices.end()) {
          throw bad_value(names, values.front(), "choose one of " + join(choices, ", "));
        }
        target = values.front();
      });
}

void Options::parsed(const std::string& names, const std::string& metavar, const std::string& help,
                     std::function<void(const std::string&)> read, From from) {
  add(names, metavar, help, false, from, [names, read = std::move(read)](const Strings& values) {
    try {
      read(values.front());
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("--{}: {}", split(names, ',')[0], error.message()),
                  error.hint());
    }
  });
}

void Options::number(const std::string& names, std::optional<std::uint64_t>& target,
                     std::uint64_t least, std::uint64_t most, const std::string& help, From from) {
  add(names, "N", help, false, from, [&target, names, least, most](const Strings& values) {
    const auto value = parse_unsigned(values.front());
    if (!value || *value < least || *value > most) {
      throw bad_value(names, values.front(),
                      fmt::format("it takes a whole number from {} to {}", least, most));
    }
    target = value;
  });
}

void Options::seconds(const std::string& names, std::chrono::milliseconds& target,
                      const std::string& help) {
  add(names, "SECONDS", help, false, From::command_line,
      [&target, names](const Strings& values) { target = parse_seconds(names, values.front()); });
}

void Options::seconds(const std::string& names, std::optional<std::chrono::milliseconds>& target,
                      const std::string& help) {
  add(names, "SECONDS", help, false, From::command_line,
      [&target, names](const Strings& values) { target = parse_seconds(names, values.front()); });
}

void Options::positionals(const std::string& metavar, Strings& target, std::size_t least,
                          std::size_t most) {
  positional_metavar_ = metavar;
  positionals_ = &target;
  least_positionals_ = least;
  most_positionals_ = most;
}

void Options::parse(const Strings& arguments) {
  po::options_description description;
  for (const Option& option : options_) {
    if (option.metavar.empty()) {
      description.add_options()(option.names.c_str(), option.help.c_str());
    } else {
      description.add_options()(option.names.c_str(), po::value<Strings>(), option.help.c_str());
    }
  }
  Strings rest;
  std::vector<Strings> values(options_.size());
  std::vector<std::size_t> times(options_.size());
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const auto parsed = po::command_line_parser(split_empty_values(arguments))
                            .options(description)
                            .style(style)
                            .run();
    for (const po::option& found : parsed.options) {
      if (found.position_key >= 0 || found.string_key.empty()) {
        rest.insert(rest.end(), found.value.begin(), found.value.end());
        continue;
      }
      const auto at = std::find_if(options_.begin(), options_.end(), [&](const Option& option) {
        return option.long_name == found.string_key;
      });
      const auto index = static_cast<std::size_t>(at - options_.begin());
      ++times[index];
      values[index].insert(values[index].end(), found.value.begin(), found.value.end());
    }
  } catch (const po::error& error) {
    throw Error(ExitCode::usage, explain(error));
  }
  for (std::size_t i = 0; i < options_.size(); ++i) {
    Option& option = options_[i];
    if (times[i] == 0) {
      continue;
    }
    if (times[i] > 1 && !option.repeatable && !option.metavar.empty()) {
      throw Error(ExitCode::usage,
                  fmt::format("option '--{}' is given more than once", option.long_name));
    }
    try {
      for (const std::string& value : values[i]) {
        Facts::check(option.long_name, value);
      }
    } catch (const Error& error) {
      throw Error(ExitCode::usage, error.message(), error.hint());
    }
    option.set(values[i]);
    option.given = true;
    if (option.input && values[i].front() == "-") {
      take_standard_input(option);
    }
  }
  if (rest.size() > most_positionals_) {
    throw Error(ExitCode::usage,
                fmt::format("unexpected argument '{}'", shown(rest[most_positionals_])));
  }
  if (positionals_ != nullptr) {
    *positionals_ = std::move(rest);
  }
}

void Options::take_standard_input(const Option& option) {
  std::string name = "--" + option.long_name;
  if (!standard_input_.empty()) {
    throw Error(ExitCode::usage,
                fmt::format("standard input can be read only once, but {} and {} both name it",
                            standard_input_, name));
  }
  standard_input_ = std::move(name);
}

void Options::require_arguments() const {
  if (positionals_ != nullptr && positionals_->size() < least_positionals_) {
    throw Error(ExitCode::usage, fmt::format("{} is missing", positional_metavar_));
  }
}

void Options::apply(const Facts& facts) {
  for (Option& option : options_) {
    if (option.from != From::facts || option.given) {
      continue;
    }
    const Strings values = facts.all(option.long_name);
    if (values.empty()) {
      continue;
    }
    if (values.size() > 1 && !option.repeatable) {
      throw Error(ExitCode::data,
                  fmt::format("the fact '{}' is there {} times; only one can be used",
                              option.long_name, values.size()),
                  fmt::format("choose one with --{}", option.long_name));
    }
    try {
      option.set(values);
    } catch (const Error& error) {
      throw Error(ExitCode::data, fmt::format("in the facts: {}", error.message()), error.hint());
    }
    option.given = true;
    option.from_facts = true;
  }
}

bool Options::given(std::string_view long_name) const {
  return std::any_of(options_.begin(), options_.end(), [&](const Option& option) {
    return option.given && option.long_name == long_name;
  });
}

bool Options::from_facts(std::string_view long_name) const {
  return std::any_of(options_.begin(), options_.end(), [&](const Option& option) {
    return option.from_facts && option.long_name == long_name;
  });
}

std::vector<std::string> Options::groups() const {
  std::vector<std::string> groups;
  for (const Option& option : options_) {
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) {
      groups.push_back(option.group);
    }
  }
  return groups;
}

std::vector<Options::Shape> Options::shapes() const {
  std::vector<Shape> shapes;
  for (const std::string& group : groups()) {
    for (const Option& option : options_) {
      if (option.group == group) {
        const Strings names = split(option.names, ',');
        shapes.push_back({option.long_name, names.size() > 1 ? names[1] : "", option.metavar});
      }
    }
  }
  return shapes;
}

std::string Options::help() const {
  constexpr unsigned width = 100;
  std::ostringstream out;
  for (const std::string& group : groups()) {
    po::options_description description(group, width, width / 2);
    for (const Option& option : options_) {
      if (option.group != group) {
        continue;
      }
      if (option.metavar.empty()) {
        description.add_options()(option.names.c_str(), option.help.c_str());
      } else {
        description.add_options()(option.names.c_str(),
                                  po::value<Strings>()->value_name(option.metavar),
                                  option.help.c_str());
      }
    }
    out << '\n' << description;
  }
  return out.str();
}

void EditMode::declare(Options& options, Diff offered) {
  options.group("How to change");
  options.flag("dry-run,n", dry_run, "say what would change, and change nothing");
  if (offered == Diff::offered) {
    options.flag("diff", diff, "print the change as a unified diff, and change nothing");
  }
  options.flag("check", check, "exit with 1 if something would change, 0 if not; change nothing");
}

void EditMode::validate() const {
  if (dry_run && check && !diff) {
    throw Error(ExitCode::usage, "--dry-run and --check exclude each other");
  }
  if (static_cast<int>(dry_run) + static_cast<int>(diff) + static_cast<int>(check) > 1) {
    throw Error(ExitCode::usage, "--dry-run, --diff and --check exclude each other");
  }
}

} // namespace cli
