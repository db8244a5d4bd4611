#include "verbs.hpp"

int main(int argc, char** argv) {
  return cli::run({.name = tool_name,
                   .summary = "Size and write PHP's OPcache settings for a Moodle site",
                   .verbs = {cli::verb<Plan>("plan", "Work out the settings for the code"),
                             cli::verb<Write>("write", "Write them to one .ini file of PHP's"),
                             cli::verb<Check>("check", "Find mistakes in PHP's settings")}},
                  argc, argv);
}
