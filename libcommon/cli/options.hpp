#pragma once

#include "cli/facts.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// Whether an option's value may also come from the facts stream, as the fact of the same name. The
/// command line wins.
enum class From { command_line, facts };

/// The options of one command: declared once, then read from the command line and from facts.
/// Boost.Program_options does the parsing; guessing of abbreviated names is off.
class Options {
public:
  /// Options declared from here on stand below this heading in --help.
  void group(std::string title);

  /// `names` is "long" or "long,l". The references must outlive the Options.
  void flag(const std::string& names, bool& target, const std::string& help);
  void text(const std::string& names, std::optional<std::string>& target,
            const std::string& metavar, const std::string& help, From from = From::command_line);
  /// A file that is read to its end; "-" is standard input, which only one of them may name.
  void input(const std::string& names, std::optional<std::string>& target, const std::string& help);
  void list(const std::string& names, std::vector<std::string>& target, const std::string& metavar,
            const std::string& help, From from = From::command_line);
  /// One of `choices`.
  void choice(const std::string& names, std::string& target,
              const std::vector<std::string>& choices, const std::string& help,
              From from = From::command_line);
  /// A value that `read` takes in; it throws Error{usage} when the value does not fit.
  void parsed(const std::string& names, const std::string& metavar, const std::string& help,
              std::function<void(const std::string&)> read, From from = From::command_line);
  /// A whole number from `least` to `most`.
  void number(const std::string& names, std::optional<std::uint64_t>& target, std::uint64_t least,
              std::uint64_t most, const std::string& help, From from = From::command_line);
  /// Seconds with an optional fraction, above 0 and at most a day.
  void seconds(const std::string& names, std::chrono::milliseconds& target,
               const std::string& help);
  void seconds(const std::string& names, std::optional<std::chrono::milliseconds>& target,
               const std::string& help);
  /// Arguments that are no options; without this call any is an error.
  void positionals(const std::string& metavar, std::vector<std::string>& target, std::size_t least,
                   std::size_t most);

  /// Throws Error{usage} for anything that was not declared, is given twice, or does not fit.
  /// Whether enough arguments are there is asked later, by require_arguments(): broken facts are
  /// told first.
  void parse(const std::vector<std::string>& arguments);
  /// Sets every option that takes facts and was not on the command line. Throws Error{data}.
  void apply(const Facts& facts);

  /// Throws Error{usage} when arguments are missing.
  void require_arguments() const;

  /// Whether the option was on the command line or among the applied facts.
  [[nodiscard]] bool given(std::string_view long_name) const;

  /// Whether the value came from the applied facts: what is wrong with it is then Error{data}.
  [[nodiscard]] bool from_facts(std::string_view long_name) const;

  /// The option that names standard input, as in "--facts"; empty when none does.
  [[nodiscard]] const std::string& standard_input() const noexcept { return standard_input_; }

  /// What may stand in an option's place on the command line.
  struct Shape {
    std::string long_name;
    std::string short_name; ///< a letter, or empty
    std::string metavar;    ///< as --help shows the value; empty for a flag
  };
  /// The options in the order of --help.
  [[nodiscard]] std::vector<Shape> shapes() const;

  /// The option groups as --help shows them, and the arguments as the usage line shows them.
  [[nodiscard]] std::string help() const;
  [[nodiscard]] const std::string& arguments_metavar() const noexcept {
    return positional_metavar_;
  }

private:
  struct Option {
    std::string names;
    std::string long_name;
    std::string metavar; ///< empty for a flag
    std::string help;
    std::string group;
    bool repeatable = false;
    bool input = false;
    From from = From::command_line;
    std::function<void(const std::vector<std::string>&)> set;
    bool given = false;
    bool from_facts = false;
  };

  void add(const std::string& names, const std::string& metavar, const std::string& help,
           bool repeatable, From from, std::function<void(const std::vector<std::string>&)> set);

  void take_standard_input(const Option& option);

  /// The headings in the order of --help.
  [[nodiscard]] std::vector<std::string> groups() const;

  std::vector<Option> options_;
  std::string group_ = "Options";
  std::string standard_input_;
  std::string positional_metavar_;
  std::vector<std::string>* positionals_ = nullptr;
  std::size_t least_positionals_ = 0;
  std::size_t most_positionals_ = 0;
};

/// How a command that changes something was told to go about it; at most one is set.
struct EditMode {
  bool dry_run = false;
  bool diff = false;
  bool check = false;

  /// Whether the command's change can be shown as a diff: a file's can, a database row's cannot.
  enum class Diff { offered, none };

  void declare(Options& options, Diff offered = Diff::offered);
  /// Throws Error{usage} when more than one was given.
  void validate() const;
  /// Whether the change is to be made at all.
  [[nodiscard]] bool writes() const noexcept { return !dry_run && !diff && !check; }
};

} // namespace cli
