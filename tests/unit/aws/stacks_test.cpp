// The templates that the package ships, in every combination, and mutated one by one.

#include "aws/linker.hpp"
#include "aws/lint.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

namespace {

const std::string stacks = FIXTURES "/../../stacks";

std::string findings_text(const std::vector<aws::Finding>& findings) {
  std::string out;
  for (const aws::Finding& finding : findings) {
    out += fmt::format("{}:{}: {}\n", finding.path, finding.line, finding.fault);
  }
  return out;
}

struct Catalogue {
  aws::TemplateSet set = aws::read_set({stacks});
  std::vector<aws::Component> components = aws::components_of(set.templates);
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find('\n', start);
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

/// The lines of an entry of a section: from its name to the next line that is not deeper.
std::pair<std::size_t, std::size_t> entry(const std::vector<std::string>& lines, int line) {
  const auto first = static_cast<std::size_t>(line - 1);
  std::size_t last = first + 1;
  while (last < lines.size() && lines[last].starts_with("   ")) {
    ++last;
  }
  return {first, last};
}

std::string without(const std::string& text, int line) {
  std::vector<std::string> lines = lines_of(text);
  const auto [first, last] = entry(lines, line);
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(first),
              lines.begin() + static_cast<std::ptrdiff_t>(last));
  return text_of(lines);
}

std::string renamed(const std::string& text, int line) {
  std::vector<std::string> lines = lines_of(text);
  std::string& name = lines[static_cast<std::size_t>(line - 1)];
  name.insert(name.find(':'), "Renamed");
  return text_of(lines);
}

/// The entry with another "Type:" or "Value:"; what stood below the old one is gone.
std::string with(const std::string& text, int line, const std::string& key,
                 const std::string& value) {
  std::vector<std::string> lines = lines_of(text);
  const auto [first, last] = entry(lines, line);
  std::vector<std::string> out(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(first));
  bool below = false;
  for (std::size_t i = first; i < last; ++i) {
    if (lines[i].starts_with("    " + key + ":")) {
      out.push_back("    " + key + ": " + value);
      below = true;
    } else if (!below || !lines[i].starts_with("     ")) {
      out.push_back(lines[i]);
      below = false;
    }
  }
  out.insert(out.end(), lines.begin() + static_cast<std::ptrdiff_t>(last), lines.end());
  return text_of(out);
}

/// The full set as it is generated, in which one template at a time is mutated.
class Mutants {
public:
  Mutants() {
    std::vector<const aws::Component*> all;
    for (const aws::Component& component : catalogue_.components) {
      all.push_back(&component);
    }
    const std::string main = aws::main_template(aws::link(all));
    set_ = aws::read_set({stacks});
    set_.templates.push_back(aws::Template::parse(main, stacks + "/main.yaml"));
  }

  [[nodiscard]] std::vector<aws::Template>& templates() { return set_.templates; }
  [[nodiscard]] const aws::Template& main() const { return set_.templates.back(); }
  [[nodiscard]] const std::vector<aws::Component>& components() const {
    return catalogue_.components;
  }
  [[nodiscard]] std::vector<aws::Finding> lint() const { return aws::lint(set_); }

  /// Whether the set with this text in place of the template's has a finding at that place.
  bool finds(aws::Template& templ, const std::string& text, const std::string& path,
             const std::function<bool(const aws::Template& main, const aws::Finding&)>& expected) {
    const std::string original = templ.text;
    const std::string name = templ.path;
    templ = aws::Template::parse(text, name);
    const std::vector<aws::Finding> findings = lint();
    const bool found = std::any_of(findings.begin(), findings.end(), [&](const auto& finding) {
      return finding.path == path && expected(main(), finding);
    });
    INFO(name, ": ", findings_text(findings));
    CHECK(found);
    templ = aws::Template::parse(original, name);
    ++count;
    return found;
  }

  int count = 0;

private:
  Catalogue catalogue_;
  aws::TemplateSet set_;
};

std::string line_at(const aws::Template& templ, int line) {
  const auto lines = lines_of(templ.text);
  const auto index = static_cast<std::size_t>(line - 1);
  return index < lines.size() ? lines[index] : "";
}

const std::vector<std::string> types = {"String",
                                        "Number",
                                        "CommaDelimitedList",
                                        "List<Number>",
                                        "AWS::EC2::VPC::Id",
                                        "List<AWS::EC2::Subnet::Id>"};

} // namespace

