#include "aws/lint.hpp"

#include "verbs.hpp"

using cli::ExitCode;

void Lint::declare(cli::Options& options) {
  options.positionals("DIR|FILE...", paths_, 1, 1000);
}

ExitCode Lint::run(cli::Context& context) {
  const std::vector<aws::Template> templates = aws::read_set(paths_);
  const std::vector<aws::Finding> findings = aws::lint(templates);
  std::string listing;
  for (const aws::Finding& finding : findings) {
    listing += fmt::format("{}:{}: {}; {}\n", cli::shown(finding.path), finding.line, finding.fault,
                           finding.todo);
  }
  context.print(listing);
  context.log().info(
      fmt::format("{} template(s), {} fault(s)", templates.size(), findings.size()));
  return findings.empty() ? ExitCode::ok : ExitCode::negative;
}
