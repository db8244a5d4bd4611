#include "aws/efs.hpp"
#include "cli/size.hpp"
#include "verbs.hpp"

#include <algorithm>

using cli::Error;
using cli::ExitCode;
using cli::shown;
using cli::size_text;

namespace {

constexpr std::uint64_t default_jobs = 16;

std::uint64_t unfinished(const Listing& listing) {
  return static_cast<std::uint64_t>(
      std::count_if(listing.files.begin(), listing.files.end(),
                    [](const SeedFile& file) { return !file.is_whole(); }));
}

} // namespace

void Status::declare(cli::Options& options) {
  options.positionals("DIR", folder_, 1, 1);
  options.group("What to look at");
  options.flag("verify", verify_, "read all of it back");
  declare_size(options, "efs-size-bytes", size_now_,
               "what EFS has in Standard storage in all (default: the seed data)",
               cli::From::facts);
  options.group("Reading");
  declare_rate(options, "rate", rate_, "read at most this much, such as 50MiB/s");
  options.number("jobs,j", jobs_, 1, max_jobs, "how many files to read at a time (default 16)");
  progress_.declare(options);
}

void Status::validate(const cli::Options&) {
  progress_.validate();
}

ExitCode Status::run(cli::Context& context) {
  const SeedFolder folder(folder_.front());
  const Listing listing = folder.list();
  warn_of_strangers(listing, context);
  const std::uint64_t metered = size_now_.value_or(listing.metered_bytes());
  context.log().info(fmt::format("{}: {} in {} seed files, {} of them unfinished",
                                 shown(folder.path()), size_text(listing.bytes()),
                                 listing.files.size(), unfinished(listing)));
  context.log().info(fmt::format("the baseline of {} is {}", size_text(metered),
                                 cli::rate_text(aws::efs::baseline(metered))));
  report(listing, context);
  context.result("efs-seed-unfinished-files", std::to_string(unfinished(listing)));
  context.result("efs-seed-metered-bytes", std::to_string(listing.metered_bytes()));
  context.result("efs-baseline", fmt::format("{:.0f}", aws::efs::baseline(metered)));
  if (!verify_) {
    return ExitCode::ok;
  }
  const std::vector<Damage> damaged = verify(folder, listing, context);
  for (const Damage& damage : damaged) {
    context.log().error(fmt::format("{} is damaged: {} of its blocks of 1 MiB differ from what was "
                                    "written, the first at byte {}",
                                    folder.path_of(damage.number), damage.blocks, damage.offset));
  }
  context.result("efs-seed-damaged-files", std::to_string(damaged.size()));
  return damaged.empty() ? ExitCode::ok : ExitCode::negative;
}

std::vector<Damage> Status::verify(const SeedFolder& folder, const Listing& listing,
                                   const cli::Context& context) const {
  Interruption interruption;
  Work work(rate_);
  cli::Progress progress(progress_, context.log().verbosity() == cli::Verbosity::quiet,
                         listing.bytes());
  std::vector<Damage> damaged = find_damage(folder, listing.files, jobs_.value_or(default_jobs),
                                            work, interruption, progress);
  if (!interruption.signal().empty()) {
    throw Error(ExitCode::try_again,
                fmt::format("stopped by {}: {} of {} were read", interruption.signal(),
                            size_text(work.done()), size_text(listing.bytes())));
  }
  return damaged;
}
