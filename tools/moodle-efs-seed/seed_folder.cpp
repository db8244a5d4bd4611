#include "seed_folder.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <limits>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

using cli::Error;
using cli::ExitCode;
using cli::shown;
using cli::system_error;
using cli::UniqueFd;

namespace {

constexpr std::string_view prefix = "moodle-efs-seed-";
constexpr std::string_view begun_suffix = ".new";
constexpr std::size_t fewest_digits = 6;
constexpr std::uint64_t most_number = 999'999'999'999;

std::string name_of(std::uint64_t number) {
  return fmt::format("{}{:0{}}", prefix, number, fewest_digits);
}

/// The name of a file that is being made.
std::string begun_name_of(std::uint64_t number) {
  return fmt::format(".{}{}", name_of(number), begun_suffix);
}

std::optional<std::uint64_t> number_of(std::string_view name) {
  if (!name.starts_with(prefix)) {
    return std::nullopt;
  }
  const auto number = cli::parse_unsigned(name.substr(prefix.size()));
  return number && *number > 0 && *number <= most_number && name_of(*number) == name ? number
                                                                                     : std::nullopt;
}

std::optional<std::uint64_t> begun_number_of(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(begun_suffix)) {
    return std::nullopt;
  }
  return number_of(name.substr(1, name.size() - 1 - begun_suffix.size()));
}

/// An error of the medium or its limits, whatever its number: the command was allowed to write.
Error io_error(int error, const std::string& action) {
  return {ExitCode::io, system_error(error, action).message()};
}

/// What has that name.
struct Found {
  std::uint64_t size = 0;
  std::uint64_t stored = 0;
  std::optional<content::Header> header;
  bool is_file = false; ///< a regular one; all the rest is said only of those
};

/// Nothing when it is gone by now: another run may be at work.
std::optional<Found> look_at(int folder, const std::string& name, const std::string& path) {
  struct stat status {};
  if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0
      && !S_ISREG(status.st_mode)) {
    return Found{};
  }
  const UniqueFd fd(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    if (errno == ENOENT) {
      return std::nullopt;
    }
    throw system_error(errno, "cannot read " + path);
  }
  std::vector<std::byte> sector(content::sector_bytes);
  sector.resize(read_at(fd.get(), sector, 0, path));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  return Found{size, std::min(size, static_cast<std::uint64_t>(status.st_blocks) * 512),
               content::read_header(sector), true};
}

/// Calls `transfer`, which says by its result how many bytes went through, until all have.
template <typename Transfer>
std::size_t transfer_all(std::size_t length, const std::string& action, Transfer transfer) {
  std::size_t done = 0;
  while (done < length) {
    const ssize_t count = transfer(done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      throw io_error(errno, action);
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return done;
}

/// Whether it was on.
bool turn_off_direct(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0 && ::fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

} // namespace

std::uint64_t Listing::bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const SeedFile& file : files) {
    sum += file.size;
  }
  return sum;
}

std::uint64_t Listing::metered_bytes() const noexcept {
  constexpr std::uint64_t metadata = 2048;
  std::uint64_t sum = 0;
  for (const SeedFile& file : files) {
    sum +=
        metadata
        + (file.stored + content::sector_bytes - 1) / content::sector_bytes * content::sector_bytes;
  }
  return sum;
}

SeedFolder::SeedFolder(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr),
                                                             &std::free);
  if (resolved) {
    path_ = resolved.get();
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  struct stat status {};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) {
    throw system_error(errno, "cannot open the folder " + shown(path),
                       errno == ENOENT ? "is the file system mounted on this host?" : "");
  }
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

std::string SeedFolder::path_of(std::uint64_t number) const {
  return shown(fmt::format("{}/{}", path_, name_of(number)));
}

void SeedFolder::require_unmoved() const {
  struct stat now {};
  if (::stat(path_.c_str(), &now) != 0 || now.st_dev != device_ || now.st_ino != inode_) {
    throw Error(ExitCode::io, fmt::format("{} is no longer the folder that it was", shown(path_)),
                "was its file system unmounted?");
  }
}

std::uint64_t SeedFolder::require_writable() const {
  struct statvfs status {};
  if (::fstatvfs(fd_.get(), &status) != 0) {
    throw io_error(errno, "cannot look at the file system of " + shown(path_));
  }
  if ((status.f_flag & ST_RDONLY) != 0) {
    throw io_error(EROFS, "cannot write in " + shown(path_));
  }
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  const bool tells = status.f_blocks != 0 && status.f_bavail < most / status.f_frsize;
  return tells ? status.f_bavail * status.f_frsize : most;
}

