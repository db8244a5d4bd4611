#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

/// What seed files hold. Every file begins with a few lines of text that say what it is; the rest
/// is noise that can be made again from these lines alone, so that it can be checked and needs no
/// compression or deduplication to be feared.
namespace content {

/// Files are written and made block by block.
constexpr std::size_t block_bytes = std::size_t{1} << 20U;
/// What sizes are multiples of: what EFS meters by, and what O_DIRECT asks for.
constexpr std::size_t sector_bytes = 4096;

/// What the first lines of a file say.
struct Header {
  std::uint64_t seed = 0;   ///< what the noise is made from, together with the number
  std::uint64_t number = 0; ///< of the file, as in its name
  std::uint64_t size = 0;   ///< of the whole file, in bytes; a multiple of sector_bytes

  bool operator==(const Header&) const = default;
};

/// What a block is made for: to be handed to the kernel, or to be looked at here.
enum class Use { write, compare };

/// Fills `out`, whose length is a multiple of sector_bytes and at most block_bytes, with the start
/// of the file's block `block`. For Use::write it has to be aligned to 16 bytes. The content is the
/// same for both uses; each has its own price.
void make_block(const Header& header, std::uint64_t block, std::span<std::byte> out, Use use);

/// What the file's first sector says; nothing unless all of it is as it was made.
std::optional<Header> read_header(std::span<const std::byte> sector);

} // namespace content
