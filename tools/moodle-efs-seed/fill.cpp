#include "fill.hpp"

#include "block_buffer.hpp"
#include "cli/error.hpp"
#include "cli/size.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using cli::Error;
using cli::ExitCode;
using content::block_bytes;
using content::sector_bytes;

namespace {

/// Without O_DIRECT, writing only fills the page cache: flushed now and then, the progress is real,
/// and a crash does not take much with it.
constexpr std::uint64_t flush_interval = 64 * block_bytes;

/// More in one folder than anybody wants to look at.
constexpr std::uint64_t most_files = 1'000'000;

/// Writes one file after the other, with one buffer.
class Filler {
public:
  Filler(const SeedFolder& folder, Work& work) : folder_(folder), work_(work) {}

  /// Makes the file with its first block. Returns false when the work is to stop.
  bool create(const Filling& filling) {
    const std::size_t length = length_at(filling, 0);
    if (!work_.may_go_on(length)) {
      return false;
    }
    content::make_block(filling.header, 0, buffer_.first(length), content::Use::write);
    fd_ = folder_.create(filling.header, buffer_.first(length));
    work_.add_done(length);
    return true;
  }

  void open(const Filling& filling) { fd_ = folder_.open_direct({filling.header}, O_WRONLY); }

  /// Writes on from `offset`; what was written is on the disk afterwards, even when the work is to
  /// stop.
  void write_from(const Filling& filling, std::uint64_t offset) {
    const std::string path = folder_.path_of(filling.header.number);
    std::uint64_t unflushed = 0;
    while (offset < filling.upto) {
      const std::size_t length = length_at(filling, offset);
      if (!work_.may_go_on(length)) {
        break;
      }
      content::make_block(filling.header, offset / block_bytes, buffer_.first(length),
                          content::Use::write);
      write_at(fd_.get(), buffer_.first(length), offset, path);
      offset += length;
      unflushed += length;
      work_.add_done(length);
      if (unflushed >= flush_interval && (::fcntl(fd_.get(), F_GETFL) & O_DIRECT) == 0) {
        flush(path);
        unflushed = 0;
      }
    }
    flush(path);
    require_stored(offset, path);
    if (::close(fd_.release()) != 0) {
      throw Error(ExitCode::io, cli::system_error(errno, "cannot write " + path).message());
    }
  }

private:
  static std::size_t length_at(const Filling& filling, std::uint64_t offset) {
    return static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, filling.upto - offset));
  }

  void flush(const std::string& path) const {
    if (::fsync(fd_.get()) != 0) {
      throw Error(ExitCode::io, cli::system_error(errno, "cannot write " + path).message());
    }
  }

  /// Throws unless the file system has given blocks to all of it.
  void require_stored(std::uint64_t bytes, const std::string& path) const {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) {
      throw Error(ExitCode::io, cli::system_error(errno, "cannot read " + path).message());
    }
    const std::uint64_t stored = static_cast<std::uint64_t>(status.st_blocks) * 512;
    if (stored < bytes) {
      throw Error(ExitCode::io,
                  fmt::format("the file system stores only {} of the {} bytes written to {}",
                              stored, bytes, path),
                  "only stored bytes count; does it compress, or deduplicate?");
    }
  }

  const SeedFolder& folder_;
  Work& work_;
  BlockBuffer storage_;
  std::span<std::byte> buffer_ = storage_.bytes();
  cli::UniqueFd fd_;
};

} // namespace

std::uint64_t intact_bytes(const SeedFolder& folder, const SeedFile& file) {
  if (file.is_whole()) {
    return file.header.size;
  }
  const std::string path = folder.path_of(file.header.number);
  const cli::UniqueFd fd = folder.open(file, O_RDONLY);
  const BlockBuffer wanted;
  std::vector<std::byte> sector(sector_bytes);
  const auto is_there = [&](std::uint64_t block, std::size_t at) {
    return read_at(fd.get(), sector, block * block_bytes + at, path) == sector_bytes
           && std::memcmp(sector.data(), wanted.bytes().data() + at, sector_bytes) == 0;
  };
  std::uint64_t offset = 0;
  while (offset < file.header.size) {
    const std::uint64_t length = std::min<std::uint64_t>(block_bytes, file.header.size - offset);
    const std::uint64_t block = offset / block_bytes;
    content::make_block(file.header, block, wanted.bytes(), content::Use::compare);
    if (offset + length > file.size || !is_there(block, 0)
        || !is_there(block, static_cast<std::size_t>(length) - sector_bytes)) {
      break;
    }
    offset += length;
  }
  return offset;
}

std::vector<Filling> plan_filling(const SeedFolder& folder, const Listing& listing,
                                  std::uint64_t target, const NewFiles& new_files) {
  std::vector<Filling> fillings;
  std::uint64_t there = 0;
  for (const SeedFile& file : listing.files) {
    const std::uint64_t intact = intact_bytes(folder, file);
    there += intact;
    if (intact < file.header.size) {
      fillings.push_back({file.header, intact, file.header.size, false});
    }
  }
  std::uint64_t missing = target > there ? target - there : 0;
  for (Filling& filling : fillings) {
    filling.upto = filling.from + std::min(filling.upto - filling.from, missing);
    missing -= filling.upto - filling.from;
  }
  std::erase_if(fillings, [](const Filling& filling) { return filling.upto == filling.from; });
  if (missing / new_files.size >= most_files) {
    throw Error(ExitCode::usage,
                fmt::format("{} in files of {} are more than {} files", cli::size_text(missing),
                            cli::size_text(new_files.size), most_files),
                "choose a larger --file-size");
  }
  for (std::uint64_t number = listing.highest_number + 1; missing > 0; ++number) {
    const std::uint64_t size = std::min(new_files.size, missing);
    fillings.push_back({{new_files.seed, number, size}, 0, size, true});
    missing -= size;
  }
  return fillings;
}

std::uint64_t bytes_to_write(const std::vector<Filling>& fillings) noexcept {
  std::uint64_t sum = 0;
  for (const Filling& filling : fillings) {
    sum += filling.upto - filling.from;
  }
  return sum;
}

void fill(const SeedFolder& folder, const io::FolderLock& lock,
          const std::vector<Filling>& fillings, std::size_t jobs, Work& work,
          Interruption& interruption, cli::Progress& progress) {
  std::mutex turn;
  auto next = fillings.begin();
  // New files come to be in the order of their numbers, one after the other, so that a run that is
  // killed leaves no gap among them.
  const auto begin_next = [&](Filler& filler) -> const Filling* {
    const std::lock_guard guard(turn);
    if (next == fillings.end()) {
      return nullptr;
    }
    folder.require_unmoved();
    if (!lock.is_held()) {
      throw Error(ExitCode::try_again,
                  fmt::format("the lock on {} was taken away", cli::shown(folder.path())));
    }
    const Filling& filling = *next;
    if (!filling.is_new) {
      filler.open(filling);
    } else if (!filler.create(filling)) {
      return nullptr;
    }
    ++next;
    return &filling;
  };
  const auto job = [&] {
    Filler filler(folder, work);
    while (const Filling* const filling = begin_next(filler)) {
      const std::uint64_t first = std::min<std::uint64_t>(block_bytes, filling->upto);
      filler.write_from(*filling, filling->is_new ? first : filling->from);
      if (!work.may_go_on(0)) {
        return;
      }
    }
  };
  work.run(std::min(jobs, fillings.size()), job, interruption, progress);
  folder.flush();
}