Listing SeedFolder::list() const {
  Listing listing;
  // A second descriptor, because reading the folder moves the offset that copies would share.
  const auto close = [](DIR* opened) { ::closedir(opened); };
  UniqueFd copy(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, decltype(close)> entries(copy ? ::fdopendir(copy.get()) : nullptr,
                                                      close);
  if (!entries) {
    throw system_error(errno, "cannot read " + shown(path_));
  }
  copy.release();
  const auto next = [&] {
    errno = 0;
    return ::readdir(entries.get());
  };
  while (const dirent* const entry = next()) {
    add(listing, entry->d_name);
  }
  if (errno != 0) {
    throw io_error(errno, "cannot read " + shown(path_));
  }
  std::sort(listing.files.begin(), listing.files.end(),
            [](const SeedFile& a, const SeedFile& b) { return a.header.number < b.header.number; });
  return listing;
}

void SeedFolder::add(Listing& listing, const std::string& name) const {
  const auto begun = begun_number_of(name);
  const auto number = begun ? begun : number_of(name);
  const std::string path = shown(fmt::format("{}/{}", path_, name));
  const auto found = number ? look_at(fd_.get(), name, path) : std::nullopt;
  if (!found) {
    return;
  }
  const bool ours = found->header && found->header->number == *number;
  if (begun && found->is_file && (ours || found->size == 0)) {
    listing.begun.push_back(name);
    return;
  }
  listing.highest_number = std::max(listing.highest_number, *number);
  if (!begun && ours) {
    listing.files.push_back({*found->header, found->size, found->stored});
  } else {
    listing.strangers.push_back(path);
  }
}

UniqueFd SeedFolder::open(const SeedFile& file, int flags) const {
  UniqueFd fd(::openat(fd_.get(), name_of(file.header.number).c_str(),
                       flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) {
    const std::string action = "cannot open " + path_of(file.header.number);
    throw errno == EROFS ? io_error(errno, action) : system_error(errno, action);
  }
  return fd;
}

UniqueFd SeedFolder::open_direct(const SeedFile& file, int flags) const {
  UniqueFd fd(::openat(fd_.get(), name_of(file.header.number).c_str(),
                       flags | O_DIRECT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  return fd ? std::move(fd) : open(file, flags);
}

UniqueFd SeedFolder::create(const content::Header& header, std::span<const std::byte> start) const {
  const std::string begun = begun_name_of(header.number);
  const std::string path = path_of(header.number);
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  UniqueFd fd(::openat(fd_.get(), begun.c_str(), flags | O_DIRECT, 0644));
  if (!fd && errno == EINVAL) {
    // Some kernels have made the file by the time when they refuse.
    ::unlinkat(fd_.get(), begun.c_str(), 0);
    fd.reset(::openat(fd_.get(), begun.c_str(), flags, 0644));
  }
  if (!fd) {
    throw io_error(errno, "cannot create " + path);
  }
  try {
    write_at(fd.get(), start, 0, path);
    // Not by renaming: that would replace whatever has the name.
    if (::linkat(fd_.get(), begun.c_str(), fd_.get(), name_of(header.number).c_str(), 0) != 0) {
      throw errno == EEXIST
          ? Error(ExitCode::try_again, fmt::format("{} was made by somebody else meanwhile", path))
          : io_error(errno, "cannot create " + path);
    }
  } catch (const Error&) {
    ::unlinkat(fd_.get(), begun.c_str(), 0);
    throw;
  }
  // Closed before the first name goes: over NFS a name that is in use would linger as .nfs….
  fd.reset();
  ::unlinkat(fd_.get(), begun.c_str(), 0);
  return open_direct({header}, O_WRONLY);
}

void SeedFolder::remove(const SeedFile& file) const {
  if (::unlinkat(fd_.get(), name_of(file.header.number).c_str(), 0) != 0) {
    throw system_error(errno, "cannot remove " + path_of(file.header.number));
  }
}

void SeedFolder::truncate(const SeedFile& file, std::uint64_t size) const {
  const UniqueFd fd = open(file, O_WRONLY);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0 || ::fsync(fd.get()) != 0) {
    throw io_error(errno, "cannot shorten " + path_of(file.header.number));
  }
}

void SeedFolder::remove_begun(const Listing& listing) const {
  for (const std::string& name : listing.begun) {
    ::unlinkat(fd_.get(), name.c_str(), 0);
  }
}

void SeedFolder::flush() const {
  // Some file systems cannot flush a folder (EINVAL).
  if (::fsync(fd_.get()) != 0 && errno != EINVAL) {
    throw io_error(errno, "cannot flush " + shown(path_));
  }
}

void write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
              const std::string& path) {
  const std::size_t done =
      transfer_all(bytes.size(), "cannot write " + path, [&](std::size_t from) {
        const auto rest = bytes.subspan(from);
        const auto at = static_cast<off_t>(offset + from);
        const ssize_t count = ::pwrite(fd, rest.data(), rest.size(), at);
        return count < 0 && errno == EINVAL && turn_off_direct(fd)
                   ? ::pwrite(fd, rest.data(), rest.size(), at)
                   : count;
      });
  if (done < bytes.size()) {
    throw io_error(EIO, "cannot write " + path);
  }
}

std::size_t read_at(int fd, std::span<std::byte> bytes, std::uint64_t offset,
                    const std::string& path) {
  return transfer_all(bytes.size(), "cannot read " + path, [&](std::size_t from) {
    const auto rest = bytes.subspan(from);
    const auto at = static_cast<off_t>(offset + from);
    const ssize_t count = ::pread(fd, rest.data(), rest.size(), at);
    return count < 0 && errno == EINVAL && turn_off_direct(fd)
               ? ::pread(fd, rest.data(), rest.size(), at)
               : count;
  });
}
