#include "content.hpp"

#include "cli/text.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// The generator is bound by how wide the processor computes: the loader picks the widest form.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)                                \
    && !defined(__SANITIZE_ADDRESS__)
#define CONTENT_FOR_EVERY_PROCESSOR [[gnu::target_clones("avx2", "default")]]
#else
#define CONTENT_FOR_EVERY_PROCESSOR
#endif

namespace content {

namespace {

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators).
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

constexpr std::size_t words_per_vector = 4;
using Vector [[gnu::vector_size(words_per_vector * sizeof(std::uint64_t))]] = std::uint64_t;
constexpr std::size_t vectors = 4;

/// Past the processor's caches. Whoever writes a block by O_DIRECT has it read by a device, or by a
/// hypervisor on another processor: taking each line back from there, only to overwrite it, took
/// several times as long as computing what goes into it.
void store_past_caches(std::byte* out, const Vector& noise) {
#ifdef __SSE2__
  for (std::size_t at = 0; at < sizeof noise; at += sizeof(__m128i)) {
    __m128i part;
    std::memcpy(&part, reinterpret_cast<const std::byte*>(&noise) + at, sizeof part);
    _mm_stream_si128(reinterpret_cast<__m128i*>(out + at), part);
  }
#else
  std::memcpy(out, &noise, sizeof noise);
#endif
}

/// Until all of it is in memory.
void wait_for_stores() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

/// xorshift128+ (Vigna: Further scramblings of Marsaglia's xorshift generators), sixteen side by
/// side. Independent chains are what makes it fast: this has to cost less than writing the bytes.
CONTENT_FOR_EVERY_PROCESSOR
void fill_noise(std::uint64_t key, std::byte* out, std::size_t length, Use use) {
  std::array<Vector, vectors> a;
  std::array<Vector, vectors> b;
  for (std::size_t i = 0; i < vectors; ++i) {
    for (std::size_t j = 0; j < words_per_vector; ++j) {
      const std::uint64_t lane = i * words_per_vector + j;
      a[i][j] = mix(key + 2 * lane);
      b[i][j] = mix(key + 2 * lane + 1);
    }
  }
  for (std::byte* const end = out + length; out != end;) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < vectors; ++i) {
      const Vector noise = a[i] + b[i];
      Vector x = a[i];
      const Vector y = b[i];
      x ^= x << 23U;
      a[i] = y;
      b[i] = x ^ y ^ (x >> 18U) ^ (y >> 5U);
      if (use == Use::write) {
        store_past_caches(out, noise);
      } else {
        std::memcpy(out, &noise, sizeof noise);
      }
      out += sizeof noise;
    }
  }
  wait_for_stores();
}

constexpr std::string_view first_line = "moodle-efs-seed 1\n";

std::string header_text(const Header& header) {
  return fmt::format("{}seed={:016x} number={} size={}\n"
                     "This file holds no data. It only takes up space, because an EFS file system "
                     "in bursting mode\nis as fast as it is full. To remove it and its likes: "
                     "moodle-efs-seed shrink --size 0 FOLDER\n",
                     first_line, header.seed, header.number, header.size);
}

/// The value of "name=" among the words of a line.
std::optional<std::uint64_t> field(std::string_view line, std::string_view name, int base) {
  for (const std::string& word : cli::split(line, ' ')) {
    std::uint64_t value = 0;
    if (word.starts_with(name)) {
      const char* const end = word.data() + word.size();
      const auto [at, error] = std::from_chars(word.data() + name.size(), end, value, base);
      return error == std::errc{} && at == end ? std::optional(value) : std::nullopt;
    }
  }
  return std::nullopt;
}

} // namespace

void make_block(const Header& header, std::uint64_t block, std::span<std::byte> out, Use use) {
  const std::uint64_t file_key = mix(header.seed ^ mix(header.number));
  fill_noise(mix(file_key + block), out.data(), out.size(), use);
  if (block == 0) {
    const std::string text = header_text(header);
    std::memcpy(out.data(), text.data(), text.size());
  }
}

std::optional<Header> read_header(std::span<const std::byte> sector) {
  if (sector.size() < sector_bytes) {
    return std::nullopt;
  }
  std::string_view text(reinterpret_cast<const char*>(sector.data()), sector_bytes);
  if (!text.starts_with(first_line)) {
    return std::nullopt;
  }
  text.remove_prefix(first_line.size());
  const std::string_view line = text.substr(0, text.find('\n'));
  const auto seed = field(line, "seed=", 16);
  const auto number = field(line, "number=", 10);
  const auto size = field(line, "size=", 10);
  if (!seed || !number || !size || *size < sector_bytes || *size % sector_bytes != 0) {
    return std::nullopt;
  }
  const Header header{*seed, *number, *size};
  std::vector<std::byte> made(sector_bytes);
  make_block(header, 0, made, Use::compare);
  return std::memcmp(made.data(), sector.data(), sector_bytes) == 0 ? std::optional(header)
                                                                    : std::nullopt;
}

} // namespace content
