#include "verbs.hpp"

int main(int argc, char** argv) {
  return cli::run(
      {.name = tool_name,
       .summary = "Seed an EFS file system with data, for its bursting throughput",
       .verbs = {cli::verb<Plan>("plan", "Work out what to add, and what it brings"),
                 cli::verb<Grow>("grow", "Write seed files until there is enough"),
                 cli::verb<Shrink>("shrink", "Remove seed files until there is no more"),
                 cli::verb<Status>("status", "Show what is there, and read it back")}},
      argc, argv);
}
