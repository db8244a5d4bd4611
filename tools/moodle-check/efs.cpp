#include "aws/efs.hpp"

#include "checks.hpp"
#include "cli/size.hpp"
#include "cli/text.hpp"
#include "mount_options.hpp"

using cli::shell_word;

namespace {

constexpr const char* efs_guide = "https://docs.aws.amazon.com/efs/latest/ug/performance.html";

Outcome mount_is_as_recommended(const Subject& subject) {
  const auto mount = io::find_mount(subject.folder("dataroot").real_path->get(), subject.mounts);
  if (!mount || !is_efs(*mount)) {
    return Outcome::not_applicable("dataroot is not on EFS");
  }
  const std::vector<std::string> wrong = unwanted_mount_options(*mount);
  if (wrong.empty()) {
    return Outcome::good();
  }
  return Outcome::found(
      {Severity::warning, mount->point, fmt::format("is mounted {}", cli::join(wrong, ", ")),
       "with other options reads and writes take more round trips, or fail when EFS is late",
       "https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-nfs-mount-settings.html",
       mount_again(*mount)});
}

/// Throughput that does not depend on what is stored.
std::string make_elastic(const Subject& subject) {
  return subject.given.efs_id ? fmt::format(
             "aws efs update-file-system --file-system-id {} --throughput-mode elastic",
             shell_word(*subject.given.efs_id))
                              : "";
}

std::optional<Outcome> without_bursting(const Subject& subject) {
  if (!subject.given.efs_mode) {
    return Outcome::not_applicable("the facts do not say how EFS grants throughput "
                                   "(efs-throughput-mode)");
  }
  if (*subject.given.efs_mode != "bursting") {
    return Outcome::not_applicable("EFS throughput does not depend on what is stored");
  }
  return std::nullopt;
}

Outcome baseline_is_enough(const Subject& subject) {
  if (auto none = without_bursting(subject)) {
    return *none;
  }
  if (!subject.given.efs_size_bytes) {
    return Outcome::not_applicable("the facts do not say how much is stored (efs-size-bytes)");
  }
  const std::uint64_t size = *subject.given.efs_size_bytes;
  if (aws::efs::baseline(size) > aws::efs::least_baseline) {
    return Outcome::good();
  }
  return Outcome::found(
      {Severity::warning, subject.given.efs_id.value_or("EFS"),
       fmt::format("stores {}, which grants no more than {} once the burst credits are spent",
                   cli::size_text(size), cli::rate_text(aws::efs::least_baseline)),
       "a busy hour then makes every page wait for files; 'moodle-efs-seed plan' says what seed "
       "data "
       "would change, elastic throughput needs none",
       efs_guide, make_elastic(subject)});
}

Outcome credits_last(const Subject& subject) {
  if (auto none = without_bursting(subject)) {
    return *none;
  }
  if (!subject.given.efs_credits) {
    return Outcome::not_applicable(
        "the facts do not say what credits are left (efs-burst-credits)");
  }
  const std::uint64_t size = subject.given.efs_size_bytes.value_or(0);
  const double rate = aws::efs::burst(size) - aws::efs::baseline(size);
  if (rate <= 0) {
    return Outcome::good();
  }
  const double seconds = static_cast<double>(*subject.given.efs_credits) / rate;
  constexpr double warning = 180 * 60; // as the alarms of stacks/efs-alarms.yaml
  constexpr double critical = 60 * 60;
  if (seconds >= warning) {
    return Outcome::good();
  }
  return Outcome::found(
      {seconds < critical ? Severity::error : Severity::warning,
       subject.given.efs_id.value_or("EFS"),
       fmt::format("has burst credits for {}", cli::duration_text(seconds)),
       fmt::format("after that it is as slow as {}", cli::rate_text(aws::efs::baseline(size))),
       efs_guide, make_elastic(subject)});
}

} // namespace

std::vector<Check> efs_checks(const SharedSubject& subject) {
  return checks_of(subject, {{"efs-mount", mount_is_as_recommended},
                             {"efs-baseline", baseline_is_enough},
                             {"efs-credits", credits_last}});
}
