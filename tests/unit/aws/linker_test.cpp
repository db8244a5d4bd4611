#include "aws/linker.hpp"
#include "aws/lint.hpp"
#include "cli/error.hpp"

#include <doctest/doctest.h>

#include <deque>

namespace {

/// Components made of texts, and what the linker makes of them.
class Linked {
public:
  explicit Linked(const std::vector<std::pair<std::string, std::string>>& files) {
    for (const auto& [name, text] : files) {
      templates_.push_back(aws::Template::parse(text, "stacks/" + name));
    }
    components_ = aws::components_of(templates_);
    for (const aws::Component& component : components_) {
      chosen_.push_back(&component);
    }
  }

  [[nodiscard]] aws::Plan plan() const { return aws::link(chosen_); }

  [[nodiscard]] std::string failure() const {
    try {
      (void)plan();
    } catch (const cli::Error& error) {
      CHECK(error.code() == cli::ExitCode::data);
      return error.message();
    }
    return "";
  }

private:
  std::vector<aws::Template> templates_;
  std::vector<aws::Component> components_;
  std::vector<const aws::Component*> chosen_;
};

const std::string resource = "Resources:\n  R: {Type: AWS::SNS::Topic}\n";
const std::string gives_x = resource + "Outputs:\n  X: {Value: !Ref R}\n";
const std::string takes_x = "Parameters:\n  X: {Type: String}\n" + resource;

std::string section(const std::string& text, const std::string& title) {
  const std::size_t start = text.find("\n" + title + ":\n");
  REQUIRE(start != std::string::npos);
  const std::size_t end = text.find("\n\n", start);
  return text.substr(start + 1, end == std::string::npos ? end : end - start);
}

} // namespace

TEST_CASE("an output is joined to the parameters of its name, and giver stands before taker") {
  const Linked linked({{"a-taker.yaml", takes_x}, {"b-giver.yaml", gives_x}});
  const aws::Plan plan = linked.plan();
  CHECK(plan.parameters.empty());
  CHECK(section(aws::main_template(plan), "Resources")
        == "Resources:\n"
           "  BGiver:\n"
           "    Type: AWS::CloudFormation::Stack\n"
           "    Properties:\n"
           "      TemplateURL: 'b-giver.yaml'\n"
           "  ATaker:\n"
           "    Type: AWS::CloudFormation::Stack\n"
           "    Properties:\n"
           "      TemplateURL: 'a-taker.yaml'\n"
           "      Parameters:\n"
           "        X: !GetAtt BGiver.Outputs.X\n");
  CHECK(section(aws::main_template(plan), "Outputs")
        == "Outputs:\n"
           "  X:\n"
           "    Value: !GetAtt BGiver.Outputs.X\n");
}

