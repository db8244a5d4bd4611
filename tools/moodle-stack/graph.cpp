#include "cli/text.hpp"
#include "verbs.hpp"

#include <map>

using cli::ExitCode;

namespace {

struct Flow {
  const aws::Component* from;
  const aws::Component* to;
  std::vector<std::string> names;
};

/// What each stack takes from each other one, in the order of the plan.
std::vector<Flow> flows_of(const aws::Plan& plan) {
  std::vector<Flow> flows;
  for (const aws::LinkedStack& stack : plan.stacks) {
    std::map<const aws::Component*, std::size_t> at;
    for (const aws::Argument& argument : stack.arguments) {
      if (argument.provider == nullptr) {
        continue;
      }
      const auto [known, is_new] = at.emplace(argument.provider, flows.size());
      if (is_new) {
        flows.push_back({argument.provider, stack.component, {}});
      }
      flows[known->second].names.push_back(argument.provider->output_name(argument.source));
    }
  }
  return flows;
}

/// What may be absent at run time is drawn with a broken line.
std::string mermaid(const aws::Plan& plan) {
  std::string out = "flowchart TD\n";
  for (const aws::LinkedStack& stack : plan.stacks) {
    const aws::Component& component = *stack.component;
    out += fmt::format("  {}[{}]\n", component.logical_id, component.name);
  }
  for (const Flow& flow : flows_of(plan)) {
    out += fmt::format("  {} {}|{}| {}\n", flow.from->logical_id,
                       flow.from->enabled_by.empty() ? "-->" : "-.->",
                       cli::join(flow.names, "<br>"), flow.to->logical_id);
  }
  return out;
}

std::string dot(const aws::Plan& plan) {
  std::string out = "digraph stack {\n  node [shape=box];\n";
  for (const aws::LinkedStack& stack : plan.stacks) {
    const aws::Component& component = *stack.component;
    out += fmt::format("  {} [label=\"{}\"{}];\n", component.logical_id, component.name,
                       component.enabled_by.empty() ? "" : ", style=dashed");
  }
  for (const Flow& flow : flows_of(plan)) {
    out += fmt::format("  {} -> {} [label=\"{}\"{}];\n", flow.from->logical_id, flow.to->logical_id,
                       cli::join(flow.names, "\\n"),
                       flow.from->enabled_by.empty() ? "" : ", style=dashed");
  }
  return out + "}\n";
}

} // namespace

void Graph::declare(cli::Options& options) {
  options.choice("format", format_, {"dot", "mermaid"}, "how to draw (default mermaid)");
  selection_.declare(options);
}

void Graph::validate(const cli::Options&) {
  selection_.validate();
}

ExitCode Graph::run(cli::Context& context) {
  const aws::Plan plan = selection_.plan();
  context.print(format_ == "dot" ? dot(plan) : mermaid(plan));
  return ExitCode::ok;
}
