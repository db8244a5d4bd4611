#include "aws/lint.hpp"
#include "cli/text.hpp"
#include "verbs.hpp"

#include <map>

using cli::ExitCode;

void List::declare(cli::Options& options) {
  options.text("templates", folder_, "DIR", "the folder of the component templates");
}

ExitCode List::run(cli::Context& context) {
  std::vector<aws::Template> templates = aws::read_all(templates_folder(folder_));
  std::erase_if(templates, aws::is_generated);
  const std::vector<aws::Component> components = aws::components_of(templates);
  std::map<std::string, const aws::Component*> givers;
  for (const aws::Component& component : components) {
    for (const aws::Output& output : component.templ->outputs) {
      givers[component.output_name(output.name)] = &component;
    }
  }
  for (const aws::Component& component : components) {
    context.print(fmt::format("{}\tfile\t{}\t{}\n", component.name, component.file(),
                              component.optional ? "optional" : "default"));
    for (const aws::Parameter& parameter : component.templ->parameters) {
      const std::string name = component.parameter_name(parameter.name);
      const auto giver = givers.find(name);
      const bool joined = giver != givers.end() && giver->second != &component;
      context.print(fmt::format("{}\t{}\t{}\t{}\n", component.name,
                                parameter.optional() ? "takes" : "needs", name,
                                joined ? giver->second->name : "-"));
    }
    for (const aws::Output& output : component.templ->outputs) {
      context.print(
          fmt::format("{}\tgives\t{}\t-\n", component.name, component.output_name(output.name)));
    }
  }
  return ExitCode::ok;
}
