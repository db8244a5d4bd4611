#pragma once

#include "cli/command.hpp"
#include "selection.hpp"

#include <optional>
#include <string>
#include <vector>

class List : public cli::Command {
public:
  void declare(cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  std::optional<std::string> folder_;
};

class Generate : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  Selection selection_;
  std::optional<std::string> folder_;
};

class Parameters : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  Selection selection_;
  std::string phase_;
  std::optional<std::uint64_t> minimum_;
  std::optional<std::uint64_t> maximum_;
};

class Lint : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  std::vector<std::string> paths_;
};

class Graph : public cli::Command {
public:
  void declare(cli::Options& options) override;
  void validate(const cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  Selection selection_;
  std::string format_ = "mermaid";
};

class Document : public cli::Command {
public:
  void declare(cli::Options& options) override;
  cli::ExitCode run(cli::Context& context) override;

private:
  std::optional<std::string> folder_;
  std::vector<std::string> name_;
};
