#pragma once

#include "io/mounts.hpp"

#include <string>
#include <vector>

/// Whether it is an EFS file system: by its own name, or by amazon-efs-utils, whose TLS goes
/// through a port of this host.
bool is_efs(const io::Mount& mount);

/// Which of the options that the Amazon EFS User Guide recommends for NFS ("Recommended NFS mount
/// settings") the mount does not have, each as a clause: "with rsize=262144, not 1048576".
std::vector<std::string> unwanted_mount_options(const io::Mount& mount);

/// The shell command that mounts the same with the recommended options. Empty for a mount by
/// amazon-efs-utils, which would lose its TLS, and for a part of a file system that was mounted
/// (mount --bind), which would become the whole.
std::string mount_again(const io::Mount& mount);
