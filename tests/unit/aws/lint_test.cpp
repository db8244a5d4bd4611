#include "aws/lint.hpp"

#include <doctest/doctest.h>

#include <map>

namespace {

/// "file:line: fault", one a line.
std::string faults(const std::map<std::string, std::string>& files) {
  aws::TemplateSet set;
  for (const auto& [name, text] : files) {
    set.templates.push_back(aws::Template::parse(text, name));
  }
  std::string out;
  for (const aws::Finding& finding : aws::lint(set)) {
    CHECK_FALSE(finding.todo.empty());
    out += fmt::format("{}:{}: {}\n", finding.path, finding.line, finding.fault);
  }
  return out;
}

const std::string resource = "Resources:\n  R: {Type: AWS::SNS::Topic}\n";

/// A parent with one stack, "S", of child.yaml.
std::string parent(const std::string& head, const std::string& arguments) {
  return head + "Resources:\n  S:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n"
         + "      TemplateURL: child.yaml\n      Parameters:\n" + arguments;
}

} // namespace

TEST_CASE("a sound set has no findings") {
  CHECK(faults({{"child.yaml", "Parameters:\n  P: {Type: String}\n" + resource
                                   + "Outputs:\n  O: {Value: !Ref R}\n"},
                {"main.yaml",
                 parent("", "        P: x\n") + "Outputs:\n  O: {Value: !GetAtt S.Outputs.O}\n"}})
        == "");
}

TEST_CASE("references to nothing are found, in every form") {
  CHECK(faults({{"a.yaml", "Conditions:\n"
                           "  C: !Equals [!Ref P1, 'x']\n"
                           "  D: !Not [!Condition C9]\n"
                           "Resources:\n"
                           "  R:\n"
                           "    Type: AWS::SNS::Topic\n"
                           "    Condition: C1\n"
                           "    DependsOn: [R, R1]\n"
                           "    Properties:\n"
                           "      A: !GetAtt R2.Arn\n"
                           "      B: !Sub '${R3} ${R4.Arn} ${!R5} ${AWS::Region} ${AWS::Regio}'\n"
                           "      C: !Sub ['${R6} ${R7}', {R6: !Ref R8}]\n"
                           "      D: !If [C2, !Ref AWS::NoValue, '']\n"
                           "      E: !FindInMap [M, a, b]\n"
                           "      F: {Fn::GetAtt: [R9, Arn]}\n"
                           "Outputs:\n"
                           "  O: {Value: !Ref R10, Condition: C3}\n"}})
        == "a.yaml:2: P1 is no parameter or resource here\n"
           "a.yaml:3: C9 is no condition here\n"
           "a.yaml:5: C1 is no condition here\n"
           "a.yaml:5: the resources need each other: R -> R\n"
           "a.yaml:8: DependsOn names R1, which is no resource here\n"
           "a.yaml:10: R2 is no resource here\n"
           "a.yaml:11: R3 is no parameter or resource here\n"
           "a.yaml:11: R4 is no resource here\n"
           "a.yaml:11: AWS::Regio is no parameter or resource here\n"
           "a.yaml:12: R8 is no parameter or resource here\n"
           "a.yaml:12: R7 is no parameter or resource here\n"
           "a.yaml:13: C2 is no condition here\n"
           "a.yaml:14: M is no mapping here\n"
           "a.yaml:15: R9 is no resource here\n"
           "a.yaml:17: C3 is no condition here\n"
           "a.yaml:17: R10 is no parameter or resource here\n");
}

TEST_CASE("names that a macro makes are not missed") {
  CHECK(faults({{"a.yaml", "Transform: AWS::Serverless-2016-10-31\nResources:\n"
                           "  F: {Type: AWS::Serverless::Function}\n"
                           "Outputs:\n  O: {Value: !GetAtt FRole.Arn}\n"},
                {"b.yaml", "Transform: AWS::LanguageExtensions\nResources:\n"
                           "  Fn::ForEach::L: [X, [A], {'T${X}': {Type: AWS::SNS::Topic}}]\n"
                           "Outputs:\n  O: {Value: !Ref TA}\n"}})
        == "");
}

