#pragma once

#include "content.hpp"

#include <cstdlib>
#include <memory>
#include <new>
#include <span>

/// Memory for one block, aligned as O_DIRECT asks for.
class BlockBuffer {
public:
  BlockBuffer()
      : memory_(
          static_cast<std::byte*>(std::aligned_alloc(content::sector_bytes, content::block_bytes)),
          &std::free) {
    if (!memory_) {
      throw std::bad_alloc();
    }
  }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept {
    return {memory_.get(), content::block_bytes};
  }

private:
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
};
