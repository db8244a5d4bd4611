# shellcheck shell=bash disable=SC2154 # the variables of base.sh, facts.sh and config.sh
# Sourced by web-bootstrap.sh: OPcache, Moodle's caches and its sessions, by the commands for them.
#
# A web server that serves pages without a cache is better than none: what fails here is reported, at
# once and at the end, and the rest goes on.

plan_opcache() { printf 'size OPcache for the code (moodle-opcache write)\n'; }

step_opcache() {
  if ! command -v moodle-opcache >/dev/null; then
    warn 'moodle-opcache is not installed; OPcache keeps the settings of PHP'
    return
  fi
  configure opcache-result moodle-opcache write -f "$etc/site.facts" --config "$config" --sapi fpm
}

plan_caches() {
  printf 'configure the application cache %s (moodle-muc set)\n' "${facts[app_cache_endpoint]:-: none}"
}

step_caches() {
  [[ ${facts[app_cache_endpoint]:-} ]] || return 0
  after_installation || return 0
  configure muc-result moodle-muc set -f "$etc/site.facts" --config "$config"
}

plan_sessions() {
  printf 'keep sessions in %s (moodle-session set)\n' "${facts[session_cache_endpoint]:-the database}"
}

step_sessions() {
  [[ ${facts[session_cache_endpoint]:-} ]] || return 0
  after_installation || return 0
  configure session-result moodle-session set -f "$etc/site.facts" --config "$config"
}

after_installation() {
  [[ $installation ]] || read_installation
  if [[ $installation != installed && $installation != ended ]]; then
    say "not before the installation has finished (it is $installation)"
    return 1
  fi
}

# Runs one of the commands; what it says goes to the log.
configure() { # RESULT-FACT COMMAND...
  local result=$1 code=0
  shift
  "$@" >"$work/facts" 2>"$work/output" </dev/null || code=$?
  cat "$work/output" >>"$log_file"
  if ((code != 0)); then
    degrade "$code" "$1 exited with $code: $(error_of "$work/output")"
  elif grep -q "^$result=changed$" "$work/facts"; then
    changed "$1: $result=changed"
  fi
}

# What a command says after "error:".
error_of() { # FILE
  local line
  line=$(grep -m 1 ': error: ' "$1" || true)
  if [[ $line ]]; then
    printf '%s' "${line#*: error: }"
  else
    last_line "$1"
  fi
}
