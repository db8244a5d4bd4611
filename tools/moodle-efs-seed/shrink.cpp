#include "cli/size.hpp"
#include "verbs.hpp"

#include <algorithm>

using cli::Error;
using cli::ExitCode;
using cli::shown;
using cli::size_text;

namespace {

/// One file to remove, or to shorten.
struct Cut {
  SeedFile file;
  std::uint64_t size = 0; ///< what is left of it
};

/// The newest first; of the last one only as much as has to go.
std::vector<Cut> plan_cuts(const Listing& listing, std::uint64_t target) {
  std::vector<Cut> cuts;
  std::uint64_t there = listing.bytes();
  for (auto file = listing.files.rbegin(); file != listing.files.rend() && there > target; ++file) {
    const std::uint64_t excess = there - target;
    // What says that a file is ours stays as long as the file does.
    const std::uint64_t left =
        file->size > excess ? std::max<std::uint64_t>(file->size - excess, content::sector_bytes)
                            : 0;
    if (left < file->size) {
      cuts.push_back({*file, left});
      there -= file->size - left;
    }
  }
  return cuts;
}

std::uint64_t bytes_to_cut(const std::vector<Cut>& cuts) {
  std::uint64_t sum = 0;
  for (const Cut& cut : cuts) {
    sum += cut.file.size - cut.size;
  }
  return sum;
}

} // namespace

void Shrink::declare(cli::Options& options) {
  options.positionals("DIR", folder_, 1, 1);
  target_.declare(options);
  change_.declare(options);
}

void Shrink::validate(const cli::Options&) {
  target_.validate();
  change_.validate();
}

ExitCode Shrink::run(cli::Context& context) {
  return shrink(SeedFolder(folder_.front()), context);
}

ExitCode Shrink::shrink(const SeedFolder& folder, cli::Context& context) const {
  const bool writes = change_.mode.writes();
  std::optional<io::FolderLock> lock;
  if (writes) {
    static_cast<void>(folder.require_writable());
    lock.emplace(lock_request(folder, change_.lock_timeout));
  }
  Interruption interruption;
  Listing listing = folder.list();
  warn_of_strangers(listing, context);
  const std::vector<Cut> cuts = plan_cuts(listing, target_.bytes());
  const std::uint64_t total = bytes_to_cut(cuts);
  const bool needed = !cuts.empty() || !listing.begun.empty();
  if (!needed) {
    context.log().info(fmt::format("{} holds {} of seed data, no more", shown(folder.path()),
                                   size_text(listing.bytes())));
  } else if (!writes) {
    context.log().info(
        fmt::format("{} would lose {} of seed data", shown(folder.path()), size_text(total)));
  } else {
    cli::Progress progress(change_.progress, context.log().verbosity() == cli::Verbosity::quiet,
                           total);
    folder.remove_begun(listing);
    std::uint64_t done = 0;
    for (const Cut& cut : cuts) {
      folder.require_unmoved();
      if (!interruption.signal().empty()) {
        throw Error(ExitCode::try_again,
                    fmt::format("stopped by {}: {} of {} are removed", interruption.signal(),
                                size_text(done), size_text(total)),
                    "the same command goes on from there");
      }
      if (cut.size == 0) {
        folder.remove(cut.file);
      } else {
        folder.truncate(cut.file, cut.size);
      }
      done += cut.file.size - cut.size;
      progress.show(done);
    }
    folder.flush();
    listing = folder.list();
    context.log().info(fmt::format("{} removed from {}: it holds {} of seed data now",
                                   size_text(done), shown(folder.path()),
                                   size_text(listing.bytes())));
  }
  context.result("efs-seed-result", !needed ? "unchanged" : writes ? "changed" : "planned");
  report(listing, context);
  return change_.mode.check && needed ? ExitCode::negative : ExitCode::ok;
}
