#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace io {

/// One line of the mount table.
struct Mount {
  std::string point;
  std::string root;                 ///< the folder of its file system that is mounted: mostly "/"
  std::string type;                 ///< "ext4", "nfs4", "fuse.s3fs"
  std::string source;               ///< "/dev/nvme0n1p1", "fs-0123.efs.eu-west-1.amazonaws.com:/"
  std::vector<std::string> options; ///< the mount's own, then the file system's
};

/// The mount table of this process (/proc/self/mountinfo).
std::string mount_table();

/// The mount that holds the path, by the table's text and the path's words alone: a server that
/// does not answer cannot make this wait. Symbolic links are not followed.
std::optional<Mount> find_mount(const std::string& path, std::string_view mountinfo);

/// The type of the mount that find_mount() gives. Empty when the table does not tell.
std::string filesystem_type(const std::string& path, std::string_view mountinfo);

/// Whether hosts share the files of such a file system: NFS (and so EFS), SMB, cluster file
/// systems, and FUSE ones, which mostly lead to another host.
bool is_shared_type(std::string_view type);

/// The type when the path of this host is on a shared file system, else empty.
std::string shared_type(const std::string& path);

} // namespace io
