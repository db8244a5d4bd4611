#include "aws/efs.hpp"
#include "cli/size.hpp"
#include "cli/text.hpp"
#include "measure.hpp"
#include "verbs.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

using cli::Error;
using cli::ExitCode;
using cli::size_text;

namespace {

double parse_price(const std::string& text) {
  double price = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, price, std::chars_format::fixed);
  if (error != std::errc{} || at != end || !std::isfinite(price) || price < 0 || price > 1e6) {
    throw Error(ExitCode::usage,
                fmt::format("'{}' is not a price: a number such as 0.30, in any currency",
                            cli::shown(text)));
  }
  return price;
}

/// As the EFS interface names them (API reference, LifecyclePolicy, TransitionToIA).
std::string parse_lifecycle(const std::string& text) {
  const std::vector<std::string> policies{
      "none",          "AFTER_1_DAY",   "AFTER_7_DAYS",   "AFTER_14_DAYS",  "AFTER_30_DAYS",
      "AFTER_60_DAYS", "AFTER_90_DAYS", "AFTER_180_DAYS", "AFTER_270_DAYS", "AFTER_365_DAYS"};
  if (std::find(policies.begin(), policies.end(), text) == policies.end()) {
    throw Error(ExitCode::usage, fmt::format("'{}' is not a lifecycle policy: it is one of {}",
                                             cli::shown(text), cli::join(policies, ", ")));
  }
  return text;
}

/// What there is, and what there is to be.
struct Sizes {
  std::uint64_t now = 0;  ///< in Standard storage, seed data among it
  std::uint64_t seed = 0; ///< the seed data
  std::uint64_t target = 0;

  [[nodiscard]] std::uint64_t missing() const { return target > now ? target - now : 0; }
};

/// Why seeding is of no use; empty when it is.
std::string futility(const Sizes& sizes, const std::string& mode, const std::string& lifecycle) {
  if (mode != "bursting") {
    return fmt::format("in {} mode the throughput does not depend on how much data there is", mode);
  }
  if (sizes.missing() == 0) {
    return fmt::format("there are {} already", size_text(sizes.now));
  }
  if (lifecycle != "none") {
    return fmt::format("the lifecycle policy {} moves data that nobody reads out of Standard "
                       "storage, and only what is there counts",
                       lifecycle);
  }
  if (aws::efs::baseline(sizes.target) <= aws::efs::least_baseline) {
    return fmt::format("{} have the baseline of {} that every file system has; data counts from "
                       "20 GiB on",
                       size_text(sizes.target), cli::rate_text(aws::efs::least_baseline));
  }
  return "";
}

std::string money(std::uint64_t bytes, double price) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) / static_cast<double>(cli::gib) * price);
}

/// The table for a person: a line for each value, now and then.
class Table {
public:
  explicit Table(const cli::Log& log) : log_(log) {}

  void line(std::string_view name, std::string_view now, std::string_view then) const {
    log_.info(fmt::format("{:<22}{:>12}{:>18}", name, now, then));
  }

private:
  const cli::Log& log_;
};

void show(const Sizes& sizes, std::optional<double> price, const cli::Log& log) {
  const Table table(log);
  const auto both = [&](const char* name, auto text) {
    table.line(name, text(sizes.now), text(std::max(sizes.now, sizes.target)));
  };
  table.line("", "now", "with seed data");
  both("in Standard storage", [](std::uint64_t size) { return size_text(size); });
  both("baseline", [](std::uint64_t size) { return cli::rate_text(aws::efs::baseline(size)); });
  both("burst rate", [](std::uint64_t size) { return cli::rate_text(aws::efs::burst(size)); });
  both("burst minutes a day", [](std::uint64_t size) {
    return fmt::format("{:.1f}", aws::efs::burst_minutes_a_day(size));
  });
  if (price) {
    both("cost a month", [&](std::uint64_t size) { return money(size, *price); });
  }
}

} // namespace

