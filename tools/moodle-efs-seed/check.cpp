#include "check.hpp"

#include "block_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>

using content::block_bytes;

namespace {

Damage check_file(const SeedFolder& folder, const SeedFile& file, Work& work) {
  const std::string path = folder.path_of(file.header.number);
  const cli::UniqueFd fd = folder.open_direct(file, O_RDONLY);
  const BlockBuffer found;
  const BlockBuffer wanted;
  Damage damage{file.header.number, 0, 0};
  for (std::uint64_t offset = 0; offset < file.size && work.may_go_on(block_bytes);
       offset += block_bytes) {
    const std::size_t length = read_at(fd.get(), found.bytes(), offset, path);
    content::make_block(file.header, offset / block_bytes, wanted.bytes(), content::Use::compare);
    const std::uint64_t expected = std::min<std::uint64_t>(block_bytes, file.size - offset);
    if (length != expected
        || std::memcmp(found.bytes().data(), wanted.bytes().data(), length) != 0) {
      damage.offset = damage.blocks == 0 ? offset : damage.offset;
      ++damage.blocks;
    }
    work.add_done(length);
  }
  return damage;
}

} // namespace

std::vector<Damage> find_damage(const SeedFolder& folder, const std::vector<SeedFile>& files,
                                std::size_t jobs, Work& work, Interruption& interruption,
                                cli::Progress& progress) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::vector<Damage> found;
  const auto job = [&] {
    for (std::size_t index = next++; index < files.size(); index = next++) {
      const Damage damage = check_file(folder, files[index], work);
      const std::lock_guard guard(mutex);
      if (damage.blocks > 0) {
        found.push_back(damage);
      }
    }
  };
  work.run(std::min(jobs, files.size()), job, interruption, progress);
  std::sort(found.begin(), found.end(),
            [](const Damage& a, const Damage& b) { return a.number < b.number; });
  return found;
}
