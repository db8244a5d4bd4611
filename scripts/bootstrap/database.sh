# shellcheck shell=bash disable=SC2154 # the variables of base.sh, facts.sh and password.sh
# Sourced by web-bootstrap.sh: questions to the database, and Moodle's installation.

install_lock=7061756231 # a number of our own for PostgreSQL's advisory locks
install_seconds=3600

# Runs psql as config.php's user. The password is in a file that only root may read.
sql() { # PSQL-ARGUMENT...
  (
    umask 077
    php -n -r 'echo "*:*:*:*:", addcslashes(stream_get_contents(STDIN), ":\\"), "\n";' \
      <"$password_file" >"$work/pgpass"
  )
  PGPASSFILE=$work/pgpass PGHOST=${facts[db_host]} PGPORT=${facts[db_port]:-5432} \
    PGUSER=${facts[db_user]} PGDATABASE=${facts[db_name]} PGSSLMODE=${facts[db_sslmode]:-prefer} \
    PGCONNECT_TIMEOUT=10 PGAPPNAME=web-bootstrap PGCLIENTENCODING=UTF8 \
    PGOPTIONS='-c tcp_keepalives_idle=60' psql -X -q -A -t -w -v ON_ERROR_STOP=1 "$@"
}

ask_database() { # ANSWER-FILE PSQL-ARGUMENT...
  local file=$1
  shift
  sql "$@" >"$file" 2>"$work/output" </dev/null && return
  case $(<"$work/output") in
    *'authentication failed'* | *'permission denied'* | *'no password supplied'*) return "$ex_noperm" ;;
    *' does not exist'*) return "$ex_config" ;;
  esac
  return "$ex_unavailable"
}

# Sets $installation: empty, partial (begun by this script), ended (the same, and Moodle works already),
# pending (in the browser), installed.
read_installation() {
  attempt "ask the database ${facts[db_name]} at ${facts[db_host]}" \
    ask_database "$work/installation" -f "$parts/installation.sql"
  read -r installation <"$work/installation"
}

plan_database() { printf 'ask the database at %s whether Moodle is installed\n' "${facts[db_host]:-?}"; }

step_database() {
  need_facts db-host db-name db-user
  [[ -f $password_file ]] || die "$ex_noinput" "$password_file is not there" "the step password makes it"
  read_installation
  say "the installation is: $installation"
}

plan_install() {
  if [[ ${facts[admin_secret_arn]:-} ]]; then
    printf 'install Moodle, if no server has done it, with the administrator of %s\n' \
      "${facts[admin_secret_arn]}"
  else
    printf 'nothing: the facts name no administrator (admin-secret-arn); install in the browser\n'
  fi
}

# Exactly one server of the fleet does it, under a lock in the database; the others wait for it.
step_install() {
  [[ ${facts[admin_secret_arn]:-} ]] || return 0
  read_installation
  case $installation in
    installed) return ;;
    pending) die "$ex_config" "somebody is installing Moodle in the browser" \
      "finish it there, or empty the database" ;;
  esac
  need_facts admin-email region
  read_secret "${facts[admin_secret_arn]}" password "$work/admin"
  lock_installation
  read_installation # another server may have done it meanwhile
  if [[ $installation == empty || $installation == partial ]]; then
    say 'installing Moodle; this takes some minutes'
    attempt 'prepare the installation' ask_database "$work/answer" -1 -f "$parts/install-begin.sql"
    run_installer || die "$ex_software" "Moodle's installer failed: $(last_line "$work/output")" \
      "all that it said is in $log_file"
    changed 'installed Moodle'
  elif [[ $installation == ended ]]; then
    warn "the installer was killed at its very end; Moodle asks the administrator for settings it lacks"
  fi
  if [[ $installation != installed ]]; then
    attempt 'record the installation' ask_database "$work/answer" -f "$parts/install-end.sql"
  fi
  rm -f -- "$work/admin"
  unlock_installation
  read_installation
  [[ $installation == installed ]] || die "$ex_software" "the installation is $installation"
}

# It ends with this script, so that no other server begins while it still runs.
run_installer() {
  local code=0
  (cd "$html" && exec setpriv --reuid www-data --regid www-data --clear-groups --pdeathsig KILL \
    php -d max_input_vars=5000 -d memory_limit=-1 "$parts/install-moodle.php" "$html" \
    "${facts[admin_email]}" "${facts[site_fullname]:-Moodle}" "${facts[site_shortname]:-moodle}") \
    <"$work/admin" >"$work/output" 2>&1 || code=$?
  cat "$work/output" >>"$log_file"
  return "$code"
}

# One psql holds the lock as long as its standard input is open: however this script ends, it is free.
lock_installation() {
  local answer=
  coproc HOLDER { sql 2>&1; }
  holder_pid=$!
  holder_in=${HOLDER[1]} holder_out=${HOLDER[0]}
  say 'waiting for the lock on the installation'
  printf "SELECT 'locked' FROM pg_advisory_lock(%s);\n" "$install_lock" >&"$holder_in"
  read -r -t "$install_seconds" answer <&"$holder_out" || true
  [[ $answer == locked ]] || die "$ex_tempfail" \
    "another server is installing Moodle, and has not finished in $install_seconds s ${answer:0:200}"
}

unlock_installation() {
  exec {holder_in}>&-
  wait "$holder_pid" 2>/dev/null || true
}
