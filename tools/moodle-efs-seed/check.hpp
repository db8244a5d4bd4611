#pragma once

#include "seed_folder.hpp"
#include "work.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// A file that does not hold what it should.
struct Damage {
  std::uint64_t number = 0;
  std::uint64_t offset = 0; ///< of the first block that differs, in bytes
  std::uint64_t blocks = 0; ///< how many differ
};

/// Reads the files back, `jobs` at a time, and returns those that differ, by number. Memory: two
/// blocks for each job. Throws cli::Error{io} for what cannot be read.
std::vector<Damage> find_damage(const SeedFolder& folder, const std::vector<SeedFile>& files,
                                std::size_t jobs, Work& work, Interruption& interruption,
                                cli::Progress& progress);
