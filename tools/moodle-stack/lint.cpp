#include "aws/lint.hpp"

#include "verbs.hpp"

using cli::ExitCode;

void Lint::declare(cli::Options& options) {
  options.positionals("DIR|FILE...", paths_, 0, 1000);
}

void Lint::validate(const cli::Options&) {
  if (paths_.empty()) {
    throw cli::Error(ExitCode::usage, "nothing is named to check",
                     "name the templates, or the folder that holds them");
  }
}

ExitCode Lint::run(cli::Context& context) {
  const aws::TemplateSet set = aws::read_set(paths_);
  std::string listing;
  for (const cli::Error& error : set.unreadable) {
    listing +=
        fmt::format("{}{}{}\n", error.message(), error.hint().empty() ? "" : "; ", error.hint());
  }
  const std::vector<aws::Finding> findings = aws::lint(set);
  for (const aws::Finding& finding : findings) {
    listing += fmt::format("{}:{}: {}; {}\n", cli::shown(finding.path), finding.line, finding.fault,
                           finding.todo);
  }
  context.print(listing);
  const std::size_t faults = set.unreadable.size() + findings.size();
  context.log().info(fmt::format("{} template(s), {} fault(s)",
                                 set.templates.size() + set.unreadable.size(), faults));
  return faults == 0 ? ExitCode::ok : ExitCode::negative;
}
