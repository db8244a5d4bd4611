#include "cli/size.hpp"
#include "site_folders.hpp"
#include "verbs.hpp"

#include <algorithm>
#include <limits>
#include <sys/resource.h>

using cli::Error;
using cli::ExitCode;
using cli::shown;
using cli::size_text;

namespace {

constexpr std::uint64_t default_jobs = 16;
constexpr std::uint64_t default_file_size = cli::gib;
constexpr std::uint64_t least_file_size = content::block_bytes;

/// The size of new files: as wanted, unless the process may not write so large ones (ulimit -f).
std::uint64_t allowed_file_size(std::uint64_t wanted, const cli::Log& log) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY
      || limit.rlim_cur >= wanted) {
    return wanted;
  }
  const std::uint64_t allowed = limit.rlim_cur / least_file_size * least_file_size;
  if (allowed == 0) {
    throw Error(ExitCode::io,
                fmt::format("this process may not write files of more than {} (ulimit -f)",
                            size_text(limit.rlim_cur)),
                "a seed file has at least 1 MiB");
  }
  log.warning(fmt::format("new files get {}, because this process may not write larger ones "
                          "(ulimit -f)",
                          size_text(allowed)));
  return allowed;
}

/// Throws when what is to be written cannot fit, so that a disk is not filled up for nothing.
void require_space(const SeedFolder& folder, std::uint64_t missing, std::uint64_t there) {
  const std::uint64_t free = folder.require_writable();
  if (missing > free) {
    throw Error(ExitCode::io,
                fmt::format("cannot write {} in {}: No space left on device: {} are free",
                            size_text(missing), shown(folder.path()), size_text(free)),
                fmt::format("{} of {} are there, {} are left to do; nothing was written",
                            size_text(there), size_text(there + missing), size_text(missing)));
  }
}

std::string progress_text(std::uint64_t there, std::uint64_t target) {
  return fmt::format("{} of {} are there, {} are left to do", size_text(there), size_text(target),
                     size_text(target - there));
}

} // namespace

void Grow::declare(cli::Options& options) {
  options.positionals("DIR", folder_, 1, 1);
  target_.declare(options);
  options.group("Writing");
  declare_size(options, "file-size", file_size_, "the size of new files (default 1GiB)");
  options.number("seed", seed_, 0, std::numeric_limits<std::uint64_t>::max(),
                 "what the content of new files is made from (default 1)");
  declare_rate(options, "rate", rate_, "write at most this much, such as 50MiB/s");
  options.number("jobs,j", jobs_, 1, max_jobs, "how many files to write at a time (default 16)");
  site_.declare(options);
  change_.declare(options);
}

void Grow::validate(const cli::Options&) {
  target_.validate();
  change_.validate();
  if (file_size_ && (*file_size_ < least_file_size || *file_size_ % content::sector_bytes != 0)) {
    throw Error(ExitCode::usage, "--file-size takes at least 1MiB, in steps of 4KiB");
  }
}

ExitCode Grow::run(cli::Context& context) {
  const SeedFolder folder(folder_.front());
  if (site_.config) {
    site_.validate();
    refuse_folders_of_site(folder, site_);
  }
  return grow(folder, context);
}

ExitCode Grow::grow(const SeedFolder& folder, cli::Context& context) const {
  const bool writes = change_.mode.writes();
  std::optional<io::FolderLock> lock;
  if (writes) {
    static_cast<void>(folder.require_writable());
    lock.emplace(lock_request(folder, change_.lock_timeout));
  }
  Interruption interruption;
  Listing listing = folder.list();
  warn_of_strangers(listing, context);
  if (writes) {
    folder.remove_begun(listing);
  }
  const NewFiles new_files{allowed_file_size(file_size_.value_or(default_file_size), context.log()),
                           seed_.value_or(1)};
  const auto fillings = plan_filling(folder, listing, target_.bytes(), new_files);
  const std::uint64_t missing = bytes_to_write(fillings);
  std::uint64_t written = 0;
  if (missing == 0) {
    context.log().info(fmt::format("{} holds {} of seed data already", shown(folder.path()),
                                   size_text(listing.bytes())));
  } else if (!writes) {
    context.log().info(
        fmt::format("{} would get {} of seed data", shown(folder.path()), size_text(missing)));
  } else {
    written = write(folder, *lock, fillings, interruption, context.log());
    listing = folder.list();
    context.log().info(fmt::format("{} written to {}: it holds {} of seed data now",
                                   size_text(written), shown(folder.path()),
                                   size_text(listing.bytes())));
  }
  context.result("efs-seed-result", missing == 0 ? "unchanged" : writes ? "changed" : "planned");
  report(listing, context);
  context.result("efs-seed-written-bytes", std::to_string(written));
  return change_.mode.check && missing > 0 ? ExitCode::negative : ExitCode::ok;
}

std::uint64_t Grow::write(const SeedFolder& folder, const io::FolderLock& lock,
                          const std::vector<Filling>& fillings, Interruption& interruption,
                          const cli::Log& log) const {
  const std::uint64_t missing = bytes_to_write(fillings);
  const std::uint64_t there = target_.bytes() - missing;
  require_space(folder, missing, there);
  Work work(rate_);
  const auto so_far = [&] { return progress_text(there + work.done(), target_.bytes()); };
  try {
    cli::Progress progress(change_.progress, log.verbosity() == cli::Verbosity::quiet, missing);
    fill(folder, lock, fillings, jobs_.value_or(default_jobs), work, interruption, progress);
  } catch (const Error& error) {
    const std::string more = error.hint().empty() ? "" : error.hint() + " ";
    throw Error(error.code(), error.message(),
                more + so_far() + "; the same command goes on from there");
  }
  if (!interruption.signal().empty() && work.done() < missing) {
    throw Error(ExitCode::try_again,
                fmt::format("stopped by {}: {}", interruption.signal(), so_far()),
                "the same command goes on from there");
  }
  return work.done();
}
