#include "cli/error.hpp"
#include "cli/log.hpp"
#include "folder.hpp"
#include "io/edit.hpp"

#include <doctest/doctest.h>

namespace {

/// Replaces the whole content, and can be disturbed when the lock is taken.
struct Fixture {
  Folder folder;
  std::string path = folder.write("a", "old");
  cli::Log log{"unit-io", cli::Verbosity::quiet};
  cli::Context context{log, {}, false};
  int plans = 0;
  int locks = 0;
  std::function<void()> disturb = [] {};

  io::Edit edit(const std::string& wanted) {
    return {.path = path,
            .plan =
                [this, wanted](const std::string&) {
                  ++plans;
                  return wanted;
                },
            .verify =
                [](const std::string& after) {
                  if (after == "bad") {
                    throw cli::Error(cli::ExitCode::config, "no");
                  }
                },
            .lock =
                [this](const std::string&) {
                  ++locks;
                  disturb();
                  return std::unique_ptr<io::Lock>();
                },
            .lock_file = [this] { return folder.file("lock"); }};
  }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "an edit changes once") {
  CHECK(io::apply(edit("new"), {}, context) == io::Outcome::changed);
  CHECK(folder.read("a") == "new");
  CHECK(io::apply(edit("new"), {}, context) == io::Outcome::unchanged);
  CHECK(locks == 1);
  CHECK(folder.entries() == 1);
}

TEST_CASE_FIXTURE(Fixture, "an edit that is only to be shown writes nothing and takes no lock") {
  for (const cli::EditMode mode :
       {cli::EditMode{true, false, false}, cli::EditMode{false, true, false},
        cli::EditMode{false, false, true}}) {
    CHECK(io::apply(edit("new"), mode, context) == io::Outcome::planned);
    CHECK(io::exit_code(io::Outcome::planned, mode)
          == (mode.check ? cli::ExitCode::negative : cli::ExitCode::ok));
    CHECK_THROWS_AS(io::apply(edit("bad"), mode, context), cli::Error);
  }
  CHECK(folder.read("a") == "old");
  CHECK(locks == 0);
}

TEST_CASE_FIXTURE(Fixture, "a file that moved before the lock is planned again") {
  disturb = [&] { folder.write("a", "other"); };
  CHECK(io::apply(edit("new"), {}, context) == io::Outcome::changed);
  CHECK(plans == 2);
  disturb = [&] { folder.write("a", "mine"); };
  CHECK(io::apply(edit("mine"), {}, context) == io::Outcome::unchanged);
}

TEST_CASE_FIXTURE(Fixture, "a result that does not hold is not put in place") {
  CHECK_THROWS_AS(io::apply(edit("bad"), {}, context), cli::Error);
  CHECK(folder.read("a") == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE_FIXTURE(Fixture, "what a killed run left is cleared away, also when nothing changes") {
  folder.write(".a.moodle-aws-toolkit-abcdef", "half");
  CHECK(io::apply(edit("old"), {.check = true}, context) == io::Outcome::unchanged);
  CHECK(folder.entries() == 2);
  CHECK(io::apply(edit("old"), {}, context) == io::Outcome::unchanged);
  CHECK(folder.entries() == 1);
  CHECK(locks == 1);
  folder.write("lock", "");
  io::apply(edit("old"), {}, context);
  CHECK(locks == 2);
}
