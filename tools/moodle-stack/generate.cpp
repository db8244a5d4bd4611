#include "output_folder.hpp"
#include "verbs.hpp"

using cli::Error;
using cli::ExitCode;

void Generate::declare(cli::Options& options) {
  options.text("output,o", folder_, "DIR", "the folder to write: new, empty, or written before");
  selection_.declare(options);
}

void Generate::validate(const cli::Options&) {
  if (!folder_ || folder_->empty()) {
    throw Error(ExitCode::usage, "the folder to write is missing", "name it with --output");
  }
  selection_.validate();
}

ExitCode Generate::run(cli::Context& context) {
  const aws::Plan plan = selection_.plan();
  Files files = {{"main.yaml", aws::main_template(plan)}};
  for (const aws::LinkedStack& stack : plan.stacks) {
    files[stack.component->file()] = stack.component->templ->text;
  }
  const bool changed = write_folder(*folder_, files);
  context.log().info(fmt::format("{}: {} component(s) in {} file(s){}", cli::shown(*folder_),
                                 plan.stacks.size(), files.size(),
                                 changed ? "" : ", as they were"));
  context.result("stack-result", changed ? "changed" : "unchanged");
  return ExitCode::ok;
}
