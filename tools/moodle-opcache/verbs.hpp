#pragma once

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "moodle/opcache_findings.hpp"
#include "moodle/opcache_measure.hpp"
#include "moodle/opcache_plan.hpp"
#include "moodle/php_settings.hpp"
#include "moodle/site.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

constexpr const char* tool_name = "moodle-opcache";

/// Which PHP of the host it is about.
struct PhpOptions {
  std::optional<std::string> sapi;
  std::optional<std::string> version;
  std::optional<std::string> etc;

  void declare(cli::Options& options);
  /// Throws cli::Error{usage} for a --sapi or --php that can be none.
  void validate() const;
  [[nodiscard]] std::string etc_folder() const { return etc.value_or("/etc"); }

  /// The one PHP that fits; without options, the one that serves pages. Throws
  /// cli::Error{no_input} that lists what is there when none fits, {usage} when several do.
  [[nodiscard]] moodle::PhpService choose() const;
  /// The PHP whose ini files a measurement is to be made with: as choose(), but of several that fit
  /// the first one will do; without any, one without ini files.
  [[nodiscard]] moodle::PhpService choose_for_measuring() const;

private:
  [[nodiscard]] std::vector<moodle::PhpService> fitting() const;
};

/// The code, how it is measured, and what is wanted of the plan.
struct PlanOptions {
  moodle::SiteOptions site;
  bool measure = false;
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<std::uint64_t> memory;
  std::optional<std::uint64_t> script_bytes; ///< from an earlier measurement
  std::optional<std::uint64_t> string_bytes;
  std::optional<std::uint64_t> revalidate_seconds;
  std::optional<std::uint64_t> headroom_percent;
  bool immutable = false;
  cli::ProgressOptions progress;

  void declare(cli::Options& options);
  void validate(const cli::Options& options) const;
  [[nodiscard]] moodle::OpcachePolicy policy() const;
};

/// A site's code, counted, and measured or estimated.
struct Code {
  std::string dirroot;
  moodle::OpcacheNeed need;
  std::uint64_t bytes = 0;
  std::optional<moodle::OpcacheMeasure> measure;
  std::string config_path;
};

/// Does what the options say; warns of what could not be read or compiled. Throws
/// cli::Error{no_input} when the code is not on this host.
Code examine(const PlanOptions& options, const PhpOptions& php, php::Runtime& runtime,
             const cli::Context& context);

class Plan : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  PhpOptions php_;
  PlanOptions plan_;
};

class Write : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  PhpOptions php_;
  PlanOptions plan_;
  std::chrono::milliseconds lock_timeout_{10'000};
  cli::EditMode mode_;
};

class Check : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  [[nodiscard]] moodle::PhpSettings read(const moodle::PhpService& service, php::Runtime& runtime,
                                         const cli::Log& log) const;

  PhpOptions php_;
  PlanOptions plan_;
  std::optional<std::string> phpinfo_;
};
