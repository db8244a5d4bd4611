#include "block_buffer.hpp"
#include "content.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

using content::block_bytes;
using content::Header;
using content::sector_bytes;
using content::Use;

namespace {

std::vector<std::byte> block(const Header& header, std::uint64_t number,
                             std::size_t length = block_bytes) {
  std::vector<std::byte> bytes(length);
  content::make_block(header, number, bytes, Use::compare);
  return bytes;
}

} // namespace

TEST_CASE("a block can be made again, whole or only its start") {
  const Header header{1, 7, 2 * block_bytes};
  CHECK(block(header, 1) == block(header, 1));
  const auto start = block(header, 1, sector_bytes);
  CHECK(std::equal(start.begin(), start.end(), block(header, 1).begin()));
}

TEST_CASE("the noise is the same in every version, or old files could not be verified") {
  // Computed from the published algorithms with another program.
  const auto bytes = block({1, 7, 2 * block_bytes}, 1, sector_bytes);
  std::array<std::uint64_t, 3> words{};
  std::memcpy(words.data(), bytes.data(), sizeof words);
  CHECK(words[0] == 17439009107705131726U);
  std::memcpy(words.data(), bytes.data() + sector_bytes - sizeof words, sizeof words);
  CHECK(words[2] == 4182455256387249725U);
}

TEST_CASE("what is written is what is compared, with nothing beside it") {
  const Header header{1, 7, 2 * block_bytes};
  for (const std::size_t length : {sector_bytes, block_bytes}) {
    for (const std::uint64_t number : {0U, 1U}) {
      BlockBuffer buffer;
      const auto all = buffer.bytes();
      std::fill(all.begin(), all.end(), std::byte{0xA5});
      content::make_block(header, number, all.first(length), Use::write);
      const auto wanted = block(header, number, length);
      CHECK(std::equal(wanted.begin(), wanted.end(), all.begin()));
      CHECK(std::all_of(all.begin() + static_cast<std::ptrdiff_t>(length), all.end(),
                        [](std::byte byte) { return byte == std::byte{0xA5}; }));
    }
  }
}

TEST_CASE("every block of every file differs") {
  const std::vector<std::vector<std::byte>> blocks{
      block({1, 1, block_bytes}, 1), block({1, 1, block_bytes}, 2), block({1, 2, block_bytes}, 1),
      block({2, 1, block_bytes}, 1)};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      std::size_t same = 0;
      for (std::size_t at = 0; at < block_bytes; ++at) {
        same += blocks[i][at] == blocks[j][at] ? 1 : 0;
      }
      // By chance one byte in 256 is the same.
      CHECK(same < block_bytes / 200);
    }
  }
}

TEST_CASE("all byte values come equally often") {
  std::array<std::size_t, 256> counts{};
  for (const std::byte byte : block({1, 1, block_bytes}, 1)) {
    ++counts[std::to_integer<std::size_t>(byte)];
  }
  // Expected 4096, standard deviation 64: six of them.
  CHECK(*std::min_element(counts.begin(), counts.end()) > 4096 - 384);
  CHECK(*std::max_element(counts.begin(), counts.end()) < 4096 + 384);
}

TEST_CASE("a header is read back, and any changed bit of its sector is seen") {
  const Header header{0xFEDCBA9876543210, 42, 4096};
  auto sector = block(header, 0, sector_bytes);
  CHECK(content::read_header(sector) == header);
  for (std::size_t at = 0; at < sector_bytes; ++at) {
    sector[at] ^= std::byte{1};
    CHECK_FALSE(content::read_header(sector));
    sector[at] ^= std::byte{1};
  }
  sector.pop_back();
  CHECK_FALSE(content::read_header(sector));
  CHECK_FALSE(content::read_header(std::vector<std::byte>(sector_bytes)));
}
