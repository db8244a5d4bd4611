#!/usr/bin/env bash
# Makes the Debian package and has lintian look at it: nothing at all may be amiss. Prints the
# package's path.
#   scripts/package.sh              installs what is missing, builds, packs
#   scripts/package.sh --no-build   packs what the build folder holds
# BUILD_DIR names another build folder than build/. Two builds of one commit give the same bytes.
set -euo pipefail
source "$(dirname "$0")/lib/common.sh"

case "$*" in
  '') has_to_build=yes ;;
  --no-build) has_to_build= ;;
  *) die "unexpected arguments '$*': it takes --no-build or nothing" ;;
esac

if [[ $has_to_build ]]; then
  install_missing "${build_packages[@]}" "${package_packages[@]}"
  build packaged
fi

# The date in the package is the commit's, not the clock's.
if [[ ! ${SOURCE_DATE_EPOCH:-} ]]; then
  SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=$(date +%s)
fi
export SOURCE_DATE_EPOCH
umask 022

folder=$build_dir/package
rm -rf -- "$folder"
(cd "$build_dir" && cpack --config CPackConfig.cmake -G DEB -B "$folder") >&2
rm -rf -- "$folder/_CPack_Packages"
packages=("$folder"/*.deb)
[[ ${#packages[@]} == 1 && -f ${packages[0]} ]] || die "CPack left no package in $folder"

if ! remarks=$(lintian --allow-root --info --display-info --pedantic "${packages[0]}" 2>&1) || [[ $remarks ]]; then
  printf '%s\n' "$remarks" >&2
  die "lintian has something to say about ${packages[0]}"
fi
printf '%s\n' "${packages[0]}"
