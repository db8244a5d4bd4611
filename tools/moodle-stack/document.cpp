#include "aws/command_document.hpp"
#include "aws/lint.hpp"
#include "cli/text.hpp"
#include "verbs.hpp"

#include <algorithm>
#include <iterator>

using cli::Error;
using cli::ExitCode;
using cli::shown;

void Document::declare(cli::Options& options) {
  options.text("templates", folder_, "DIR", "the folder of the component templates");
  options.positionals("[NAME]", name_, 0, 1);
}

ExitCode Document::run(cli::Context& context) {
  std::vector<aws::Template> templates = aws::read_all(templates_folder(folder_));
  std::erase_if(templates, aws::is_generated);
  const std::vector<aws::CommandDocument> documents = aws::command_documents(templates);
  if (name_.empty()) {
    std::string listing;
    for (const aws::CommandDocument& document : documents) {
      listing += fmt::format("{}\t{}\n", document.name, shown(document.description));
    }
    context.print(listing);
    return ExitCode::ok;
  }
  const auto at = std::find_if(documents.begin(), documents.end(),
                               [&](const auto& document) { return document.name == name_[0]; });
  if (at == documents.end()) {
    std::vector<std::string> names;
    std::transform(documents.begin(), documents.end(), std::back_inserter(names),
                   [](const aws::CommandDocument& document) { return document.name; });
    throw Error(ExitCode::usage, fmt::format("there is no document '{}'", shown(name_[0])),
                names.empty() ? "none of the templates creates one"
                              : "choose among " + cli::join(names, ", "));
  }
  context.print(at->json);
  return ExitCode::ok;
}
