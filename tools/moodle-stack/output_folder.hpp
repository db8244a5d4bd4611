#pragma once

#include <map>
#include <string>

/// File names and contents.
using Files = std::map<std::string, std::string>;

/// Makes `folder` hold exactly these files, all of them or none: they are written into a new folder
/// beside it, which then takes its place. Returns false when it holds them already.
///
/// Only a folder that does not exist, is empty, or was written by an earlier run is touched; throws
/// Error{cannot_create, no_permission, io} otherwise.
bool write_folder(const std::string& folder, const Files& files);