TEST_CASE("all templates are sound by themselves") {
  CHECK(findings_text(aws::lint(aws::read_set({stacks}))).empty());
}

TEST_CASE("every combination of components links, and its wiring has no fault") {
  aws::TemplateSet set = aws::read_set({stacks});
  // Room for the main template, so that the others stay where the components point.
  set.templates.reserve(set.templates.size() + 1);
  const std::vector<aws::Component> known = aws::components_of(set.templates);
  const std::size_t components = known.size();
  REQUIRE(components >= 12);
  std::size_t faulty = 0;
  for (std::size_t mask = 1; mask < std::size_t{1} << components; ++mask) {
    std::vector<const aws::Component*> chosen;
    for (std::size_t i = 0; i < components; ++i) {
      if ((mask >> i & 1U) != 0) {
        chosen.push_back(&known[i]);
      }
    }
    const std::string main = aws::main_template(aws::link(chosen));
    set.templates.push_back(aws::Template::parse(main, stacks + "/main.yaml"));
    const std::vector<aws::Finding> findings = aws::lint(set);
    set.templates.pop_back();
    if (!findings.empty() && faulty++ < 3) {
      CHECK_MESSAGE(findings.empty(), main, findings_text(findings));
    }
  }
  CHECK(faulty == 0);
}

TEST_CASE("every output that turns into facts is there") {
  Mutants set;
  for (const char* name : {"SiteUrl", "AlbDnsName", "DbHost", "DbPort", "DbName", "EfsId",
                           "EfsThroughputMode", "AppCacheEndpoint", "AppCacheEngine", "AppCacheTls",
                           "SessionCacheEndpoint", "SessionCacheEngine", "SessionCacheTls",
                           "WebAsg", "WebAsgMin", "WebAsgMax", "DocumentPrefix"}) {
    CHECK_MESSAGE(set.main().output(name) != nullptr, name);
  }
}

TEST_CASE("no template takes the database password, and user data is small and holds none") {
  Catalogue catalogue;
  for (const aws::Template& templ : catalogue.set.templates) {
    for (const aws::Parameter& parameter : templ.parameters) {
      CHECK_MESSAGE(!parameter.no_echo, templ.path, parameter.name);
      CHECK_MESSAGE(parameter.name.find("Password") == std::string::npos, templ.path);
    }
    CHECK_MESSAGE(templ.text.find("resolve:secretsmanager") == std::string::npos, templ.path);
    for (const aws::Resource& resource : templ.resources) {
      const aws::YamlNode* data = resource.property("LaunchTemplateData");
      const aws::YamlNode* user_data = data == nullptr ? nullptr : data->find("UserData");
      if (user_data != nullptr) {
        const aws::YamlNode& format = *user_data->find("Fn::Base64")->find("Fn::Sub");
        const std::string& script = format.is_scalar() ? format.text : format.items[0]->text;
        CHECK_MESSAGE(script.size() < 4096, templ.path); // EC2 takes 16 KiB
        CHECK_MESSAGE(script.find("assword") == std::string::npos, templ.path);
      }
    }
  }
}

TEST_CASE("what the alarms of web servers look at each minute is measured each minute") {
  Catalogue catalogue;
  const auto web =
      std::find_if(catalogue.set.templates.begin(), catalogue.set.templates.end(),
                   [](const aws::Template& t) { return t.path.ends_with("/web.yaml"); });
  REQUIRE(web != catalogue.set.templates.end());
  for (const char* alarm : {"BusyAlarm", "IdleAlarm"}) {
    CHECK(web->resource(alarm)->property("Period")->text == "60");
    CHECK(web->resource(alarm)->property("EvaluationPeriods")->text == "3");
  }
  const aws::YamlNode* data = web->resource("LaunchTemplate")->property("LaunchTemplateData");
  REQUIRE(data->find("Monitoring") != nullptr); // basic monitoring measures once in five minutes
  CHECK(data->find("Monitoring")->text_of("Enabled") == "true");
}

TEST_CASE("a full application cache drops what is old, and a session cache what expires") {
  Mutants set;
  CHECK(set.main().parameter("AppCacheEviction")->default_value == "allkeys-lru");
  CHECK(set.main().parameter("SessionCacheEviction")->default_value == "volatile-lru");
}

