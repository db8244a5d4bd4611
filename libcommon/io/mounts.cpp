#include "io/mounts.hpp"

#include "cli/text.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace io {

namespace {

/// As the kernel writes a blank, a tab, a line end or a backslash in a path: "\040".
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '7' ? text[at] - '0' : -1;
    };
    if (text[i] == '\\' && digit(i + 1) >= 0 && digit(i + 2) >= 0 && digit(i + 3) >= 0) {
      plain += static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool holds(const std::string& point, const std::string& path) {
  return point == "/" || path == point
         || (path.starts_with(point) && path.size() > point.size() && path[point.size()] == '/');
}

} // namespace

std::string mount_table() {
  std::ostringstream table;
  table << std::ifstream("/proc/self/mountinfo").rdbuf();
  return table.str();
}

std::optional<Mount> find_mount(const std::string& path, std::string_view mountinfo) {
  const std::string wanted = std::filesystem::path(path).lexically_normal().string();
  std::optional<Mount> found;
  for (const std::string& line : cli::split(mountinfo, '\n')) {
    // "36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw" (proc(5))
    const std::vector<std::string> words = cli::split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    constexpr std::size_t at_root = 3;
    constexpr std::size_t at_point = 4;
    constexpr std::size_t at_options = 5;
    if (dash - words.begin() <= static_cast<std::ptrdiff_t>(at_options) || words.end() - dash < 2) {
      continue;
    }
    const std::string point = unescaped(words[at_point]);
    // A later mount hides an earlier one.
    if (!holds(point, wanted) || (found && point.size() < found->point.size())) {
      continue;
    }
    found = Mount{.point = point,
                  .root = unescaped(words[at_root]),
                  .type = *(dash + 1),
                  .source = {},
                  .options = {}};
    found->options = cli::split(words[at_options], ',');
    if (words.end() - dash > 2) {
      found->source = unescaped(*(dash + 2));
    }
    if (words.end() - dash > 3) {
      const std::vector<std::string> more = cli::split(*(dash + 3), ',');
      found->options.insert(found->options.end(), more.begin(), more.end());
    }
  }
  return found;
}

std::string filesystem_type(const std::string& path, std::string_view mountinfo) {
  const std::optional<Mount> mount = find_mount(path, mountinfo);
  return mount ? mount->type : "";
}

bool is_shared_type(std::string_view type) {
  constexpr std::array<std::string_view, 18> shared{
      "nfs",   "nfs4", "cifs",   "smb3", "smbfs", "ceph", "lustre", "glusterfs", "gpfs",
      "ocfs2", "gfs2", "beegfs", "afs",  "9p",    "efs",  "davfs",  "virtiofs",  "fuse"};
  return std::find(shared.begin(), shared.end(), type) != shared.end()
         || (type.starts_with("fuse.") && type != "fuse.lxcfs" && type != "fuse.fuse-overlayfs");
}

std::string shared_type(const std::string& path) {
  const std::string type = filesystem_type(path, mount_table());
  return is_shared_type(type) ? type : "";
}

} // namespace io
