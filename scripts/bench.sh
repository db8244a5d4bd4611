#!/usr/bin/env bash
# Measures the commands against plain PHP on the sandbox (see sandbox.sh), and moodle-efs-seed against
# fio and dd, and prints tables of ratios, all measured in this run. It judges nothing. With
# MOODLE_DIRROOT the yardstick is also a start of that Moodle, and PHP compiling all of it. RUNS is how
# often each command runs (default 30), SEED_ROUNDS how often a file system is filled each way (default 3,
# 0 for not at all), SEED_DIR where (default: the folder for temporary files; it needs 5 GiB),
# SEED_LARGE=1 adds 32 GiB.
# CFN_LINT names a cfn-lint to compare moodle-stack lint with (scripts/test.sh installs one).
set -euo pipefail
source "$(dirname "$0")/lib/common.sh"

sandbox=$top/scripts/sandbox.sh
runs=${RUNS:-30}

# Prints "MEDIAN_MS PEAK_KIB" of a shell command; PREPARE runs before each run and is not measured.
# The peak is the largest resident set of any process in it.
measure() { # COMMAND [PREPARE]
  local command=$1 prepare=${2:-true} peak
  hyperfine --style none --shell none --warmup "${warmup:-3}" --runs "$runs" --prepare "sh -c '$prepare'" \
    --export-json "$work/result.json" "$command" >/dev/null 2>"$work/errors" || {
    cat "$work/errors" >&2
    die "failed: $command"
  }
  sh -c "$prepare"
  peak=$(python3 -B "$top/scripts/lib/peak.py" "$command")
  python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["results"][0]["median"] * 1000, sys.argv[2])' \
    "$work/result.json" "$peak"
}

# Prints a row of the table: NAME, then its measurement against the yardstick's.
row() { # NAME "MEDIAN PEAK" YARDSTICK "MEDIAN PEAK"
  local median peak base
  read -r median peak <<<"$2"
  read -r base _ <<<"$4"
  awk -v name="$1" -v median="$median" -v peak="$peak" -v yardstick="$3" -v base="$base" 'BEGIN {
    printf "%-44s %9.1f %9.1f   %6.2f x %s\n", name, median, peak / 1024, median / base, yardstick
  }'
}

clean_up() {
  if [[ -f $work/site/sandbox.env ]]; then
    "$sandbox" down "$work/site"
  fi
  rm -rf -- "$work" ${seed_data:+"$seed_data"}
}

site_up() { # USERS
  SANDBOX_USERS=$1 "$sandbox" up "$work/site"
  # shellcheck source=/dev/null
  source "$work/site/sandbox.env"
}

# The administrator's row is found by its key: how many other users there are should not matter.
bench_lastip() {
  local users seen few=
  for users in 10000 1000000; do
    MOODLE_DIRROOT='' site_up "$users"
    seen=$(measure "moodle-lastip --dry-run --ip $BROWSER_IP --config $CONFIG")
    few=${few:-$seen}
    row "moodle-lastip --dry-run, $users users" "$seen" '10000 users' "$few"
    "$sandbox" down "$work/site"
  done
}

# Rows for `set` and `set --dry-run` of a command, each starting from a site where it is not set.
bench_set() { # COMMAND ENDPOINT-OPTION
  local command=$1 option=$2 mode seen undo=unset
  if [[ $command == moodle-muc ]]; then
    undo=remove
  fi
  for mode in '' ' --dry-run'; do
    seen=$(measure "$command set --config $CONFIG $option$mode" \
      "$command $undo --quiet --config $CONFIG >$work/out")
    row "$command set$mode" "$seen" 'php -n' "$bare"
    if [[ $moodle ]]; then
      row "$command set$mode" "$seen" 'a start of Moodle' "$moodle"
    fi
  done
}