void Plan::declare(cli::Options& options) {
  options.group("Target");
  options.parsed("throughput", "RATE", "the baseline that is wanted, such as 10MiB/s",
                 [this](const std::string& text) { throughput_ = cli::parse_rate(text); });
  declare_size(options, "size", size_, "how much there is to be in Standard storage");
  options.text("from", from_, "DIR",
               "count what is below DIR, the root of the file system, instead of --efs-size-bytes; "
               "alone: what that brings by itself");
  options.group("File system");
  options.choice("efs-throughput-mode", mode_, {"bursting", "provisioned", "elastic"},
                 "the throughput mode (default bursting)", cli::From::facts);
  declare_size(options, "efs-size-bytes", size_now_, "what is in Standard storage now",
               cli::From::facts);
  declare_size(options, "efs-seed-bytes", seed_now_,
               "how much of it is seed data, as 'status' says (default 0)", cli::From::facts);
  declare_size(options, "efs-burst-credits", credits_,
               "the burst credits that are left (default: a new file system's 2.1TiB)",
               cli::From::facts);
  options.parsed(
      "efs-lifecycle-policy", "POLICY",
      "when files that nobody reads leave Standard storage: AFTER_30_DAYS and such, or none "
      "(the default)",
      [this](const std::string& text) { lifecycle_ = parse_lifecycle(text); }, cli::From::facts);
  options.parsed("price", "PRICE", "what a GiB costs a month in Standard storage",
                 [this](const std::string& text) { price_ = parse_price(text); });
}

void Plan::validate(const cli::Options& options) {
  if (throughput_ && size_) {
    throw Error(ExitCode::usage, "--throughput and --size exclude each other");
  }
  if (!throughput_ && !size_ && !from_) {
    throw Error(ExitCode::usage, "there is no target", "give one of --throughput, --size, --from");
  }
  if (from_ && options.given("efs-size-bytes") && !options.from_facts("efs-size-bytes")) {
    throw Error(ExitCode::usage, "--from and --efs-size-bytes exclude each other");
  }
  if (throughput_) {
    size_ = aws::efs::size_for_baseline(*throughput_);
  }
}

ExitCode Plan::run(cli::Context& context) {
  Sizes sizes;
  if (from_) {
    const Measured measured = measure(*from_);
    sizes.now = measured.bytes;
    sizes.seed = measured.seed;
  } else {
    sizes.now = size_now_.value_or(0);
    sizes.seed = seed_now_.value_or(0);
    if (!size_now_) {
      context.log().warning("no --efs-size-bytes: the file system is taken to be empty");
    } else if (sizes.seed > sizes.now) {
      context.log().warning(fmt::format("EFS has not counted all of the seed data yet: it says {} "
                                        "for {}",
                                        size_text(sizes.now), size_text(sizes.seed)));
    }
    // What is there already must not be planned again, just because the count lags.
    sizes.now = std::max(sizes.now, sizes.seed);
  }
  sizes.target = size_.value_or(sizes.now);
  const std::string why_not = futility(sizes, mode_, lifecycle_);
  const std::uint64_t add = why_not.empty() ? sizes.missing() : 0;
  if (mode_ == "bursting") {
    show(sizes, price_, context.log());
  }
  if (why_not.empty()) {
    const std::uint64_t credits = credits_.value_or(aws::efs::first_credits);
    const double at_burst = aws::efs::seconds_to_add_at_burst(add, sizes.now);
    const double with_credits = aws::efs::seconds_to_add(add, sizes.now, credits);
    context.log().info(fmt::format("to add: {}; that takes {} at the burst rate, {} with {} of "
                                   "burst credits",
                                   size_text(add), cli::duration_text(at_burst),
                                   cli::duration_text(with_credits), size_text(credits)));
    context.result("efs-seed-seconds-at-burst", fmt::format("{:.0f}", at_burst));
    context.result("efs-seed-seconds-with-credits", fmt::format("{:.0f}", with_credits));
  } else if (size_) {
    context.log().info("seeding buys nothing: " + why_not);
  }
  const std::uint64_t after = sizes.now + add;
  context.result("efs-seed-useful", why_not.empty() ? "true" : "false");
  context.result("efs-seed-add-bytes", std::to_string(add));
  context.result("efs-seed-size", std::to_string(sizes.seed + add));
  if (mode_ == "bursting") {
    context.result("efs-baseline", fmt::format("{:.0f}", aws::efs::baseline(sizes.now)));
    context.result("efs-baseline-seeded", fmt::format("{:.0f}", aws::efs::baseline(after)));
    context.result("efs-burst", fmt::format("{:.0f}", aws::efs::burst(after)));
    context.result("efs-burst-minutes-a-day",
                   fmt::format("{:.1f}", aws::efs::burst_minutes_a_day(after)));
  }
  if (price_) {
    context.result("efs-seed-monthly-cost", money(add, *price_));
  }
  return ExitCode::ok;
}
