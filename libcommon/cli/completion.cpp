#include "cli/completion.hpp"

#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace cli {

namespace {

/// What is proposed in some place: words, and perhaps a kind of path.
struct Proposal {
  std::string words;
  std::string paths; ///< the name that compopt has for them; empty for none

  auto operator<=>(const Proposal&) const = default;
};

/// Metavars in capitals name what the user has to know; those in small letters are the words
/// themselves.
bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Proposal proposal(const std::string& metavar) {
  if (metavar.find("FILE") != std::string::npos) {
    return {"", "default"};
  }
  if (metavar == "DIR") {
    return {"", "dirnames"};
  }
  const std::vector<std::string> words = split(metavar, '|');
  return {std::all_of(words.begin(), words.end(), is_word) ? join(words, " ") : "", ""};
}

/// The options whose values are proposed in the same way stand in one line.
std::string value_cases(const std::vector<Options::Shape>& options) {
  std::map<Proposal, std::vector<std::string>> patterns;
  for (const Options::Shape& option : options) {
    if (option.metavar.empty()) {
      continue;
    }
    std::vector<std::string>& same = patterns[proposal(option.metavar)];
    same.push_back("--" + option.long_name);
    if (!option.short_name.empty()) {
      same.push_back("-" + option.short_name);
    }
  }
  std::string text;
  for (const auto& [proposed, names] : patterns) {
    text += fmt::format("        {}) words='{}' paths='{}' ;;\n", join(names, " | "),
                        proposed.words, proposed.paths);
  }
  return text;
}

std::string verb_case(const VerbShape& verb) {
  std::vector<std::string> names;
  for (const Options::Shape& option : verb.options) {
    names.push_back("--" + option.long_name);
  }
  std::string text = fmt::format("    {})\n", verb.name.empty() ? "''" : verb.name);
  text += fmt::format("      words='{}'\n", join(names, " "));
  const std::string paths = proposal(verb.arguments).paths;
  if (!paths.empty()) {
    text += fmt::format("      [[ $current == -* ]] || words='' paths='{}'\n", paths);
  }
  const std::string cases = value_cases(verb.options);
  if (!cases.empty()) {
    text += fmt::format("      case $before in\n{}      esac\n", cases);
  }
  return text + "      ;;\n";
}

} // namespace

std::string bash_completion(const std::string& command, const std::vector<VerbShape>& verbs) {
  std::string function = "_" + command;
  std::replace(function.begin(), function.end(), '-', '_');
  std::string text = fmt::format("# Completion of {0} for bash, made by {0} --completion bash.\n"
                                 "{1}() {{\n"
                                 "  local current=${{COMP_WORDS[COMP_CWORD]}}\n"
                                 "  local before=${{COMP_WORDS[COMP_CWORD - 1]}}\n"
                                 "  local verb='' words='' paths=''\n"
                                 "  # The '=' of --name=value is a word of its own.\n"
                                 "  if [[ $current == '=' ]]; then\n"
                                 "    current=''\n"
                                 "  elif [[ $before == '=' ]]; then\n"
                                 "    before=${{COMP_WORDS[COMP_CWORD - 2]}}\n"
                                 "  fi\n",
                                 command, function);
  const bool has_verbs = verbs.size() != 1 || !verbs.front().name.empty();
  if (has_verbs) {
    std::vector<std::string> words;
    for (const VerbShape& verb : verbs) {
      words.push_back(verb.name);
    }
    text += fmt::format("  if ((COMP_CWORD > 1)); then\n"
                        "    verb=${{COMP_WORDS[1]}}\n"
                        "  else\n"
                        "    words='{} --completion --help --version'\n"
                        "  fi\n",
                        join(words, " "));
  }
  text += "  case $verb in\n";
  for (const VerbShape& verb : verbs) {
    text += verb_case(verb);
  }
  if (has_verbs) {
    text += "    --completion) words='bash' ;;\n";
  }
  return text
         + fmt::format("  esac\n"
                       "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                       "  if [[ $paths ]]; then\n"
                       "    compopt -o \"$paths\"\n"
                       "  fi\n"
                       "}}\n"
                       "complete -F {} {}\n",
                       function, command);
}

} // namespace cli
