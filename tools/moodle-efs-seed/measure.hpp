#pragma once

#include <cstdint>
#include <string>

/// What EFS meters for the data below a folder.
struct Measured {
  std::uint64_t bytes = 0; ///< in all, seed data among it
  std::uint64_t seed = 0;  ///< the sizes of the seed files alone
};

/// Walks the folder, without leaving its file system and without following symbolic links. A file
/// counts with the blocks that it has, in steps of 4 KiB, and 2 KiB; a file with several names
/// counts once (Amazon EFS User Guide, Metering). Throws cli::Error{no_input, no_permission, io}.
Measured measure(const std::string& path);
