#include "checks.hpp"

namespace {

/// For what comes just after its deadline, and says more than that it did not come.
constexpr std::chrono::milliseconds grace{250};

Result collect(const Check& check, std::future<Outcome>& answer, const net::Deadline& deadline) {
  Result result{check.name, check.group(), {}};
  try {
    auto outcome = net::wait_for(answer, net::Deadline(deadline.left() + grace));
    result.outcome =
        outcome ? std::move(*outcome)
                : Outcome::not_possible(fmt::format("no answer within {}", deadline.text()));
  } catch (const std::exception& error) { // a library's own, too
    result.outcome = Outcome::not_possible(error.what());
  }
  return result;
}

} // namespace

const char* text(Severity severity) noexcept {
  switch (severity) {
  case Severity::note:
    return "note";
  case Severity::warning:
    return "warning";
  case Severity::error:
    break;
  }
  return "error";
}

std::vector<Check> checks_of(const SharedSubject& subject, const std::vector<Question>& questions) {
  std::vector<Check> checks;
  checks.reserve(questions.size());
  for (const Question& question : questions) {
    checks.push_back({question.name, [subject, ask = question.ask] { return ask(*subject); }});
  }
  return checks;
}

std::vector<Result> ask_all(const std::vector<Check>& checks, const net::Deadline& deadline) {
  std::vector<std::future<Outcome>> running;
  running.reserve(checks.size());
  for (const Check& check : checks) {
    running.push_back(net::start_detached(check.ask));
  }
  std::vector<Result> results;
  results.reserve(checks.size());
  for (std::size_t i = 0; i < checks.size(); ++i) {
    results.push_back(collect(checks[i], running[i], deadline));
  }
  return results;
}