TEST_CASE("arguments and parameters of a nested stack have to agree") {
  const std::string child =
      "Parameters:\n"
      "  Needed: {Type: String}\n"
      "  Taken: {Type: String, Default: ''}\n"
      "  Count: {Type: Number, MaxValue: 3, Default: 1}\n"
      "  Vpc: {Type: 'AWS::EC2::VPC::Id', Default: v}\n"
      "  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: i}\n"
      "  Kind: {Type: String, AllowedValues: [a, b], Default: a}\n"
      + resource;
  CHECK(
      faults({{"child.yaml", child},
              {"main.yaml",
               parent("Parameters:\n"
                      "  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>'}\n"
                      "  Subnet: {Type: 'AWS::EC2::Subnet::Id'}\n"
                      "  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>'}\n",
                      "        Wrong: x\n"
                      "        Taken: !Ref Subnets\n"
                      "        Count: 4\n"
                      "        Vpc: !Ref Subnet\n"
                      "        Image: !Ref Image\n"
                      "        Kind: c\n")}})
      == "main.yaml:6: stack S does not get parameter Needed (child.yaml:2)\n"
         "main.yaml:11: stack S takes no parameter Wrong (child.yaml)\n"
         "main.yaml:12: parameter Taken of stack S (child.yaml:3) gets a list\n"
         "main.yaml:13: parameter Count of stack S (child.yaml:4) gets '4': it takes a number from "
         "any to 3\n"
         "main.yaml:14: parameter Vpc of stack S (child.yaml:5) has type AWS::EC2::VPC::Id and "
         "gets "
         "AWS::EC2::Subnet::Id\n"
         "main.yaml:15: parameter Image of stack S (child.yaml:6) has type "
         "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id> and gets AWS::EC2::Image::Id\n"
         "main.yaml:16: parameter Kind of stack S (child.yaml:7) gets 'c': choose one of a, b\n");
}

TEST_CASE("types are followed through outputs, joins and choices") {
  const std::string child = "Parameters:\n  Vpc: {Type: 'AWS::EC2::VPC::Id'}\n" + resource;
  const std::string giver = "Resources:\n"
                            "  N: {Type: AWS::EC2::Subnet}\n"
                            "  V: {Type: AWS::EC2::VPC}\n"
                            "Outputs:\n"
                            "  One: {Value: !If [C, !Ref N, !Ref AWS::NoValue]}\n"
                            "  Good: {Value: !Ref V}\n"
                            "  Bad: {Value: [!Ref N]}\n"
                            "Conditions: {C: !Equals [a, a]}\n";
  const auto with = [&](const std::string& value) {
    return faults({{"child.yaml", child},
                   {"giver.yaml", giver},
                   {"main.yaml", parent("", "        Vpc: " + value + "\n")
                                     + "  G:\n    Type: AWS::CloudFormation::Stack\n"
                                       "    Properties: {TemplateURL: ./giver.yaml}\n"}});
  };
  const std::string always = "giver.yaml:7: output Bad is a list\n";
  CHECK(with("!GetAtt G.Outputs.Good") == always);
  CHECK(with("!GetAtt [G, Outputs.One]")
        == always
               + "main.yaml:7: parameter Vpc of stack S (child.yaml:2) has type AWS::EC2::VPC::Id "
                 "and gets AWS::EC2::Subnet::Id\n");
  CHECK(with("!GetAtt G.Outputs.Two")
        == always + "main.yaml:7: stack G has no output Two (giver.yaml)\n");
  CHECK(with("!ImportValue anything") == always);
}

TEST_CASE("a condition that can hide what is needed is found, with values that show it") {
  const std::string child = "Parameters:\n"
                            "  P: {Type: String, Default: ''}\n"
                            "Conditions:\n"
                            "  HasP: !Not [!Equals [!Ref P, '']]\n"
                            + resource + "Outputs:\n  O: {Value: x, Condition: HasP}\n";
  const auto with = [&](const std::string& head, const std::string& argument,
                        const std::string& output) {
    return faults({{"child.yaml", child},
                   {"main.yaml", parent(head, "        P: " + argument + "\n")
                                     + "Outputs:\n  O: " + output + "\n"}});
  };
  const std::string free = "Parameters:\n  Q: {Type: String, Default: ''}\n"
                           "Conditions:\n  HasQ: !Not [!Equals [!Ref Q, '']]\n";
  const std::string plain = "{Value: !GetAtt S.Outputs.O}";
  CHECK(with("", "x", plain) == "");
  CHECK(with("", "''", plain)
        == "main.yaml:9: the condition HasP hides output O of stack S, which "
           "is needed here always\n");
  CHECK(with(free, "!Ref Q", plain)
        == "main.yaml:13: the condition HasP hides output O of stack S, "
           "which is needed here with Q=''\n");
  CHECK(with(free, "!Ref Q", "{Value: !GetAtt S.Outputs.O, Condition: HasQ}") == "");
  CHECK(with(free, "!Ref Q", "{Value: !If [HasQ, !GetAtt S.Outputs.O, '']}") == "");
  CHECK(with(free, "!Ref Q", "{Value: !If [HasQ, '', !GetAtt S.Outputs.O]}") != "");
  CHECK(with(free, "!ImportValue x", plain) == ""); // cannot be told
  CHECK(with("Parameters:\n  Q: {Type: String, AllowedValues: [a, b]}\n", "!Ref Q", plain) == "");
}

