#include "aws/cli_json.hpp"
#include "aws/site_facts.hpp"
#include "cli/command.hpp"
#include "cli/input.hpp"
#include "format.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace {

using cli::Error;
using cli::ExitCode;

class FactsCommand : public cli::Command {
public:
  void declare(cli::Options& options) override {
    options.positionals("[JSON-FILE|-]...", files_, 0, 10'000);
    options.group("Facts");
    options.list("set", settings_, "NAME=VALUE",
                 "set a fact, in place of what was there; the same name again makes a list");
    options.flag("ignore-unknown", ignore_unknown_,
                 "leave out documents that are none of those known, instead of refusing them");
    options.group("Output");
    options.text("get", get_, "NAME",
                 "print the values of one fact, a line each; exit 1 without any");
    options.choice("format", format_, {"facts", "json", "shell"},
                   "facts (the default), a JSON object, or assignments for eval");
    options.group("Which is the site's own, where the documents do not tell");
    options.text("stack-name", choices_.stack_name, "NAME", "the main stack");
    options.text("alb", choices_.load_balancer, "NAME", "the load balancer");
    options.text("db-cluster", choices_.db_cluster, "ID", "the database cluster");
    options.text("efs-id", choices_.efs_id, "ID", "the file system");
    options.text("app-cache", choices_.app_cache, "ID", "the application's cache");
    options.text("session-cache", choices_.session_cache, "ID", "the sessions' cache");
    options.text("web-asg", choices_.web_asg, "NAME", "the web servers' auto scaling group");
  }

  void validate(const cli::Options& options) override {
    if (files_.empty() && settings_.empty() && !options.given("facts")) {
      throw Error(ExitCode::usage, "there is nothing to read",
                  "name files with AWS CLI JSON, or '-' for standard input");
    }
    const auto dashes = std::count(files_.begin(), files_.end(), "-");
    if (dashes > 0 && !options.standard_input().empty()) {
      throw Error(ExitCode::usage,
                  fmt::format("standard input can be read only once, but {} and '-' both name it",
                              options.standard_input()));
    }
    if (dashes > 1) {
      throw Error(ExitCode::usage, "standard input can be read only once, but '-' is given twice");
    }
    if (get_ && format_ != "facts") {
      throw Error(ExitCode::usage, "--get and --format exclude each other");
    }
    try {
      if (get_) {
        cli::Facts::check(*get_, "");
      }
      for (const std::string& setting : settings_) {
        read_setting(setting);
      }
    } catch (const Error& error) {
      throw Error(ExitCode::usage, error.message(), error.hint());
    }
  }

  ExitCode run(cli::Context& context) override {
    if (!files_.empty()) {
      read_documents(context);
    }
    for (const auto& [name, values] : set_) {
      context.result(name, values);
    }
    return get_ ? print_one(context) : print_all(context);
  }

private:
  void read_setting(const std::string& setting) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      throw Error(ExitCode::usage, fmt::format("'{}' is not NAME=VALUE", cli::shown(setting)));
    }
    const std::string name = setting.substr(0, equals);
    const std::string value = setting.substr(equals + 1);
    cli::Facts::check(name, value);
    const auto same = std::find_if(set_.begin(), set_.end(),
                                   [&](const auto& earlier) { return earlier.first == name; });
    if (same == set_.end()) {
      set_.push_back({name, {value}});
    } else {
      same->second.push_back(value);
    }
  }

  void read_documents(cli::Context& context) const {
    aws::Inventory inventory;
    for (const std::string& file : files_) {
      const cli::Input input = cli::read_input(file, aws::max_input_bytes);
      context.log().detail(fmt::format("read {} bytes from {}", input.text.size(), input.name));
      aws::read_cli_json(input.text, input.name,
                         ignore_unknown_ ? aws::Unknown::ignore : aws::Unknown::refuse, inventory);
    }
    const aws::SiteFacts site = aws::site_facts(inventory, choices_, context.facts());
    for (const std::string& remark : site.remarks) {
      context.log().warning(remark);
    }
    for (const auto& [name, values] : site.facts) {
      context.result(name, values);
    }
  }

  [[nodiscard]] ExitCode print_one(cli::Context& context) const {
    context.print("");
    const std::vector<std::string> values = context.facts().all(*get_);
    for (const std::string& value : values) {
      context.print(value + "\n");
    }
    return values.empty() ? ExitCode::negative : ExitCode::ok;
  }

  [[nodiscard]] ExitCode print_all(cli::Context& context) const {
    if (format_ == "json") {
      context.print(as_json(context.facts()));
    } else if (format_ == "shell") {
      context.print(as_shell(context.facts()));
    }
    return ExitCode::ok;
  }

  std::vector<std::string> files_;
  std::vector<std::string> settings_;
  std::vector<std::pair<std::string, std::vector<std::string>>> set_; ///< what settings_ mean
  std::optional<std::string> get_;
  std::string format_ = "facts";
  bool ignore_unknown_ = false;
  aws::Choices choices_;
};

} // namespace

int main(int argc, char** argv) {
  const cli::Tool tool{
      "moodle-facts",
      "Turn AWS CLI JSON into facts about a Moodle site, and facts into JSON or shell",
      {cli::verb<FactsCommand>(
          "", "Turn AWS CLI JSON into facts about a Moodle site, and facts into JSON or shell")}};
  return cli::run(tool, argc, argv);
}
