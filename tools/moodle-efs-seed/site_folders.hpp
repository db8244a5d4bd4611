#pragma once

#include "moodle/site.hpp"
#include "seed_folder.hpp"

/// Throws cli::Error{config} when the folder is one of those in which Moodle keeps its own data
/// (dataroot, cachedir, tempdir, localcachedir) or lies inside one, by whatever path.
void refuse_folders_of_site(const SeedFolder& folder, const moodle::SiteOptions& options);
