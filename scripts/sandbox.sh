#!/usr/bin/env bash
# A local Moodle site to try the commands on, as it is after the installation wizard has stopped with
# "Installation must be finished from the original IP address": a private PostgreSQL with the
# administrator pending, two memcached nodes for caches and one for sessions, config.php, a data
# folder, the load balancer's access log, and what the AWS CLI says about it. Loopback only.
#
#   sandbox.sh up DIR                 builds it all in DIR; DIR/sandbox.env says where things are
#   sandbox.sh finish DIR [SECONDS]   does what the administrator does in the browser, as soon as
#                                     Moodle lets the load balancer's address in (default 60)
#   sandbox.sh down DIR               ends the servers and removes DIR
#
# MOODLE_DIRROOT names a pristine Moodle tree (with its PHP extensions): then `up` copies and really
# installs that Moodle. Otherwise the web tree holds placeholders for a Moodle 4.1. SANDBOX_USERS is
# the number of users besides the administrator (default 10000).
set -euo pipefail
source "$(dirname "$0")/lib/common.sh"
source "$top/scripts/lib/server.sh"
source "$top/scripts/lib/site.sh"

marker=.moodle-aws-toolkit-sandbox
ALB_IP_A=10.0.1.15
ALB_IP_B=10.0.2.77
BROWSER_IP=$ALB_IP_B # the node through which the administrator's browser comes now

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

# Sets the variables that all verbs use.
locate() { # DIR
  dir=$(realpath -m -- "$1")
  [[ $dir =~ ^[A-Za-z0-9._/+-]+$ ]] ||
    die "$dir: the folder's path may hold only letters, digits and . _ / + -"
  run_dir=$dir/run
  pg_dir=$dir/pg/data
}

require_sandbox() {
  [[ -d $dir && ! -L $dir && -f $dir/$marker ]] || die "$dir is not a sandbox"
}

find_servers() {
  command -v memcached >/dev/null || die "memcached is missing (Debian package memcached)"
  command -v php >/dev/null || die "php is missing (Debian package php8.2-cli)"
  postgres_bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V |
    tail -n 1)
  [[ $postgres_bin ]] || die "PostgreSQL is missing (Debian package postgresql-15)"
  # PostgreSQL refuses to run as root.
  server_user=$(id -un)
  if ((EUID == 0)); then
    server_user=$(id -un postgres 2>/dev/null || echo nobody)
  fi
}

unprivileged() { (exec_unprivileged "$@"); }

make_folders() {
  if [[ -e $dir && ! -d $dir ]]; then
    die "$dir exists and is no folder"
  fi
  if [[ -d $dir && $(ls -A "$dir") ]]; then
    die "$dir is not empty; 'sandbox.sh down $dir' removes an old sandbox"
  fi
  mkdir -p "$dir"
  trap 'take_down' EXIT # until all is up
  : >"$dir/$marker"
  chmod 711 "$dir"
  mkdir -p "$dir"/{run,html,data,temp,cache,local,log,aws} "$pg_dir"
  if ((EUID == 0)); then
    chown "$server_user" "$pg_dir"
    unprivileged test -w "$pg_dir" ||
      die "the user $server_user may not enter $dir or a folder above it"
  fi
}

# Runs psql on the sandbox's database; the password comes from a file that nobody else can read.
sql() {
  PGPASSFILE=$dir/pg/pass "$postgres_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
    -h 127.0.0.1 -p "$DB_PORT" -U moodle -d "${database:-moodle}" "$@"
}

start_database() {
  db_password=$(php -n -r 'echo bin2hex(random_bytes(12));')
  (
    umask 077
    printf '127.0.0.1:*:*:moodle:%s\n' "$db_password" >"$dir/pg/pass"
    printf '%s\n' "$db_password" >"$dir/pg/first-password"
  )
  if ((EUID == 0)); then
    chown "$server_user" "$dir/pg/first-password"
  fi
  unprivileged "$postgres_bin/initdb" -D "$pg_dir" -U moodle --pwfile="$dir/pg/first-password" \
    --auth=scram-sha-256 --locale=C.UTF-8 --encoding=UTF8 --no-sync >"$run_dir/initdb.log" || {
    cat "$run_dir/initdb.log" >&2
    die "initdb failed"
  }
  rm "$dir/pg/first-password"
  start_server postgres postgres
  DB_PORT=$port
  database=postgres sql -c 'CREATE DATABASE moodle'
}

start_caches() {
  local nodes payload node
  start_server app-cache-1 memcached
  APP_CACHE_PORT=$port
  start_server app-cache-2 memcached
  APP_CACHE_PORT_2=$port
  start_server session-cache memcached
  SESSION_CACHE_PORT=$port
  # Before engine 1.4.14, ElastiCache kept the node list under this key, on every node.
  nodes="127.0.0.1|127.0.0.1|$APP_CACHE_PORT 127.0.0.1|127.0.0.1|$APP_CACHE_PORT_2"
  payload=$'1\n'$nodes$'\n'
  for node in "$APP_CACHE_PORT" "$APP_CACHE_PORT_2"; do
    [[ $(memcached_ask "$node" "set AmazonElastiCache:cluster 0 0 ${#payload}"$'\r\n'"$payload") == STORED ]] ||
      die "memcached on port $node did not take the node list"
  done
}

