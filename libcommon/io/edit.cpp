#include "io/edit.hpp"

#include <unistd.h>

namespace io {

namespace {

Snapshot read(const Edit& edit) {
  return edit.new_mode ? read_or_new(edit.path, edit.max_bytes, *edit.new_mode)
                       : read_snapshot(edit.path, edit.max_bytes);
}

/// The verified new content.
std::string plan(const Edit& edit, const Snapshot& snapshot) {
  std::string after = edit.plan(snapshot.content);
  if (after != snapshot.content) {
    edit.verify(after);
  }
  return after;
}

void write(const Snapshot& snapshot, const std::string& after) {
  const SignalsHeld signals;
  Replacement replacement(snapshot, after);
  replacement.commit();
}

/// Whether a killed run left something, or a run that goes on has it there now.
bool leaves_something(const Edit& edit, const Snapshot& snapshot) {
  return !stray_replacements(snapshot.path).empty()
         || (edit.lock_file && ::access(edit.lock_file().c_str(), F_OK) == 0);
}

Outcome show(const Snapshot& snapshot, const std::string& after, const cli::EditMode& mode,
             cli::Context& context) {
  if (mode.diff) {
    context.print(unified_diff(snapshot.path, snapshot.content, after));
  } else {
    context.log().info(fmt::format("{} would change", cli::shown(snapshot.path)));
  }
  return Outcome::planned;
}

} // namespace

const char* text(Outcome outcome) noexcept {
  switch (outcome) {
  case Outcome::unchanged:
    return "unchanged";
  case Outcome::changed:
    return "changed";
  case Outcome::planned:
    break;
  }
  return "planned";
}

Outcome apply(const Edit& edit, const cli::EditMode& mode, cli::Context& context) {
  Snapshot snapshot = read(edit);
  // Before the lock, so that it is held as briefly as possible.
  std::string after = plan(edit, snapshot);
  if (after == snapshot.content) {
    if (mode.diff) {
      context.print("");
    }
    if (mode.writes() && leaves_something(edit, snapshot)) {
      const std::unique_ptr<Lock> lock = edit.lock(snapshot.path);
      remove_stray_replacements(snapshot.path);
    }
    context.log().info(fmt::format("{} is as it should be", cli::shown(snapshot.path)));
    return Outcome::unchanged;
  }
  if (!mode.writes()) {
    return show(snapshot, after, mode, context);
  }
  {
    const std::unique_ptr<Lock> lock = edit.lock(snapshot.path);
    remove_stray_replacements(snapshot.path);
    if (!is_current(snapshot)) {
      context.log().detail(
          fmt::format("{} moved meanwhile: planning again", cli::shown(snapshot.path)));
      snapshot = read(edit);
      after = plan(edit, snapshot);
    }
    if (after == snapshot.content) {
      return Outcome::unchanged;
    }
    write(snapshot, after);
  }
  flush_folder_of(snapshot.path);
  context.log().info(fmt::format("{} changed", cli::shown(snapshot.path)));
  return Outcome::changed;
}

cli::ExitCode exit_code(Outcome outcome, const cli::EditMode& mode) noexcept {
  return mode.check && outcome == Outcome::planned ? cli::ExitCode::negative : cli::ExitCode::ok;
}

} // namespace io
