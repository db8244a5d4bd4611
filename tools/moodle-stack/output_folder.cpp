#include "output_folder.hpp"

#include "aws/component.hpp"
#include "cli/error.hpp"
#include "cli/input.hpp"
#include "cli/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>

namespace fs = std::filesystem;
using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

constexpr const char* main_file = "main.yaml";

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    names.insert(at->path().filename().string());
  }
  if (error) {
    throw cli::system_error(error.value(), fmt::format("cannot read {}", shown(folder.string())));
  }
  return names;
}

/// The files that the earlier run which made this folder wrote; none when there was no such run.
std::set<std::string> own_files(const fs::path& folder) {
  try {
    const aws::Template main = aws::Template::read((folder / main_file).string());
    if (!aws::is_generated(main)) {
      return {};
    }
    std::set<std::string> files = {main_file};
    for (const aws::Resource& resource : main.resources) {
      const aws::YamlNode* url = resource.property("TemplateURL");
      files.insert(url == nullptr ? "" : url->text);
    }
    return files;
  } catch (const Error&) {
    return {};
  }
}

/// Refuses a folder that holds anything that is not ours.
void check_ours(const fs::path& folder, const std::set<std::string>& names) {
  const std::set<std::string> own = own_files(folder);
  const auto foreign = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
    return own.find(name) == own.end();
  });
  if (foreign != names.end()) {
    throw Error(ExitCode::cannot_create,
                fmt::format("{} holds {}, which moodle-stack did not write", shown(folder.string()),
                            shown(*foreign)),
                "choose a new or an empty folder, or move the file away");
  }
}

bool holds_exactly(const fs::path& folder, const std::set<std::string>& names, const Files& files) {
  return names.size() == files.size()
         && std::all_of(files.begin(), files.end(), [&](const auto& file) {
              const auto& [name, content] = file;
              std::error_code error;
              return names.count(name) > 0 && fs::file_size(folder / name, error) == content.size()
                     && cli::read_input((folder / name).string(), content.size()).text == content;
            });
}

void write_file(const fs::path& path, const std::string& content) {
  const auto failed = [&] {
    return cli::system_error(errno, fmt::format("cannot write {}", shown(path.string())));
  };
  const cli::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd) {
    throw failed();
  }
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t count = ::write(fd.get(), content.data() + done, content.size() - done);
    if (count < 0 && errno != EINTR) {
      throw failed();
    }
    done += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
}

/// A new folder beside another one; removed with all that is in it at the end, whatever it is then.
class Staging {
public:
  explicit Staging(const fs::path& beside)
      : path_((beside.parent_path() / ".moodle-stack-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) {
      const int error = errno;
      const Error cause =
          cli::system_error(error, fmt::format("cannot create {}", shown(beside.string())));
      throw Error(error == ENOENT || error == ENOTDIR ? ExitCode::cannot_create : cause.code(),
                  cause.message());
    }
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  [[nodiscard]] const fs::path path() const { return path_; }

  /// Puts the folder in the place of `target`, and what was there here, in one step where the file
  /// system can.
  void swap_with(const fs::path& target, bool target_exists) {
    if (!target_exists) {
      move(path_, target);
      return;
    }
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
      return;
    }
    if (errno != EINVAL && errno != ENOSYS) { // both: a file system that cannot exchange, NFS say
      throw cli::system_error(errno, fmt::format("cannot replace {}", shown(target.string())));
    }
    const std::string old = path_ + "-old";
    move(target, old);
    move(path_, target);
    path_ = old;
  }

private:
  static void move(const fs::path& from, const fs::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      throw cli::system_error(errno, fmt::format("cannot create {}", shown(to.string())));
    }
  }

  std::string path_;
};

mode_t folder_mode(const fs::path& folder, bool exists) {
  struct stat status {};
  if (exists && ::stat(folder.c_str(), &status) == 0) {
    return status.st_mode & 07777U;
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0777U & ~mask;
}

} // namespace

bool write_folder(const std::string& folder, const Files& files) {
  std::error_code error;
  // Symbolic links are followed: what they name is replaced, not they.
  fs::path target = fs::weakly_canonical(fs::absolute(folder, error), error);
  if (!target.has_filename()) { // "folder/"
    target = target.parent_path();
  }
  const fs::file_status status = fs::status(target, error);
  const bool exists = fs::exists(status);
  if (exists && !fs::is_directory(status)) {
    throw Error(ExitCode::cannot_create, fmt::format("{} is not a folder", shown(folder)));
  }
  if (exists) {
    const std::set<std::string> names = names_in(target);
    check_ours(target, names);
    if (holds_exactly(target, names, files)) {
      return false;
    }
    if (target == fs::current_path(error)) {
      throw Error(ExitCode::cannot_create,
                  fmt::format("{} is the current folder, which cannot be replaced", shown(folder)),
                  "run the command from another folder");
    }
  }
  Staging staging(target);
  for (const auto& [name, content] : files) {
    write_file(staging.path() / name, content);
  }
  if (::chmod(staging.path().c_str(), folder_mode(target, exists)) != 0) {
    throw cli::system_error(errno, fmt::format("cannot set the mode of {}", shown(folder)));
  }
  staging.swap_with(target, exists);
  return true;
}
