#!/usr/bin/env bash
# From nothing but Debian 12 to a finished, cached site: installs what is missing, builds, brings a
# local half-installed Moodle site up (see sandbox.sh), and takes it through the commands twice.
# Everything it starts ends with it. BUILD_DIR names another build folder than build/.
# shellcheck disable=SC2016 # commands are shown as they are, and expanded when they are run
set -euo pipefail
source "$(dirname "$0")/lib/common.sh"

sandbox=$top/scripts/sandbox.sh

heading() { printf '\n== %s\n' "$*"; }

# Prints a command line, then runs it.
run() {
  printf '\n$ %s\n' "$1"
  eval "$1"
}

clean_up() {
  if [[ ${administrator:-} ]]; then
    kill "$administrator" 2>/dev/null || true
    wait "$administrator" || true
  fi
  if [[ -f $site/site/sandbox.env ]]; then
    "$sandbox" down "$site/site"
  fi
  rm -rf -- "$site"
}

show_site() {
  run 'moodle-muc show --config "$CONFIG"'
  run 'moodle-session show --config "$CONFIG"'
}

pipeline='cat "$STACK_JSON" "$INTERFACES_JSON" | moodle-facts - \
  | moodle-lastip -f - --config "$CONFIG" --access-log "$ACCESS_LOG" --watch --timeout 60 \
  | moodle-muc set -f - --config "$CONFIG" \
  | moodle-session set -f - --config "$CONFIG" > site.facts'

install_missing "${build_packages[@]}" "${sandbox_packages[@]}"
build all
PATH=$build_dir/bin:$PATH

if [[ ${MOODLE_DIRROOT:-} && ! -f $MOODLE_DIRROOT/cache/stores/memcached/lib.php ]]; then
  say "$MOODLE_DIRROOT has no memcached cache store (Moodle 4.2 removed it): using placeholders"
  unset MOODLE_DIRROOT
fi

heading 'A site as the installation wizard leaves it behind a load balancer'
site=$(mktemp -d)
chmod 711 "$site" # PostgreSQL does not run as root, and has to get in
trap clean_up EXIT
run '"$sandbox" up "$site/site"'
set -a
# shellcheck source=/dev/null
source "$site/site/sandbox.env"
set +a
cd "$site"

heading 'Before'
run 'cat "$STACK_JSON" "$INTERFACES_JSON" | moodle-facts - >stack.facts'
run 'moodle-check -f stack.facts --config "$CONFIG" --access-log "$ACCESS_LOG" || true'
show_site
cp "$CONFIG" config.php.before
cp "$MUC_CONFIG" muc.php.before

heading 'The first pass'
echo 'The administrator, in the background, reloads the last page of the wizard until Moodle accepts it:'
printf '\n$ %s\n' '"$sandbox" finish "$site/site" 60 &'
"$sandbox" finish "$site/site" 60 &
administrator=$!
run "$pipeline"
wait "$administrator"
administrator=
run 'cat site.facts'

heading 'After'
run 'moodle-check -f stack.facts --config "$CONFIG" || true'
show_site
run 'diff -u config.php.before "$CONFIG" || true'
run 'diff -u muc.php.before "$MUC_CONFIG" || true'

heading 'The second pass: nothing is left to do'
run "$pipeline"
run 'grep result= site.facts'

heading 'Done'
