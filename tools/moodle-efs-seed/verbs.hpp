#pragma once

#include "check.hpp"
#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "fill.hpp"
#include "moodle/site.hpp"
#include "seed_folder.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

constexpr const char* tool_name = "moodle-efs-seed";

/// The most jobs; with a block or two each they stay below 64 MiB.
constexpr std::uint64_t max_jobs = 24;

/// How much seed data the folder is to hold: --size, or what `plan` has worked out.
struct TargetOptions {
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> planned;

  void declare(cli::Options& options);
  /// Throws cli::Error{usage} when neither was given.
  void validate() const;
  /// In bytes; rounded up to what EFS meters by.
  [[nodiscard]] std::uint64_t bytes() const;
};

/// Shared by the verbs that change a folder.
struct ChangeOptions {
  std::chrono::milliseconds lock_timeout{10'000};
  cli::EditMode mode;
  cli::ProgressOptions progress;

  void declare(cli::Options& options);
  void validate() const;
};

class Plan : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  std::optional<std::uint64_t> throughput_;
  std::optional<std::uint64_t> size_;
  std::optional<std::string> from_;
  std::string mode_ = "bursting";
  std::optional<std::uint64_t> size_now_;
  std::optional<std::uint64_t> seed_now_;
  std::optional<std::uint64_t> credits_;
  std::string lifecycle_ = "none";
  std::optional<double> price_;
};

class Grow : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  cli::ExitCode grow(const SeedFolder& folder, cli::Context& context) const;
  /// Returns how many bytes.
  std::uint64_t write(const SeedFolder& folder, const io::FolderLock& lock,
                      const std::vector<Filling>& fillings, Interruption& interruption,
                      const cli::Log& log) const;

  std::vector<std::string> folder_;
  TargetOptions target_;
  std::optional<std::uint64_t> file_size_;
  std::optional<std::uint64_t> seed_;
  std::optional<std::uint64_t> rate_;
  std::optional<std::uint64_t> jobs_;
  moodle::SiteOptions site_;
  ChangeOptions change_;
};

class Shrink : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  cli::ExitCode shrink(const SeedFolder& folder, cli::Context& context) const;

  std::vector<std::string> folder_;
  TargetOptions target_;
  ChangeOptions change_;
};

class Status : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  [[nodiscard]] std::vector<Damage> verify(const SeedFolder& folder, const Listing& listing,
                                           const cli::Context& context) const;

  std::vector<std::string> folder_;
  bool verify_ = false;
  std::optional<std::uint64_t> size_now_;
  std::optional<std::uint64_t> jobs_;
  std::optional<std::uint64_t> rate_;
  cli::ProgressOptions progress_;
};

/// Declares an option that takes a size or a rate.
void declare_size(cli::Options& options, const std::string& names,
                  std::optional<std::uint64_t>& target, const std::string& help,
                  cli::From from = cli::From::command_line);
void declare_rate(cli::Options& options, const std::string& names,
                  std::optional<std::uint64_t>& target, const std::string& help);

/// Sets the facts about what is in the folder, and warns of what only looks like seed files.
void report(const Listing& listing, cli::Context& context);
void warn_of_strangers(const Listing& listing, cli::Context& context);

/// The lock that keeps two runs, on one host or two, from changing the folder at once.
io::FolderLock::Request lock_request(const SeedFolder& folder, std::chrono::milliseconds timeout);