TEST_CASE("what stays open becomes a parameter of the main template, with all that was declared") {
  const Linked linked(
      {{"a.yaml",
        "Metadata:\n"
        "  AWS::CloudFormation::Interface:\n"
        "    ParameterGroups:\n"
        "      - {Label: {default: \"Where it's at\"}, Parameters: [L]}\n"
        "Parameters:\n"
        "  L: {Type: 'List<AWS::EC2::Subnet::Id>', Description: \"It's a list\"}\n"
        "  I: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /i}\n"
        "  N: {Type: Number, Default: 2, MinValue: 1, MaxValue: 3}\n"
        "  S: {Type: String, Default: \"a\\n\\\"b\", AllowedPattern: '[^'']*', NoEcho: true,\n"
        "      MinLength: 0, MaxLength: 9, ConstraintDescription: none}\n"
            + resource}});
  const std::string text = aws::main_template(linked.plan());
  CHECK(section(text, "Parameters")
        == "Parameters:\n"
           "  L:\n"
           "    Type: 'List<AWS::EC2::Subnet::Id>'\n"
           "    Description: 'It''s a list'\n"
           "  I:\n"
           "    Type: 'String'\n"
           "    Default: '/i'\n"
           "  N:\n"
           "    Type: 'Number'\n"
           "    Default: '2'\n"
           "    MinValue: 1\n"
           "    MaxValue: 3\n"
           "  S:\n"
           "    Type: 'String'\n"
           "    Default: \"a\\x0A\\\"b\"\n"
           "    AllowedPattern: '[^'']*'\n"
           "    ConstraintDescription: 'none'\n"
           "    MinLength: 0\n"
           "    MaxLength: 9\n"
           "    NoEcho: true\n");
  CHECK(text.find("        L: !Join [',', !Ref L]\n") != std::string::npos);
  CHECK(text.find("      - Label: {default: 'Where it''s at'}\n        Parameters: ['L']\n")
        != std::string::npos);
  const aws::Template main = aws::Template::parse(text, "main.yaml");
  CHECK(aws::is_generated(main));
  CHECK(main.parameter("S")->default_value == "a\n\"b");
  CHECK(aws::linked_type(main, *main.parameter("I"))
        == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>");
}

TEST_CASE("instances put their names before what they do not share, and can be switched") {
  const Linked linked(
      {{"store.yaml", "Metadata:\n"
                      "  moodle-stack:\n"
                      "    Shared: [Net]\n"
                      "    Instances: {one: {}, two: {EnabledBy: UseTwo, Label: Second}}\n"
                      "Parameters:\n  Net: {Type: String}\n  Size: {Type: Number}\n"
                          + gives_x},
       {"user.yaml",
        "Parameters:\n  OneX: {Type: String}\n  TwoX: {Type: String, Default: ''}\n" + resource}});
  const std::string text = aws::main_template(linked.plan());
  CHECK(section(text, "Conditions")
        == "Conditions:\n  UseTwoIsOn: !Equals [!Ref UseTwo, 'true']\n");
  CHECK(section(text, "Resources")
        == "Resources:\n"
           "  One:\n"
           "    Type: AWS::CloudFormation::Stack\n"
           "    Properties:\n"
           "      TemplateURL: 'store.yaml'\n"
           "      Parameters:\n"
           "        Net: !Ref Net\n"
           "        Size: !Ref OneSize\n"
           "  Two:\n"
           "    Type: AWS::CloudFormation::Stack\n"
           "    Condition: UseTwoIsOn\n"
           "    Properties:\n"
           "      TemplateURL: 'store.yaml'\n"
           "      Parameters:\n"
           "        Net: !Ref Net\n"
           "        Size: !Ref TwoSize\n"
           "  User:\n"
           "    Type: AWS::CloudFormation::Stack\n"
           "    Properties:\n"
           "      TemplateURL: 'user.yaml'\n"
           "      Parameters:\n"
           "        OneX: !GetAtt One.Outputs.X\n"
           "        TwoX: !If [UseTwoIsOn, !GetAtt Two.Outputs.X, !Ref "
           "AWS::NoValue]\n");
  CHECK(section(text, "Outputs")
        == "Outputs:\n"
           "  OneX:\n"
           "    Value: !GetAtt One.Outputs.X\n"
           "  TwoX:\n"
           "    Condition: UseTwoIsOn\n"
           "    Value: !GetAtt Two.Outputs.X\n");
}

TEST_CASE("an instance may have a default of its own") {
  const auto store = [](const std::string& defaults) {
    return Linked(
        {{"store.yaml", "Metadata:\n"
                        "  moodle-stack:\n"
                        "    Instances: {one: {}, two: {Defaults: {"
                            + defaults + "}}}\n"
                            + "Parameters:\n  Size: {Type: Number, Default: 1, MaxValue: 3}\n"
                            + resource}});
  };
  const Linked linked = store("Size: 2");
  const aws::Plan plan = linked.plan();
  CHECK(plan.parameter("OneSize")->default_value == "1");
  CHECK(plan.parameter("TwoSize")->default_value == "2");
  CHECK_THROWS_WITH_AS(store("Size: 4"),
                       "stacks/store.yaml:3: '4' is not a value for parameter Size: it takes a "
                       "number from any to 3",
                       cli::Error);
  CHECK_THROWS_WITH_AS(store("Length: 2"),
                       "stacks/store.yaml:3: there is no parameter Length to have a default",
                       cli::Error);
}

TEST_CASE("what cannot be joined is refused by file and line") {
  CHECK(Linked({{"a.yaml", gives_x}, {"b.yaml", gives_x}}).failure()
        == "stacks/b.yaml:4: output X is given by a as well");
  CHECK(Linked({{"a.yaml", takes_x}, {"b.yaml", "Parameters:\n  X: {Type: Number}\n" + resource}})
            .failure()
        == "stacks/b.yaml:2: parameter X is declared in another way than in stacks/a.yaml:2");
  CHECK(Linked({{"a.yaml", takes_x + "Outputs:\n  Y: {Value: x}\n"},
                {"b.yaml", "Parameters:\n  Y: {Type: String}\n" + gives_x}})
            .failure()
        == "stacks/a.yaml: the component needs others that need it");
  CHECK(Linked({{"a.yaml", "Metadata: {moodle-stack: {EnabledBy: Use}}\n" + gives_x},
                {"b.yaml", takes_x}})
            .failure()
        == "stacks/b.yaml:2: parameter X needs a default: a may be absent");
  CHECK_THROWS_WITH_AS(Linked({{"a-b.yaml", resource}, {"aB.yaml", resource}}),
                       "stacks/a-b.yaml: the component name 'a-b' is not its own", cli::Error);
}

TEST_CASE("a default is set only where it fits") {
  const Linked linked(
      {{"a.yaml", "Parameters:\n  N: {Type: Number, MaxValue: 3}\n" + takes_x.substr(12)},
       {"b.yaml", gives_x}});
  aws::Plan plan = linked.plan();
  plan.set("N", "3");
  CHECK(plan.parameter("N")->default_value == "3");
  CHECK_THROWS_WITH_AS(plan.set("N", "4"),
                       "'4' is not a value for parameter N: it takes a number from any to 3",
                       cli::Error);
  CHECK_THROWS_WITH_AS(plan.set("X", "a"), "parameter X is given by b", cli::Error);
  CHECK_THROWS_WITH_AS(plan.set("M", "a"), "there is no parameter 'M'", cli::Error);
}