TEST_CASE("a conditional resource needs a condition around its use") {
  const auto with = [](const std::string& value) {
    return faults({{"a.yaml", "Parameters:\n  P: {Type: String, AllowedValues: [a, b, c]}\n"
                              "Conditions:\n  A: !Equals [!Ref P, a]\n  B: !Equals [!Ref P, b]\n"
                              "  AorB: !Or [!Condition A, !Condition B]\n"
                              "Resources:\n  R: {Type: AWS::SNS::Topic, Condition: AorB}\n"
                              "  S: {Type: AWS::SNS::Topic}\n"
                              "Outputs:\n  O: {Value: "
                                  + value + "}\n"}});
  };
  CHECK(with("!Ref R")
        == "a.yaml:11: the condition AorB hides resource R, which is needed here with "
           "P='c'\n");
  CHECK(with("!If [A, !Ref R, !Ref S]") == "");
  CHECK(with("!If [AorB, !Ref R, !Ref S]") == "");
  CHECK(with("!If [A, !Ref S, !Ref R]") != "");
}

TEST_CASE("rings are found once: among resources and among templates") {
  CHECK(faults({{"a.yaml", "Resources:\n"
                           "  A: {Type: T::T::T, Properties: {X: !Ref B}}\n"
                           "  B: {Type: T::T::T, DependsOn: C}\n"
                           "  C: {Type: T::T::T, Properties: {X: !Sub '${A.Arn}'}}\n"
                           "  D: {Type: T::T::T, DependsOn: A}\n"}})
        == "a.yaml:2: the resources need each other: A -> B -> C -> A\n");
  const std::string nests = "Resources:\n  S:\n    Type: AWS::CloudFormation::Stack\n"
                            "    Properties: {TemplateURL: ";
  CHECK(faults({{"a.yaml", nests + "b.yaml}\n"}, {"b.yaml", nests + "a.yaml}\n"}})
        == "a.yaml:2: the templates nest each other: a.yaml -> b.yaml -> a.yaml\n");
}

TEST_CASE("outputs that refer to each other in a ring of templates end") {
  const auto ring = [](const std::string& other) {
    return "Resources:\n  S:\n    Type: AWS::CloudFormation::Stack\n    Properties: {TemplateURL: "
           + other + "}\nOutputs:\n  O: {Value: !GetAtt S.Outputs.O}\n";
  };
  CHECK(faults({{"a.yaml", ring("b.yaml")}, {"b.yaml", ring("a.yaml")}}) != "");
}

TEST_CASE("templates are found by path, or by the name at the end of a URL") {
  const std::string child = "Parameters:\n  P: {Type: String}\n" + resource;
  const auto with = [&](const std::string& url) {
    return faults({{"set/child.yaml", child},
                   {"set/main.yaml", "Resources:\n  S:\n    Type: AWS::CloudFormation::Stack\n"
                                     "    Properties:\n      TemplateURL: "
                                         + url + "\n"}});
  };
  const std::string missing =
      "set/main.yaml:2: stack S does not get parameter P (set/child.yaml:2)\n";
  CHECK(with("child.yaml") == missing);
  CHECK(with("../set/child.yaml") == missing);
  CHECK(with("https://example.com/a/child.yaml") == missing);
  CHECK(with("!Sub 'https://${AWS::Region}.example.com/child.yaml'") == missing);
  CHECK(with("https://example.com/other.yaml") == "");
  CHECK(with("nowhere.yaml")
        == "set/main.yaml:2: stack S nests set/nowhere.yaml, which does not exist\n");
}

TEST_CASE("a default has to be one of the parameter's own values") {
  CHECK(
      faults({{"a.yaml", "Parameters:\n"
                         "  A: {Type: String, Default: x, AllowedPattern: '^[a-w]$'}\n"
                         "  B: {Type: Number, Default: '1.0', AllowedValues: [1, 2]}\n"
                         "  C: {Type: String, Default: True, AllowedValues: [true, false]}\n"
                         "  D: {Type: 'List<Number>', Default: '1, x'}\n"
                         "  E: {Type: String, Default: abc, MaxLength: 2}\n"
                         "  F: {Type: String, Default: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!, "
                         "AllowedPattern: '(a+)+'}\n"
                         "  G: {Type: String, Default: x, AllowedPattern: '(['}\n"
                             + resource}})
      == "a.yaml:2: the default 'x' of parameter A is not one of its values: it has to match "
         "^[a-w]$\n"
         "a.yaml:5: the default '1, x' of parameter D is not one of its values: it takes a number\n"
         "a.yaml:6: the default 'abc' of parameter E is not one of its values: it takes 0 to 2 "
         "characters\n");
}
