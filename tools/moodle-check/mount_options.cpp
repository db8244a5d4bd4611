#include "mount_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace {

/// The value behind "name=", or nothing.
std::string value_of(const io::Mount& mount, std::string_view name) {
  std::string value;
  for (const std::string& option : mount.options) {
    if (option.size() > name.size() && option.starts_with(name) && option[name.size()] == '=') {
      value = option.substr(name.size() + 1);
    }
  }
  return value;
}

bool has(const io::Mount& mount, std::string_view option) {
  return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
}

} // namespace

const char* recommended_mount_options() noexcept {
  return "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport";
}

std::vector<std::string> unwanted_mount_options(const io::Mount& mount) {
  std::vector<std::string> wrong;
  constexpr std::array<std::array<const char*, 2>, 5> wanted{{{"vers", "4.1"},
                                                              {"rsize", "1048576"},
                                                              {"wsize", "1048576"},
                                                              {"timeo", "600"},
                                                              {"retrans", "2"}}};
  for (const auto& [name, value] : wanted) {
    const std::string there = value_of(mount, name);
    if (!there.empty() && there != value) {
      wrong.push_back(fmt::format("with {}={}, not {}", name, there, value));
    }
  }
  if (has(mount, "soft") || has(mount, "softerr")) {
    wrong.emplace_back("soft, not hard: a late answer is an error to Moodle, and loses data");
  }
  if (!has(mount, "noresvport")) {
    wrong.emplace_back("without noresvport: a lost connection may not come back");
  }
  return wrong;
}
