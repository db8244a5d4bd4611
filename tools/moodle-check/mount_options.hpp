#pragma once

#include "io/mounts.hpp"

#include <string>
#include <vector>

/// Which of the options that the Amazon EFS User Guide recommends for NFS ("Recommended NFS mount
/// settings") the mount does not have, each as a clause: "with rsize=262144, not 1048576". A mount
/// by amazon-efs-utils with TLS goes through a port of this host and has them, too.
std::vector<std::string> unwanted_mount_options(const io::Mount& mount);

/// For mount -o.
const char* recommended_mount_options() noexcept;
