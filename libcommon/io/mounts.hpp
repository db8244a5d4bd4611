#pragma once

#include <string>
#include <string_view>

namespace io {

/// The type of the file system that holds the path ("ext4", "nfs4", "fuse.s3fs"), by the mount
/// table's text (/proc/self/mountinfo) and the path's words alone: a server that does not answer
/// cannot make this wait. Symbolic links are not followed. Empty when the table does not tell.
std::string filesystem_type(const std::string& path, std::string_view mountinfo);

/// Whether hosts share the files of such a file system: NFS (and so EFS), SMB, cluster file
/// systems, and FUSE ones, which mostly lead to another host.
bool is_shared_type(std::string_view type);

/// The type when the path of this host is on a shared file system, else empty.
std::string shared_type(const std::string& path);

} // namespace io
