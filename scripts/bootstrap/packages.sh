# shellcheck shell=bash disable=SC2154 # the variables of base.sh
# Sourced by web-bootstrap.sh: the Debian packages of a web server.

php=8.2
web_packages=(
  apache2 "php$php-fpm" "php$php-cli" "php$php-pgsql" "php$php-curl" "php$php-gd" "php$php-intl"
  "php$php-mbstring" "php$php-soap" "php$php-xml" "php$php-zip" "php$php-opcache" php-memcached
  php-redis awscli ca-certificates cron curl nfs-common postgresql-client unzip
)

plan_packages() { printf 'install what is missing of %s\n' "${web_packages[*]}"; }

step_packages() { install_packages "${web_packages[@]}"; }

install_packages() { # NAME...
  local missing
  # A run that was killed may have left packages unpacked but not configured.
  if [[ $(dpkg --audit) || $(ls /var/lib/dpkg/updates) ]]; then
    attempt 'repair the interrupted installation of packages' repair_packages
    changed 'finished an interrupted installation of packages'
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  # Apache would answer the load balancer with Debian's page before there is a Moodle: not until serve.
  if has_systemd && [[ " ${missing[*]} " == *' apache2 '* ]]; then
    logged systemctl mask --runtime apache2.service || warn 'cannot keep Apache from starting too early'
  fi
  say "installing ${missing[*]}"
  attempt "install ${missing[*]}" apt_install "${missing[@]}"
  changed "installed ${missing[*]}"
}

missing_packages() { # NAME...
  local package
  for package in "$@"; do
    if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
      printf '%s\n' "$package"
    fi
  done
}

apt() { # ARGUMENT...
  DEBIAN_FRONTEND=noninteractive logged apt-get -q -y -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

repair_packages() {
  DEBIAN_FRONTEND=noninteractive logged dpkg --force-confdef --force-confold --configure -a || true
  apt --fix-broken --no-install-recommends install
}

apt_install() { # NAME...
  if ! apt --no-install-recommends install "$@"; then
    # The lists are old, or not there yet.
    apt update && apt --no-install-recommends install "$@"
  fi
}
