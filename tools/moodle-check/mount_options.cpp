#include "mount_options.hpp"

#include "cli/text.hpp"

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

constexpr const char* recommended =
    "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport";

bool by_efs_utils(const io::Mount& mount) {
  return mount.source.starts_with("127.0.0.1:") && !value_of(mount, "port").empty();
}

} // namespace

bool is_efs(const io::Mount& mount) {
  const std::string host = mount.source.substr(0, mount.source.find(':'));
  return mount.type == "nfs4" && (host.find(".efs.") != std::string::npos || by_efs_utils(mount));
}

std::string mount_again(const io::Mount& mount) {
  if (by_efs_utils(mount) || mount.root != "/") {
    return {};
  }
  return fmt::format("umount {0} && mount -t nfs4 -o {2} {1} {0}", cli::shell_word(mount.point),
                     cli::shell_word(mount.source), recommended);
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
