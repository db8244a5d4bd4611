#include "report.hpp"

#include "cli/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace {

using State = Outcome::State;

struct Line {
  const Result* result;
  const Finding* finding;
};

/// All findings, most severe first, otherwise in the order of the checks.
std::vector<Line> sorted(const std::vector<Result>& results) {
  std::vector<Line> lines;
  for (const Result& result : results) {
    for (const Finding& finding : result.outcome.findings) {
      lines.push_back({&result, &finding});
    }
  }
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return a.finding->severity > b.finding->severity;
  });
  return lines;
}

std::size_t count(const std::vector<Result>& results, State state) {
  return static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(),
                    [&](const Result& result) { return result.outcome.state == state; }));
}

std::size_t count(const std::vector<Line>& lines, Severity severity) {
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const Line& line) {
    return line.finding->severity == severity;
  }));
}

/// The number with its word: "1 error", "2 errors".
std::string counted(std::size_t number, const char* word) {
  return fmt::format("{} {}{}", number, word, number == 1 ? "" : "s");
}

/// `text` in lines of `width` columns at most; those after the first begin with `indent` blanks.
/// The first one has as many columns taken already. Words stay whole.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  if (width <= indent + 20) { // no room to break lines in
    return text;
  }
  std::string out;
  std::size_t column = indent;
  for (const std::string& word : cli::split(text, ' ')) {
    if (column > indent && column + 1 + word.size() > width) {
      out += '\n';
      out.append(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

constexpr std::size_t severity_width = 9;
constexpr std::size_t name_width = 22;
constexpr std::size_t indent = severity_width + name_width;

std::string coloured(const std::string& text, const char* code, const Style& style) {
  return style.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

const char* colour_of(Severity severity) {
  switch (severity) {
  case Severity::error:
    return "1;31";
  case Severity::warning:
    return "33";
  case Severity::note:
    break;
  }
  return "36";
}

/// What comes from the site may hold anything; a terminal gets to see it, not to obey it.
std::string visible(const std::string& text) {
  constexpr std::size_t longest = 10'000;
  return cli::shown(text, longest);
}

std::string describe(const Line& line, const Style& style) {
  const Finding& finding = *line.finding;
  std::string out = coloured(fmt::format("{:<{}}", text(finding.severity), severity_width),
                             colour_of(finding.severity), style);
  out += fmt::format("{:<{}}", line.result->name, name_width);
  out += wrapped(visible(finding.object + " " + finding.what), indent, style.width) + '\n';
  const std::string margin(indent, ' ');
  out +=
      margin
      + wrapped(visible(fmt::format("{} ({})", finding.why, finding.source)), indent, style.width)
      + '\n';
  if (!finding.mend.empty()) { // on a line of its own, to be copied whole
    out += margin + coloured("$ " + visible(finding.mend), "1", style) + '\n';
  }
  return out;
}

std::string describe_unchecked(const Result& result, const char* word, const Style& style) {
  return fmt::format("{:<{}}{:<{}}{}\n", word, severity_width, result.name, name_width,
                     wrapped(visible(result.outcome.reason), indent, style.width));
}

const char* word_for(State state) {
  switch (state) {
  case State::checked:
    return "checked";
  case State::not_applicable:
    return "not-applicable";
  case State::not_possible:
    break;
  }
  return "not-possible";
}

/// Text in XML, without the characters that XML has no way to write: controls, U+FFFE and U+FFFF.
std::string xml(const std::string& text) {
  std::string out;
  const std::string plain = cli::shown(text, 100'000);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain.compare(i, 3, "\xEF\xBF\xBE") == 0 || plain.compare(i, 3, "\xEF\xBF\xBF") == 0) {
      out += "\xEF\xBF\xBD"; // the character for one that cannot be shown
      i += 2;
      continue;
    }
    switch (const char c = plain[i]) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    default:
      out += c;
    }
  }
  return out;
}

std::string whole(const Finding& finding) {
  return fmt::format("{} {}\n{} ({}){}", finding.object, finding.what, finding.why, finding.source,
                     finding.mend.empty() ? "" : "\n$ " + finding.mend);
}

/// The lines of `whole()`, each escaped.
std::string xml_lines(const Finding& finding) {
  std::vector<std::string> lines;
  for (const std::string& line : cli::split(whole(finding), '\n')) {
    lines.push_back(xml(line));
  }
  return cli::join(lines, "\n");
}

/// A test case has one failure at most: that of its most severe finding, with the text of all.
std::string test_case(const Result& result, Severity least) {
  std::string body;
  const Outcome& outcome = result.outcome;
  std::vector<std::string> failing;
  std::vector<std::string> others;
  const Finding* worst = nullptr;
  for (const Finding& finding : outcome.findings) {
    if (is_at_or_above(finding, least)) {
      failing.push_back(xml_lines(finding));
      worst = worst == nullptr || finding.severity > worst->severity ? &finding : worst;
    } else {
      others.push_back(xml_lines(finding));
    }
  }
  if (worst != nullptr) {
    body += fmt::format("<failure type=\"{}\" message=\"{}\">{}</failure>", text(worst->severity),
                        xml(worst->object + " " + worst->what), cli::join(failing, "\n\n"));
  }
  if (outcome.state != State::checked) {
    body +=
        fmt::format("<skipped message=\"{}: {}\"/>", word_for(outcome.state), xml(outcome.reason));
  }
  if (!others.empty()) {
    body += fmt::format("<system-out>{}</system-out>", cli::join(others, "\n\n"));
  }
  return fmt::format("    <testcase classname=\"moodle-check.{}\" name=\"{}\">{}</testcase>\n",
                     result.group, result.name, body);
}

} // namespace

bool is_at_or_above(const Finding& finding, Severity least) {
  return finding.severity >= least;
}

std::string as_text(const std::vector<Result>& results, const Style& style) {
  const std::vector<Line> lines = sorted(results);
  std::string out;
  for (const Line& line : lines) {
    out += describe(line, style);
  }
  for (const Result& result : results) {
    if (result.outcome.state == State::not_possible) {
      out += describe_unchecked(result, "unknown", style);
    } else if (result.outcome.state == State::not_applicable && style.verbose) {
      out += describe_unchecked(result, "-", style);
    }
  }
  out += fmt::format("{}, {}, {} in {} of {}", counted(count(lines, Severity::error), "error"),
                     counted(count(lines, Severity::warning), "warning"),
                     counted(count(lines, Severity::note), "note"), count(results, State::checked),
                     counted(results.size(), "check"));
  if (const std::size_t unknown = count(results, State::not_possible); unknown > 0) {
    out += fmt::format("; {} could not be made", unknown);
  }
  return out + "\n";
}

std::string as_json(const std::vector<Result>& results, const std::string& site,
                    const std::string& release) {
  using Json = nlohmann::ordered_json;
  const std::vector<Line> lines = sorted(results);
  Json checks = Json::array();
  for (const Result& result : results) {
    Json findings = Json::array();
    for (const Finding& finding : result.outcome.findings) {
      findings.push_back({{"severity", text(finding.severity)},
                          {"object", finding.object},
                          {"what", finding.what},
                          {"why", finding.why},
                          {"source", finding.source},
                          {"mend", finding.mend.empty() ? Json() : Json(finding.mend)}});
    }
    checks.push_back(
        {{"name", result.name},
         {"group", result.group},
         {"state", word_for(result.outcome.state)},
         {"reason", result.outcome.reason.empty() ? Json() : Json(result.outcome.reason)},
         {"findings", std::move(findings)}});
  }
  const Json report{{"format", 1},
                    {"config", site},
                    {"moodle", release.empty() ? Json() : Json(release)},
                    {"errors", count(lines, Severity::error)},
                    {"warnings", count(lines, Severity::warning)},
                    {"notes", count(lines, Severity::note)},
                    {"not_possible", count(results, State::not_possible)},
                    {"checks", std::move(checks)}};
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string as_junit(const std::vector<Result>& results, Severity least) {
  const auto failures = std::count_if(results.begin(), results.end(), [&](const Result& result) {
    return std::any_of(result.outcome.findings.begin(), result.outcome.findings.end(),
                       [&](const Finding& finding) { return is_at_or_above(finding, least); });
  });
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  out += fmt::format("  <testsuite name=\"moodle-check\" tests=\"{}\" failures=\"{}\" errors=\"0\" "
                     "skipped=\"{}\">\n",
                     results.size(), failures, results.size() - count(results, State::checked));
  for (const Result& result : results) {
    out += test_case(result, least);
  }
  return out + "  </testsuite>\n</testsuites>\n";
}
