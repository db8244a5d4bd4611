#include "site_folders.hpp"

#include "cli/error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

using Place = std::pair<dev_t, ino_t>;

/// The folder and all those that it lies in. Asked from the folder upwards, the file system itself
/// answers, whatever symbolic links the paths go through.
std::vector<Place> folder_and_parents(const SeedFolder& folder) {
  std::vector<Place> places;
  cli::UniqueFd fd(::openat(folder.fd(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (;;) {
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
      throw cli::system_error(errno, "cannot look above " + shown(folder.path()));
    }
    const Place place{status.st_dev, status.st_ino};
    if (!places.empty() && places.back() == place) {
      return places; // the root is its own parent
    }
    places.push_back(place);
    fd.reset(::openat(fd.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
}

} // namespace

void refuse_folders_of_site(const SeedFolder& folder, const moodle::SiteOptions& options) {
  php::Runtime php(options.php_timeout);
  const moodle::Site site = moodle::load_site(options, php);
  (void)site.dataroot(); // throws when it is not there, as when it is not mounted
  const std::vector<Place> places = folder_and_parents(folder);
  for (const auto& [setting, below] : moodle::data_folders) {
    const std::string path = site.data_folder(setting);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      continue; // nothing lies in a folder that is not there
    }
    for (const Place& place : places) {
      if (place == Place{status.st_dev, status.st_ino}) {
        throw Error(
            ExitCode::config,
            fmt::format("{} lies in the site's {}, {}", shown(folder.path()), setting, shown(path)),
            "choose a folder beside it on the same file system");
      }
    }
  }
}
