#!/usr/bin/env bash
# Measures the commands against plain PHP on the sandbox (see sandbox.sh), and moodle-efs-seed against fio
# and dd, and prints tables of ratios; those of a table take turns, and what a command changes is undone
# before each. It judges nothing. With MOODLE_DIRROOT the yardstick is also a start of that Moodle, and PHP
# compiling all of it. RUNS is how often each command runs (default 30), SEED_ROUNDS how often a file system
# is filled each way (default 3, 0 for not at all), SEED_DIR where (default: the folder for temporary files;
# it needs 5 GiB), SEED_LARGE=1 adds 32 GiB. CFN_LINT names a cfn-lint to compare moodle-stack lint with
# (scripts/test.sh installs one).
set -euo pipefail
source "$(dirname "$0")/lib/common.sh"

sandbox=$top/scripts/sandbox.sh
runs=${RUNS:-30}
plain="php -n=php -n -r ''"

compare() { # ROUNDS PREPARE NAME=COMMAND...
  python3 -B "$top/scripts/lib/rounds.py" "$@"
}

clean_up() {
  local site
  for site in "$work"/*/sandbox.env; do
    if [[ -f $site ]]; then
      "$sandbox" down "${site%/*}"
    fi
  done
  rm -rf -- "$work" ${seed_data:+"$seed_data"}
}

# The administrator's row is found by its key: how many other users there are should not matter.
bench_lastip() {
  local users commands=()
  for users in 10000 1000000; do
    MOODLE_DIRROOT='' SANDBOX_USERS=$users "$sandbox" up "$work/site$users"
    # shellcheck source=/dev/null
    source "$work/site$users/sandbox.env"
    commands+=("moodle-lastip --dry-run, $users users=moodle-lastip --dry-run --ip $BROWSER_IP --config $CONFIG")
  done
  compare "$runs" : "${commands[@]}"
  for users in 10000 1000000; do
    "$sandbox" down "$work/site$users"
  done
}

# Generating and checking stacks; that many sites should take that many times as long as one.
bench_stack() {
  local everything='--with cloudfront --with dns' count checker sites=()
  compare "$runs" "rm -rf $work/stack" "$plain" \
    "moodle-stack generate, everything=moodle-stack generate -q -o $work/stack $everything"
  moodle-stack generate -q -o "$work/stack" --with cloudfront --with dns >"$work/out"
  compare "$runs" : "$plain" "moodle-stack lint, everything=moodle-stack lint -q $work/stack"
  checker=${CFN_LINT:-$(command -v cfn-lint || true)}
  if [[ $checker ]]; then
    compare 3 : "moodle-stack lint, everything=moodle-stack lint -q $work/stack" \
      "cfn-lint, the same files=$checker --ignore-checks W3002 -- $(echo "$work"/stack/*.yaml)"
  else
    say "cfn-lint is missing (CFN_LINT names it): it is not measured"
  fi
  for count in 1 10 100 1000; do
    sites+=("moodle-stack generate, $count site(s)=sh -c 'for i in \$(seq $count); do moodle-stack generate -q \
      -o $work/sites/\$i --set DomainName=s\$i.example.org || exit; done'")
  done
  compare 1 "rm -rf $work/sites; mkdir $work/sites" "${sites[@]}"
}

# Moodle's start is compared with, too, where there is one.
bench_site() {
  local muc session undo yardstick yardsticks=("$plain")
  SANDBOX_USERS=10000 "$sandbox" up "$work/site"
  # shellcheck source=/dev/null
  source "$work/site/sandbox.env"
  moodle-lastip -q --ip "$BROWSER_IP" --config "$CONFIG" >"$work/out"
  "$sandbox" finish "$work/site"
  if [[ ${MOODLE_DIRROOT:-} ]]; then
    yardsticks+=("a start of Moodle=php -r 'define(\"CLI_SCRIPT\", 1); require \"$CONFIG\";'")
  fi
  muc="moodle-muc set -q --config $CONFIG --app-cache-endpoint 127.0.0.1"
  if [[ -f ${CONFIG%/*}/cache/stores/memcached/lib.php ]]; then
    muc+=":$APP_CACHE_PORT"
  else # a Moodle that caches in Redis only, which the sandbox has none of: nobody is asked
    muc+=' --app-cache-engine redis --servers endpoint --no-probe'
  fi
  session="moodle-session set -q --config $CONFIG --session-cache-endpoint 127.0.0.1:$SESSION_CACHE_PORT"
  undo="moodle-muc remove -q --config $CONFIG && moodle-session unset -q --config $CONFIG"
  for yardstick in "${yardsticks[@]}"; do
    compare "$runs" "$undo" "$yardstick" \
      "moodle-muc set=$muc" \
      "moodle-muc set --dry-run=$muc --dry-run" \
      "moodle-session set=$session" \
      "moodle-session set --dry-run=$session --dry-run" \
      "moodle-session set, no server asked=$session --dry-run --no-probe --servers endpoint --force" \
      "moodle-check=sh -c 'moodle-check --config $CONFIG || [ \$? = 1 ]'"
  done
}

# Compiling all of a Moodle, and PHP compiling the same files in one process.
bench_opcache() {
  if [[ ! ${MOODLE_DIRROOT:-} ]]; then
    return
  fi
  printf "<?php \$CFG = new stdClass(); require '%s/lib/setup.php';\n" "$MOODLE_DIRROOT" >"$work/code.php"
  compare 3 : \
    "PHP compiles all of a Moodle in one process=php -d opcache.enable_cli=1 -d opcache.memory_consumption=2048 \
      -d opcache.interned_strings_buffer=128 -d opcache.max_accelerated_files=65407 -d memory_limit=-1 \
      -d display_errors=0 $top/scripts/lib/compile.php $MOODLE_DIRROOT" \
    "moodle-opcache plan --measure=moodle-opcache plan --measure -q --config $work/code.php"
}

# What there is to beat: fio with the same blocks and jobs, and what the reference architecture runs.
bench_seed() {
  local rounds=${SEED_ROUNDS:-3} jobs=4 size sizes=()
  if ((rounds == 0)); then
    return
  fi
  seed_data=$(mktemp -d "${SEED_DIR:-$work}/seed.XXXXXX")
  local grow="moodle-efs-seed grow '$seed_data' --quiet --jobs $jobs --size"
  local clear="rm -rf '$seed_data'/* '$seed_data'/.moodle*"
  compare "$rounds" "$clear" \
    "fio, 4 GiB=fio --name=seed --directory='$seed_data' --rw=write --bs=1M --size=1G --numjobs=$jobs --direct=1 \
      --end_fsync=1 --ioengine=psync --group_reporting" \
    "moodle-efs-seed grow, 4 GiB=$grow 4GiB" \
    "parallel dd, 4 GiB=sh -c \"for i in \$(seq $jobs); do
      dd if=/dev/zero of='$seed_data'/\$i bs=1M count=1024 oflag=sync & done; wait\""
  if [[ ${SEED_LARGE:-} == 1 ]]; then
    for size in 4GiB 8GiB 16GiB 32GiB; do
      sizes+=("moodle-efs-seed grow, $size=$grow $size")
    done
    compare "$rounds" "$clear" "${sizes[@]}"
  fi
}

install_missing "${build_packages[@]}" "${sandbox_packages[@]}" "${bench_packages[@]}"
build all
PATH=$build_dir/bin:$PATH
work=$(mktemp -d)
chmod 711 "$work" # PostgreSQL does not run as root, and has to get in
trap clean_up EXIT

printf 'Times in ms, peak memory in MiB.\n'
bench_stack
bench_lastip
bench_site
bench_opcache
bench_seed
