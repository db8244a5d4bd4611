#include "cli/error.hpp"
#include "moodle/opcache_plan.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>

namespace moodle {

namespace {

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

/// One path in PHP's realpath cache (PHP 8.2 Zend/zend_virtual_cwd.h, realpath_cache_bucket): 48
/// bytes and the path with its end.
constexpr std::uint64_t realpath_entry = 48;

void add_realpath(const std::string& path, PhpCode& code) {
  code.realpath_bytes += realpath_entry + path.size() + 1;
}

void add_file(int folder, const char* name, const std::string& path, PhpCode& code) {
  struct stat status {};
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) {
    return; // gone meanwhile
  }
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  code.paths.push_back(path);
  code.bytes += bytes;
  code.lang_bytes += path.find("/lang/") == std::string::npos ? 0 : bytes;
  code.largest = std::max(code.largest, bytes);
  add_realpath(path, code);
}

unsigned char type_of(int folder, const dirent& entry) {
  struct stat status {};
  if (entry.d_type != DT_UNKNOWN
      || ::fstatat(folder, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return entry.d_type;
  }
  return static_cast<unsigned char>(IFTODT(status.st_mode));
}

void walk(const std::string& root, PhpCode& code) {
  std::vector<std::string> waiting{root};
  while (!waiting.empty()) {
    const std::string path = std::move(waiting.back());
    waiting.pop_back();
    const Folder folder(::opendir(path.c_str()), ::closedir);
    if (!folder) {
      if (path == root) {
        throw cli::system_error(errno, "cannot read " + cli::shown(root));
      }
      if (errno != ENOENT) {
        code.unreadable.push_back(path);
      }
      continue;
    }
    add_realpath(path, code);
    const int fd = ::dirfd(folder.get());
    while (const dirent* const entry = ::readdir(folder.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") {
        continue;
      }
      const unsigned char type = type_of(fd, *entry);
      const std::string inner = fmt::format("{}/{}", path == "/" ? "" : path, name);
      if (type == DT_DIR) {
        waiting.push_back(inner);
      } else if (type == DT_REG && name.ends_with(".php")) {
        add_file(fd, entry->d_name, inner, code);
      } else if (type == DT_REG && name.ends_with(".mustache")) {
        ++code.templates;
      }
    }
  }
}

} // namespace

PhpCode find_php_code(const std::string& dirroot) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(dirroot.c_str(), nullptr),
                                                             &std::free);
  if (!resolved) {
    throw cli::system_error(errno, "cannot read " + cli::shown(dirroot));
  }
  PhpCode code;
  walk(resolved.get(), code);
  std::sort(code.paths.begin(), code.paths.end());
  std::sort(code.unreadable.begin(), code.unreadable.end());
  return code;
}

} // namespace moodle
