# shellcheck shell=bash
# Sourced by the scripts in the folder above: messages, and what to install.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # for the scripts that source this
build_dir=${BUILD_DIR:-$top/build}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# Debian 12 packages. php8.2-dev and libphp8.2-embed have to be of one version, which is why the
# version stands in their names.
# shellcheck disable=SC2034
build_packages=(
  cmake ninja-build g++ pkg-config php8.2-dev libphp8.2-embed php8.2-cli libpqxx-dev
  libmemcached-dev libboost-program-options-dev libfmt-dev nlohmann-json3-dev libyaml-cpp-dev
  libpcre2-dev libssl-dev scdoc doctest-dev python3
)
# shellcheck disable=SC2034
sandbox_packages=(postgresql-15 memcached php8.2-cli)
# What packing needs beside what building needs.
# shellcheck disable=SC2034
package_packages=(dpkg-dev fakeroot file lintian)
# shellcheck disable=SC2034
test_packages=(
  php8.2-fpm php8.2-opcache php8.2-pgsql php8.2-curl php8.2-gd php8.2-intl php8.2-mbstring php8.2-soap
  php8.2-xml php8.2-zip php-memcached php-redis clang-format-14 clang-tidy-14 shellcheck shfmt
  redis-server apache2 libapache2-mod-php8.2 curl python3-venv patch man-db attr acl openssl
  clang-14 libclang-rt-14-dev
  awscli python3-jmespath debootstrap bindfs faketime
)
# shellcheck disable=SC2034
bench_packages=(python3 time fio php8.2-opcache)

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root rights and there is no sudo: $*"
  fi
}

# Installs those of the named Debian packages that are missing; touches nothing when none is.
install_missing() {
  command -v dpkg-query >/dev/null || die "this machine has no dpkg; the scripts are for Debian 12"
  local package missing=()
  for package in "$@"; do
    if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
      missing+=("$package")
    fi
  done
  if ((${#missing[@]} == 0)); then
    return
  fi
  say "installing ${missing[*]}"
  as_root apt-get -q update >&2
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends "${missing[@]}" >&2
}

# Builds the named targets (`all` is everything) into $build_dir with all cores.
build() {
  cmake -S "$top" -B "$build_dir" -G Ninja >&2
  cmake --build "$build_dir" --parallel "$(nproc)" --target "$@" >&2
}
