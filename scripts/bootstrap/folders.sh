# shellcheck shell=bash disable=SC2154 # the variables of base.sh and facts.sh
# Sourced by web-bootstrap.sh: EFS, and the folders of the site.
#
# Moodle's data, cache and temp are three folders of one EFS file system, the ones at which the access
# points of the `efs` template are rooted. With amazon-efs-utils on the host (mount.efs), each is mounted
# through its access point and TLS. Debian has no such package; plain NFS knows no access points and
# no TLS, so then the same three folders are mounted by their paths, and what goes to EFS is
# protected by the security groups alone.

shared_folders=(data cache temp)
nfs_options=nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport

efs_address() {
  if [[ ${facts[efs_host]:-} ]]; then
    printf '%s' "${facts[efs_host]}"
  else
    printf '%s.efs.%s.amazonaws.com%s' "${facts[efs_id]}" "$region" \
      "$([[ $region != cn-* ]] || printf .cn)"
  fi
}

uses_efs_utils() { [[ ! ${facts[efs_host]:-} ]] && command -v mount.efs >/dev/null; }

plan_efs() {
  if [[ $efs_dir ]]; then
    printf 'link %s/{data,cache,temp} to folders in %s\n' "$www" "$efs_dir"
  else
    printf 'mount %s/{data,cache,temp} from %s\n' "$www" "${facts[efs_id]:-${facts[efs_host]:-?}}"
  fi
}

step_efs() {
  local name
  make_folder "$www" 0755 root:root
  if [[ $efs_dir ]]; then
    [[ -d $efs_dir ]] || die "$ex_noinput" "cannot use $efs_dir: it is no folder"
    for name in "${shared_folders[@]}"; do
      make_folder "$efs_dir/$name" 02770 www-data:www-data
      link_folder "$efs_dir/$name" "$www/$name"
    done
    return
  fi
  [[ ${facts[efs_host]:-} ]] || need_facts efs-id region
  for name in "${shared_folders[@]}"; do
    make_mount_point "$www/$name"
  done
  if ! uses_efs_utils && ! all_mounted; then
    attempt "mount EFS ($(efs_address):/)" make_shared_folders
  fi
  write_fstab
  for name in "${shared_folders[@]}"; do
    mount_folder "$name"
  done
}

link_folder() { # FOLDER LINK
  if [[ -d $2 && ! -L $2 ]]; then
    rmdir -- "$2" 2>"$work/output" ||
      die "$ex_config" "$2 is a folder of this host: $(last_line "$work/output")"
  fi
  if [[ $(readlink -- "$2" || true) != "$1" ]]; then
    [[ ! -e $2 && ! -L $2 ]] || die "$ex_config" "$2 is there already and does not lead to $1"
    ln -sT -- "$1" "$2"
    changed "linked $2 to $1"
  fi
}

# While EFS is not mounted, nobody but root can write into the folder: Moodle fails then, and the load
# balancer sees it, instead of putting its data on this host's own disk.
make_mount_point() { # PATH
  mountpoint -q -- "$1" && return
  [[ ! -L $1 ]] || die "$ex_config" "$1 is a symbolic link; EFS has to be mounted there"
  make_folder "$1" 0700 root:root
  [[ ! $(ls -A -- "$1") ]] || die "$ex_config" "$1 holds files of this host, which EFS would hide" \
    "move them away, and run this again"
}

all_mounted() {
  local name
  for name in "${shared_folders[@]}"; do
    mountpoint -q -- "$www/$name" || return
  done
}

# Makes the three folders in the file system's root, which is mounted for this process only: whatever
# happens to it, nothing stays mounted.
make_shared_folders() {
  # shellcheck disable=SC2016 # expanded by that shell
  logged timeout -k 5 120 unshare --mount --propagation private bash -euc '
    mount -t nfs4 -o "$2,retry=0" "$1:/" /mnt
    cd /mnt
    for name in data cache temp; do
      if [[ ! -d $name ]]; then
        mkdir -m 0700 -- "$name"
        chown www-data:www-data "$name"
        chmod 2770 "$name"
      fi
    done' bash "$(efs_address)" "$nfs_options"
}

fstab_line() { # NAME
  local after='_netdev,nofail,x-systemd.mount-timeout=180'
  if uses_efs_utils; then
    printf '%s:/ %s/%s efs %s,noresvport,tls,accesspoint=%s 0 0\n' "${facts[efs_id]}" "$www" "$1" \
      "$after" "${facts[efs_${1}_access_point]:?}"
  else
    printf '%s:/%s %s/%s nfs4 %s,%s 0 0\n' "$(efs_address)" "$1" "$www" "$1" "$nfs_options" "$after"
  fi
}

write_fstab() {
  local before=$changes
  if uses_efs_utils; then
    need_facts efs-data-access-point efs-cache-access-point efs-temp-access-point
  fi
  {
    awk -v www="$www" '$2 != www "/data" && $2 != www "/cache" && $2 != www "/temp"' /etc/fstab
    fstab_line data
    fstab_line cache
    fstab_line temp
  } >"$work/fstab"
  put_file "$work/fstab" /etc/fstab 0644 root:root
  if has_systemd && ((changes > before)); then
    systemctl daemon-reload
  fi
}

mount_folder() { # NAME
  local target=$www/$1 source
  if ! mountpoint -q -- "$target"; then
    attempt "mount $target" logged timeout -k 5 180 mount "$target"
    changed "mounted $target"
  fi
  source=$(findmnt -n -o SOURCE --mountpoint "$target" | tail -n 1)
  if ! uses_efs_utils && [[ $source != "$(efs_address):/$1" ]]; then
    die "$ex_config" "$target is mounted from $source, not from $(efs_address):/$1"
  fi
}

plan_folders() {
  printf 'make %s/{local,data,cache,temp} for the web server, and %s for root\n' "$www" "$www"
}

step_folders() {
  local name
  make_folder "$www" 0755 root:root
  make_folder "$www/local" 02770 www-data:www-data
  for name in "${shared_folders[@]}"; do
    [[ -d $www/$name ]] || die "$ex_noinput" "$www/$name is not there" "the step efs makes it"
    set_access "$(realpath -- "$www/$name")" 02770 www-data:www-data
  done
}
