#pragma once

#include "aws/linker.hpp"
#include "cli/options.hpp"

#include <optional>
#include <string>
#include <vector>

/// Where the templates are: the folder that was named, or the one that belongs to this executable.
std::string templates_folder(const std::optional<std::string>& named);

/// Which components make up a site, and what is set for them: the options that generate, parameters
/// and graph share.
class Selection {
public:
  void declare(cli::Options& options);
  void validate();

  /// Reads the templates and links the chosen ones. Throws Error{usage} for a component or a
  /// parameter that does not exist, and as aws::read_all and aws::link do. To be called once.
  aws::Plan plan();

  [[nodiscard]] const std::vector<aws::Component>& components() const noexcept {
    return components_;
  }
  /// The values that were set by an option, in the main template's names.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& values() const noexcept {
    return values_;
  }

private:
  std::vector<const aws::Component*> chosen() const;
  const aws::Component& component(const std::string& name) const;
  void set_engine(aws::Plan& plan);

  std::optional<std::string> folder_;
  std::vector<std::string> with_;
  std::vector<std::string> without_;
  std::vector<std::string> settings_;
  std::optional<std::uint64_t> zones_;
  std::string engine_;
  std::vector<std::pair<std::string, std::string>> values_;
  std::vector<aws::Template> templates_;
  std::vector<aws::Component> components_;
};
