#include "measure.hpp"

#include "cli/error.hpp"
#include "seed_folder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fts.h>
#include <memory>
#include <set>
#include <sys/stat.h>

namespace {

constexpr std::uint64_t metadata_bytes = 2048;
constexpr std::uint64_t step = 4096;

std::uint64_t metered(const struct stat& status) {
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t stored = static_cast<std::uint64_t>(status.st_blocks) * 512;
  const std::uint64_t data = S_ISREG(status.st_mode) ? std::min(size, stored) : step;
  return metadata_bytes + (data + step - 1) / step * step;
}

/// None in a folder that has gone since it was listed.
std::uint64_t seed_bytes_in(const FTSENT& folder) {
  try {
    return SeedFolder(folder.fts_path).list().bytes();
  } catch (const cli::Error& error) {
    if (error.code() != cli::ExitCode::no_input || folder.fts_level == FTS_ROOTLEVEL) {
      throw;
    }
    return 0;
  }
}

} // namespace

Measured measure(const std::string& path) {
  Measured sum;
  std::string root = path;
  std::array<char*, 2> roots{root.data(), nullptr};
  const std::unique_ptr<FTS, decltype(&::fts_close)> walk(
      ::fts_open(roots.data(), FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, nullptr),
      &::fts_close);
  if (!walk) {
    throw cli::system_error(errno, "cannot read " + cli::shown(path));
  }
  std::set<ino_t> linked;
  errno = 0;
  while (const FTSENT* const entry = ::fts_read(walk.get())) {
    switch (entry->fts_info) {
    case FTS_ERR:
    case FTS_DNR:
    case FTS_NS:
      // What a live site removes while it is being counted no longer counts.
      if (entry->fts_errno != ENOENT || entry->fts_level == FTS_ROOTLEVEL) {
        throw cli::system_error(entry->fts_errno, "cannot read " + cli::shown(entry->fts_path));
      }
      break;
    case FTS_D:
      // What is mounted below is not entered, but named here all the same.
      if (entry->fts_dev == walk->fts_dev) {
        sum.seed += seed_bytes_in(*entry);
      }
      break;
    case FTS_DP:
      sum.bytes += metered(*entry->fts_statp);
      break;
    default:
      if (entry->fts_statp->st_nlink == 1 || linked.insert(entry->fts_statp->st_ino).second) {
        sum.bytes += metered(*entry->fts_statp);
      }
    }
    errno = 0;
  }
  if (errno != 0) {
    throw cli::system_error(errno, "cannot read " + cli::shown(path));
  }
  return sum;
}
