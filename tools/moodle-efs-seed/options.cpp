#include "cli/size.hpp"
#include "verbs.hpp"

using cli::Error;
using cli::ExitCode;

void declare_size(cli::Options& options, const std::string& names,
                  std::optional<std::uint64_t>& target, const std::string& help, cli::From from) {
  options.parsed(
      names, "SIZE", help, [&target](const std::string& text) { target = cli::parse_size(text); },
      from);
}

void declare_rate(cli::Options& options, const std::string& names,
                  std::optional<std::uint64_t>& target, const std::string& help) {
  options.parsed(names, "RATE", help,
                 [&target](const std::string& text) { target = cli::parse_rate(text); });
}

void TargetOptions::declare(cli::Options& options) {
  options.group("Target");
  declare_size(options, "size", size, "how much seed data the folder is to hold in all");
  declare_size(options, "efs-seed-size", planned, "the same, as 'plan' has worked it out",
               cli::From::facts);
}

void TargetOptions::validate() const {
  if (!size && !planned) {
    throw Error(ExitCode::usage, "--size is missing", "'moodle-efs-seed plan' works it out");
  }
}

std::uint64_t TargetOptions::bytes() const {
  constexpr std::uint64_t step = content::sector_bytes;
  return (size.value_or(planned.value_or(0)) + step - 1) / step * step;
}

void ChangeOptions::declare(cli::Options& options) {
  options.group("Lock");
  options.seconds("lock-timeout", lock_timeout,
                  "how long to wait for another run on the same folder (default 10)");
  progress.declare(options);
  mode.declare(options, cli::EditMode::Diff::none);
}

void ChangeOptions::validate() const {
  progress.validate();
  mode.validate();
}

void report(const Listing& listing, cli::Context& context) {
  context.result("efs-seed-bytes", std::to_string(listing.bytes()));
  context.result("efs-seed-files", std::to_string(listing.files.size()));
}

void warn_of_strangers(const Listing& listing, cli::Context& context) {
  for (const std::string& path : listing.strangers) {
    context.log().warning(
        fmt::format("{} has the name of a seed file but is none: it is left alone", path));
  }
}

io::FolderLock::Request lock_request(const SeedFolder& folder, std::chrono::milliseconds timeout) {
  return {.folder = folder.fd(),
          .path = folder.path(),
          .name = ".moodle-efs-seed.lock",
          .command = tool_name,
          .timeout = timeout};
}
