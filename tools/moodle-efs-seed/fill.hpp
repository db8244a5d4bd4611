#pragma once

#include "io/lock.hpp"
#include "seed_folder.hpp"
#include "work.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

/// One file to be written, or to be written on.
struct Filling {
  content::Header header;
  std::uint64_t from = 0; ///< the first byte that is missing; the start of a block
  std::uint64_t upto =
      0; ///< where to stop: at the file's size, or earlier when the target is there
  bool is_new = false;
};

/// How new files are to be; see content::Header.
struct NewFiles {
  std::uint64_t size = 0;
  std::uint64_t seed = 0;
};

/// How far the file holds what it should, by what is on the disk: every block's first and last
/// sector are read. The start of a block, or the end of what the file was to become.
std::uint64_t intact_bytes(const SeedFolder& folder, const SeedFile& file);

/// What to write so that the folder holds `target` bytes: first what an earlier run left
/// unfinished, then new files and a smaller one for the rest. Depends on nothing but what is
/// there, so that a run that was stopped and resumed ends where an undisturbed one does.
std::vector<Filling> plan_filling(const SeedFolder& folder, const Listing& listing,
                                  std::uint64_t target, const NewFiles& new_files);

/// How much these would write, in bytes.
std::uint64_t bytes_to_write(const std::vector<Filling>& fillings) noexcept;

/// Writes the files, `jobs` at a time, and flushes each. Memory: a block for each job. Ends early,
/// without an error, when the interruption comes. Throws cli::Error{io} for what the file system
/// refuses, {try_again} when the lock was taken away.
void fill(const SeedFolder& folder, const io::FolderLock& lock,
          const std::vector<Filling>& fillings, std::size_t jobs, Work& work,
          Interruption& interruption, cli::Progress& progress);
