#include "selection.hpp"

#include "aws/lint.hpp"
#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>

namespace fs = std::filesystem;
using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

/// Moodle's memcached client has no TLS, so an engine of that name is set up without.
constexpr std::string_view engine_without_tls = "memcached";

std::vector<std::string> names_of(const std::vector<aws::Component>& components) {
  std::vector<std::string> names;
  std::transform(components.begin(), components.end(), std::back_inserter(names),
                 [](const aws::Component& component) { return component.name; });
  return names;
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

} // namespace

std::string templates_folder(const std::optional<std::string>& named) {
  if (named) {
    return *named;
  }
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  if (error) {
    throw cli::system_error(error.value(), "cannot find this command's own path",
                            "name the folder of the templates with --templates");
  }
  return (executable.parent_path() / STACKS_FROM_BIN).lexically_normal().string();
}

void Selection::declare(cli::Options& options) {
  options.group("What the site is made of");
  options.list("with", with_, "COMPONENT", "add a component that is left out by default");
  options.list("without", without_, "COMPONENT",
               "leave a component out; what others need of it becomes a parameter");
  options.number("zones", zones_, 2, 6, "number of availability zones (the parameter ZoneCount)");
  options.choice("cache-engine", engine_, {"memcached", "redis", "valkey"},
                 "engine of both caches; with memcached, also without TLS");
  options.list("set", settings_, "PARAMETER=VALUE", "set a parameter of the main template");
  options.text("templates", folder_, "DIR", "the folder of the component templates");
}

void Selection::validate() {
  for (const std::string& name : with_) {
    if (holds(without_, name)) {
      throw Error(ExitCode::usage,
                  fmt::format("component {} is asked for and left out", shown(name)));
    }
  }
  for (const std::string& setting : settings_) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(
          ExitCode::usage,
          fmt::format("'{}' is not a value for --set: it takes PARAMETER=VALUE", shown(setting)));
    }
    const std::string name = setting.substr(0, equals);
    if (std::any_of(values_.begin(), values_.end(),
                    [&](const auto& value) { return value.first == name; })) {
      throw Error(ExitCode::usage, fmt::format("parameter {} is set twice", shown(name)));
    }
    values_.emplace_back(name, setting.substr(equals + 1));
  }
}

aws::Plan Selection::plan() {
  templates_ = aws::read_all(templates_folder(folder_));
  std::erase_if(templates_, aws::is_generated);
  components_ = aws::components_of(templates_);
  aws::Plan plan = aws::link(chosen());
  set_engine(plan);
  if (zones_) {
    values_.emplace_back("ZoneCount", std::to_string(*zones_));
  }
  for (const auto& [name, value] : values_) {
    plan.set(name, value);
  }
  return plan;
}

const aws::Component& Selection::component(const std::string& name) const {
  const auto at = std::find_if(components_.begin(), components_.end(),
                               [&](const aws::Component& c) { return c.name == name; });
  if (at == components_.end()) {
    throw Error(ExitCode::usage, fmt::format("there is no component '{}'", shown(name)),
                "choose among " + cli::join(names_of(components_), ", "));
  }
  return *at;
}

std::vector<const aws::Component*> Selection::chosen() const {
  for (const std::string& name : with_) {
    (void)component(name);
  }
  for (const std::string& name : without_) {
    (void)component(name);
  }
  std::vector<const aws::Component*> chosen;
  for (const aws::Component& candidate : components_) {
    const bool wanted = !candidate.optional || holds(with_, candidate.name);
    if (wanted && !holds(without_, candidate.name)) {
      chosen.push_back(&candidate);
    }
  }
  if (chosen.empty()) {
    throw Error(ExitCode::usage, "no component is left");
  }
  return chosen;
}

void Selection::set_engine(aws::Plan& plan) {
  if (engine_.empty()) {
    return;
  }
  bool found = false;
  for (const aws::LinkedStack& stack : plan.stacks) {
    const aws::Component& cache = *stack.component;
    if (!cache.is_instance || cache.templ->parameter("Engine") == nullptr) {
      continue;
    }
    found = true;
    // In front of what --set says, which has the last word.
    values_.emplace(values_.begin(), cache.parameter_name("Engine"), engine_);
    if (engine_ == engine_without_tls) {
      values_.emplace(values_.begin(), cache.parameter_name("Tls"), "false");
    }
  }
  if (!found) {
    throw Error(ExitCode::usage, "--cache-engine is of no use: no cache is among the components");
  }
}
