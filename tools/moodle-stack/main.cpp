#include "verbs.hpp"

int main(int argc, char** argv) {
  const cli::Tool tool{
      "moodle-stack",
      "Generate, check and draw the nested CloudFormation templates of a Moodle site",
      {cli::verb<List>("list", "list the components, what each needs and gives"),
       cli::verb<Generate>("generate", "write the templates of a site into a folder"),
       cli::verb<Parameters>("parameters", "print the parameter file for the AWS CLI"),
       cli::verb<Lint>("lint", "check the wiring of nested templates, offline"),
       cli::verb<Graph>("graph", "draw the components and what flows between them"),
       cli::verb<Document>("document", "print a document of Systems Manager, or list them")}};
  return cli::run(tool, argc, argv);
}