# Generating and checking stacks; that many sites should take that many times as long as one.
bench_stack() {
  local everything='--with cloudfront --with dns' one='' lint count seen checker
  row 'moodle-stack generate, everything' \
    "$(measure "moodle-stack generate -q -o $work/stack $everything" "rm -rf $work/stack")" \
    'php -n' "$bare"
  lint=$(measure "moodle-stack lint -q $work/stack")
  row 'moodle-stack lint, everything' "$lint" 'php -n' "$bare"
  checker=${CFN_LINT:-$(command -v cfn-lint || true)}
  if [[ $checker ]]; then
    row 'cfn-lint, the same files' \
      "$(runs=3 warmup=1 measure "$checker --ignore-checks W3002 -- $(echo "$work"/stack/*.yaml)")" \
      'moodle-stack lint' "$lint"
  else
    say "cfn-lint is missing (CFN_LINT names it): it is not measured"
  fi
  for count in 1 10 100 1000; do
    seen=$(runs=1 warmup=0 measure "sh -c 'for i in \$(seq $count); do moodle-stack generate -q \
      -o $work/sites/\$i --set DomainName=s\$i.example.org >$work/out || exit; done'" \
      "rm -rf $work/sites; mkdir $work/sites")
    one=${one:-$seen}
    row "moodle-stack generate, $count site(s)" "$seen" 'one site' "$one"
  done
}

bench_site() {
  local moodle=
  site_up 10000
  moodle-lastip --ip "$BROWSER_IP" --config "$CONFIG" >"$work/out"
  "$sandbox" finish "$work/site"
  if [[ ${MOODLE_DIRROOT:-} ]]; then
    moodle=$(measure "php -r 'define(\"CLI_SCRIPT\", 1); require \"$CONFIG\";'")
    row 'a start of Moodle' "$moodle" 'php -n' "$bare"
  fi
  if [[ -f ${CONFIG%/*}/cache/stores/memcached/lib.php ]]; then
    bench_set moodle-muc "--app-cache-endpoint 127.0.0.1:$APP_CACHE_PORT"
  else # a Moodle that caches in Redis only, which the sandbox has none of: nobody is asked
    bench_set moodle-muc '--app-cache-engine redis --servers endpoint --no-probe --app-cache-endpoint 127.0.0.1'
  fi
  bench_set moodle-session "--session-cache-endpoint 127.0.0.1:$SESSION_CACHE_PORT"
  # It only looks: whatever it finds about this host's own PHP is no failure.
  row 'moodle-check' "$(measure "sh -c 'moodle-check --config $CONFIG >$work/out || [ \$? = 1 ]'")" 'php -n' "$bare"
}

# Compiling all of a Moodle, and PHP compiling the same files in one process; in turn, so that both meet
# whatever else the machine does.
bench_opcache() {
  local compile="php -d opcache.enable_cli=1 -d opcache.memory_consumption=2048 -d display_errors=0 \
    -d opcache.interned_strings_buffer=128 -d opcache.max_accelerated_files=65407 -d memory_limit=-1"
  if [[ ! ${MOODLE_DIRROOT:-} ]]; then
    return
  fi
  printf "<?php \$CFG = new stdClass(); require '%s/lib/setup.php';\n" "$MOODLE_DIRROOT" >"$work/code.php"
  python3 -B "$top/scripts/lib/rounds.py" 3 true \
    "$compile $top/scripts/lib/compile.php $MOODLE_DIRROOT" \
    "moodle-opcache plan --measure -q --config $work/code.php" >"$work/opcache"
  printf '\n%-44s %9s %9s   %s\n' "all of a Moodle" 'median ms' 'best ms' 'median and best against PHP'
  printf '%s\n' 'PHP compiles it in one process' 'moodle-opcache plan --measure' |
    paste -d ' ' "$work/opcache" - | awk '
    NR == 1 { median = $1; best = $2 }
    {
      name = $0
      sub(/^([^ ]+ ){4}/, "", name)
      printf "%-44s %9.0f %9.0f   %.2f x %.2f x\n", name, $1, $2, $1 / median, $2 / best
    }'
}

# Prints a row for every command of a file: how its times compare with those of the first.
seed_rows() { # FILE NAME...
  local file=$1
  shift
  printf '%s\n' "$@" | paste -d '\t' - "$file" | awk -F '[\t ]' -v OFS='\t' '
    NR == 1 { median = $2; best = $3; cpu = $4 }
    {
      gsub("_", " ", $1)
      printf "%-28s %9.0f %9.0f %9.0f %9.1f   %.2f x %.2f x %.2f x\n", $1, $2, $3, $4, $5 / 1024,
        $2 / median, $3 / best, $4 / cpu
    }'
}

# What there is to beat: fio with the same blocks and jobs, and what the reference architecture runs.
bench_seed() {
  local rounds=${SEED_ROUNDS:-3} data jobs=4
  if ((rounds == 0)); then
    return
  fi
  data=$(mktemp -d "${SEED_DIR:-$work}/seed.XXXXXX")
  seed_data=$data
  local grow="moodle-efs-seed grow '$data' --quiet --jobs $jobs --size"
  local fill="fio --name=seed --directory='$data' --rw=write --bs=1M --size=1G --numjobs=$jobs --direct=1 \
    --end_fsync=1 --ioengine=psync --group_reporting"
  local copy="for i in \$(seq $jobs); do
    dd if=/dev/zero of='$data'/\$i bs=1M count=1024 oflag=sync 2>/dev/null & done; wait"
  local clear="rm -rf '$data'/* '$data'/.moodle*"
  printf '\n%-28s %9s %9s %9s %9s   %s\n' '4 GiB of seed data' 'median ms' 'best ms' 'CPU ms' 'peak MiB' \
    'median, best and CPU against fio'
  python3 -B "$top/scripts/lib/rounds.py" "$rounds" "$clear" "$fill" "$grow 4GiB" "$copy" >"$work/seed"
  seed_rows "$work/seed" fio moodle-efs-seed_grow parallel_dd_oflag=sync
  if [[ ${SEED_LARGE:-} == 1 ]]; then
    printf '\n%-28s %9s %9s %9s %9s   %s\n' 'up to 32 GiB' 'median ms' 'best ms' 'CPU ms' 'peak MiB' \
      'against 4 GiB'
    python3 -B "$top/scripts/lib/rounds.py" "$rounds" "$clear" "$grow 4GiB" "$grow 8GiB" "$grow 16GiB" \
      "$grow 32GiB" >"$work/seed"
    seed_rows "$work/seed" 4_GiB 8_GiB 16_GiB 32_GiB
  fi
}

install_missing "${build_packages[@]}" "${sandbox_packages[@]}" "${bench_packages[@]}"
build all
PATH=$build_dir/bin:$PATH
work=$(mktemp -d)
chmod 711 "$work" # PostgreSQL does not run as root, and has to get in
trap clean_up EXIT

printf '%-44s %9s %9s   %s\n' command 'median ms' 'peak MiB' ratio
bare=$(measure "php -n -r ''")
row "php -n -r ''" "$bare" itself "$bare"
bench_stack
bench_lastip
bench_site
bench_opcache
bench_seed
