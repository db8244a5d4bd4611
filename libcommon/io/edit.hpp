#pragma once

#include "cli/command.hpp"
#include "io/file.hpp"
#include "io/lock.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

namespace io {

/// A change to one file, as every changing command makes it: read, plan, verify, show, lock, look
/// whether it moved, write beside, flush, keep mode and owner, rename, unlock, flush the folder.
struct Edit {
  std::string path;
  std::size_t max_bytes = 64U << 20U;
  /// The mode of the file where there is none yet; without it that is an error. The plan is made
  /// for an empty text then, and must not be one.
  std::optional<mode_t> new_mode = std::nullopt;
  /// The new content for the content that is there. Called again, with the lock held, when the file
  /// moved in between: the plan that is carried out is always one for the file as it is. Throws to
  /// refuse.
  std::function<std::string(const std::string& before)> plan;
  /// Throws unless the new content means what was wanted.
  std::function<void(const std::string& after)> verify;
  /// Takes the lock for the file at this resolved path.
  std::function<std::unique_ptr<Lock>(const std::string& path)> lock;
  /// The file whose existence is that lock, asked for after the plan; not set when there is none
  /// such. A killed run may have left it behind, so a run that finds it takes the lock even if it
  /// has nothing to change.
  std::function<std::string()> lock_file;
};

enum class Outcome { unchanged, changed, planned };

/// The word for a `…-result` fact.
const char* text(Outcome outcome) noexcept;

/// Carries the edit out, or only shows it when the mode says so. With `mode.diff` the diff goes to
/// the context's listing.
Outcome apply(const Edit& edit, const cli::EditMode& mode, cli::Context& context);

/// What a command returns for it: negative when `--check` found something to change.
cli::ExitCode exit_code(Outcome outcome, const cli::EditMode& mode) noexcept;

} // namespace io