TEST_CASE("a mutated parameter of a component is found where it is passed") {
  Mutants set;
  REQUIRE(findings_text(set.lint()).empty());
  const std::string main = set.main().path;
  for (std::size_t t = 0; t + 1 < set.templates().size(); ++t) {
    aws::Template& templ = set.templates()[t];
    const std::string text = templ.text;
    const std::vector<aws::Parameter> parameters = templ.parameters;
    for (const aws::Parameter& parameter : parameters) {
      const auto at_argument = [&](const aws::Template& in, const aws::Finding& finding) {
        return line_at(in, finding.line).starts_with("        " + parameter.name + ": ");
      };
      set.finds(templ, without(text, parameter.line), main, at_argument);
      set.finds(templ, renamed(text, parameter.line), main, at_argument);
      for (const std::string& type : types) {
        if (type != parameter.type) {
          set.finds(templ, with(text, parameter.line, "Type", type), main, at_argument);
        }
      }
    }
  }
  CHECK(set.count > 400);
}

TEST_CASE("a mutated output of a component is found where it is used, or where it stands") {
  Mutants set;
  const std::string main = set.main().path;
  for (std::size_t t = 0; t + 1 < set.templates().size(); ++t) {
    aws::Template& templ = set.templates()[t];
    const std::string text = templ.text;
    const std::string path = templ.path;
    const std::vector<aws::Output> outputs = templ.outputs;
    for (const aws::Output& output : outputs) {
      const int line = output.line;
      const std::string use = ".Outputs." + output.name;
      const auto at_use = [&](const aws::Template& in, const aws::Finding& finding) {
        return line_at(in, finding.line).find(use) != std::string::npos;
      };
      set.finds(templ, without(text, line), main, at_use);
      set.finds(templ, renamed(text, line), main, at_use);
      set.finds(templ, with(text, line, "Value", "[a, b]"), path,
                [&](const auto&, const aws::Finding& finding) { return finding.line == line; });
      const bool has_own_type = output.name.ends_with("SubnetIds") || output.name == "VpcId"
                                || output.name.ends_with("SecurityGroupId");
      if (has_own_type) {
        set.finds(templ, with(text, line, "Value", "!Ref AWS::Region"), main, at_use);
      }
    }
  }
  CHECK(set.count > 100);
}

TEST_CASE(
    "a mutated parameter of the main template is found where it is used, or where it stands") {
  Mutants set;
  aws::Template& main = set.templates().back();
  const std::string text = main.text;
  const std::vector<aws::Parameter> parameters = main.parameters;
  for (const aws::Parameter& parameter : parameters) {
    const auto at_use = [&](const aws::Template& in, const aws::Finding& finding) {
      const std::string line = line_at(in, finding.line) + "]";
      return line.find("!Ref " + parameter.name + "]") != std::string::npos
             || line.find("!Ref " + parameter.name + ",") != std::string::npos;
    };
    set.finds(main, without(text, parameter.line), main.path, at_use);
    set.finds(main, renamed(text, parameter.line), main.path, at_use);
    for (const std::string& type : types) {
      if (type != parameter.type) {
        set.finds(main, with(text, parameter.line, "Type", type), main.path,
                  [&](const aws::Template& in, const aws::Finding& finding) {
                    return at_use(in, finding) || finding.line == parameter.line;
                  });
      }
    }
  }
  CHECK(set.count > 200);
}

TEST_CASE("a mutated output of the main template is found at the stack, or where it stands") {
  Mutants set;
  aws::Template& main = set.templates().back();
  const std::string text = main.text;
  struct Passed {
    int line;
    std::string stack;
  };
  std::vector<Passed> outputs;
  for (const aws::Output& output : main.outputs) {
    const std::string used(output.value->text_of("Fn::GetAtt"));
    outputs.push_back({output.line, used.substr(0, used.find('.'))});
  }
  for (const Passed& output : outputs) {
    const auto at_stack = [&](const aws::Template& in, const aws::Finding& finding) {
      return finding.line == in.resource(output.stack)->line;
    };
    const auto at_line = [&](const auto&, const aws::Finding& finding) {
      return finding.line == output.line;
    };
    set.finds(main, without(text, output.line), main.path, at_stack);
    set.finds(main, renamed(text, output.line), main.path, at_stack);
    set.finds(main, renamed(text, output.line), main.path, at_line);
    set.finds(main, with(text, output.line, "Value", "fixed"), main.path, at_line);
    set.finds(main, with(text, output.line, "Value", "[a, b]"), main.path, at_line);
  }
  CHECK(set.count > 150);
}
