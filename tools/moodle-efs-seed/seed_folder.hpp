#pragma once

#include "cli/unique_fd.hpp"
#include "content.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

/// A seed file as it is found: one with such a name and with the first sector that goes with it.
struct SeedFile {
  content::Header header;
  std::uint64_t size = 0;   ///< in bytes, as it is now
  std::uint64_t stored = 0; ///< of these, how many the file system has given blocks to

  /// Whether it is as large as it was to become, without holes.
  [[nodiscard]] bool is_whole() const noexcept {
    return size == header.size && stored == header.size;
  }
};

/// What there is in a folder, as far as seed files go.
struct Listing {
  std::vector<SeedFile> files;        ///< in the order of their numbers
  std::vector<std::string> strangers; ///< have the name of a seed file, but are none
  std::vector<std::string> begun;     ///< left by a killed run that had yet to give them their name
  std::uint64_t highest_number = 0;   ///< in any such name that stays

  [[nodiscard]] std::uint64_t bytes() const noexcept;
  /// What EFS meters for the files (Amazon EFS User Guide, Metering).
  [[nodiscard]] std::uint64_t metered_bytes() const noexcept;
};

/// The folder that holds the seed files. It stays open, and everything goes through that descriptor
/// and never through a symbolic link: nothing is ever written or removed anywhere else.
///
/// Functions throw cli::Error{no_input, no_permission, io} that names the file.
class SeedFolder {
public:
  explicit SeedFolder(const std::string& path);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// For messages.
  [[nodiscard]] std::string path_of(std::uint64_t number) const;

  /// Throws cli::Error{io} when the path now names another folder: its file system was unmounted,
  /// or another one mounted over it.
  void require_unmoved() const;

  /// How many bytes may still be written here; the largest number when the file system does not
  /// tell. Throws cli::Error{io} when it is read-only.
  [[nodiscard]] std::uint64_t require_writable() const;

  [[nodiscard]] Listing list() const;

  /// Opens with these flags, or with O_DIRECT on top where the file system knows it.
  [[nodiscard]] cli::UniqueFd open(const SeedFile& file, int flags) const;
  [[nodiscard]] cli::UniqueFd open_direct(const SeedFile& file, int flags) const;

  /// Makes a file that begins with `start`, the beginning of its first block: it gets its name only
  /// when that is written. Throws cli::Error{try_again} when the name is taken.
  [[nodiscard]] cli::UniqueFd create(const content::Header& header,
                                     std::span<const std::byte> start) const;

  void remove(const SeedFile& file) const;
  void truncate(const SeedFile& file, std::uint64_t size) const;
  void remove_begun(const Listing& listing) const;

  /// Makes new and removed names outlive a power failure.
  void flush() const;

private:
  void add(Listing& listing, const std::string& name) const;

  std::string path_;
  cli::UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Writes all of it at `offset`; where the file system turns out not to take O_DIRECT, without.
/// `path` is for the cli::Error{io}.
void write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
              const std::string& path);

/// Reads up to the length of `bytes` at `offset` and returns what the end of the file leaves of it.
std::size_t read_at(int fd, std::span<std::byte> bytes, std::uint64_t offset,
                    const std::string& path);