# It holds the database's password, so others may not read it.
put_config_php() {
  (umask 027 && cat >"$dir/html/config.php")
}

install_moodle() { # TREE
  local installer=(php -d max_input_vars=5000 "$dir/html/admin/cli/install_database.php")
  [[ -f $1/admin/cli/install_database.php ]] || die "MOODLE_DIRROOT=$1 is no Moodle tree"
  say "copying $1 and installing it"
  cp -r --reflink=auto "$1/." "$dir/html"
  write_config_php | put_config_php
  "${installer[@]}" --agree-license --adminpass="$(php -n -r 'echo bin2hex(random_bytes(12));')aA1-" \
    --fullname=Sandbox --shortname=sandbox >"$dir/log/install.log" 2>&1 || {
    tail -n 20 "$dir/log/install.log" >&2
    die "Moodle's installer failed"
  }
}

make_site() {
  if [[ ${MOODLE_DIRROOT:-} ]]; then
    install_moodle "$MOODLE_DIRROOT"
  else
    write_placeholder_tree
    write_config_php | put_config_php
    sql -f "$top/scripts/lib/tables.sql"
  fi
  # The wizard ran behind the other node of the load balancer: that is the address Moodle kept.
  sql -v "lastip=$ALB_IP_A" -v "users=${SANDBOX_USERS:-10000}" -f "$top/scripts/lib/pending.sql"
  write_stacks_json >"$dir/aws/stacks.json"
  write_interfaces_json >"$dir/aws/network-interfaces.json"
  write_access_log >"$dir/log/access.log"
}

write_environment() {
  cat >"$dir/sandbox.env" <<END
CONFIG=$dir/html/config.php
MUC_CONFIG=$dir/data/muc/config.php
ACCESS_LOG=$dir/log/access.log
STACK_JSON=$dir/aws/stacks.json
INTERFACES_JSON=$dir/aws/network-interfaces.json
PGPASSFILE=$dir/pg/pass
DB_PORT=$DB_PORT
APP_CACHE_PORT=$APP_CACHE_PORT
APP_CACHE_PORT_2=$APP_CACHE_PORT_2
SESSION_CACHE_PORT=$SESSION_CACHE_PORT
ALB_IP_A=$ALB_IP_A
ALB_IP_B=$ALB_IP_B
BROWSER_IP=$BROWSER_IP
POSTGRES_PID=$(cut -d ' ' -f 1 "$run_dir/postgres.pid")
APP_CACHE_PID=$(cut -d ' ' -f 1 "$run_dir/app-cache-1.pid")
APP_CACHE_PID_2=$(cut -d ' ' -f 1 "$run_dir/app-cache-2.pid")
SESSION_CACHE_PID=$(cut -d ' ' -f 1 "$run_dir/session-cache.pid")
END
}

up() {
  find_servers
  make_folders
  start_database
  start_caches
  make_site
  write_environment
  trap - EXIT
  say "$dir is up; 'source $dir/sandbox.env' names its parts"
}

finish() { # SECONDS
  local deadline=$((SECONDS + $1)) hash
  require_sandbox
  find_servers
  # shellcheck source=/dev/null
  source "$dir/sandbox.env"
  hash=$(php -n -r 'echo password_hash(bin2hex(random_bytes(12)), PASSWORD_DEFAULT);')
  while [[ $(sql -v "hash=$hash" -v "ip=$BROWSER_IP" -f "$top/scripts/lib/finish.sql") != 1 ]]; do
    if ((SECONDS >= deadline)); then
      die "Installation must be finished from the original IP address, sorry." \
        "(the request came from $BROWSER_IP)"
    fi
    sleep 0.2
  done
  say "the administrator, coming from $BROWSER_IP, has finished the installation"
}

take_down() {
  local file
  for file in "$run_dir"/*.pid; do
    if [[ -f $file ]]; then
      stop_server "$file"
    fi
  done
  rm -rf --one-file-system -- "$dir"
}

case ${1:-} in
  up | down)
    (($# == 2)) || die "usage: sandbox.sh $1 DIR"
    locate "$2"
    if [[ $1 == up ]]; then
      up
    else
      require_sandbox
      take_down
      say "$dir is gone"
    fi
    ;;
  finish)
    (($# == 2 || $# == 3)) || die "usage: sandbox.sh finish DIR [SECONDS]"
    [[ ${3:-60} =~ ^[0-9]{1,5}$ ]] || die "'$3' is no number of seconds"
    locate "$2"
    finish "$((10#${3:-60}))"
    ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 64
    ;;
esac
