# shellcheck shell=bash disable=SC2034 # the variables are for the other parts
# Sourced by web-bootstrap.sh: messages, failures, tries, and files that are whole or not there.

etc=/etc/moodle-aws-toolkit
state=/var/lib/moodle-aws-toolkit
log_folder=/var/log/moodle-aws-toolkit
log_file=$log_folder/bootstrap.log
work=/run/moodle-aws-toolkit/bootstrap # of one run; nobody else may look into it
www=/var/www/moodle
html=$www/html

# Exit codes, a subset of sysexits.h.
ex_usage=64 ex_data=65 ex_noinput=66 ex_unavailable=69 ex_software=70 ex_cantcreate=73
ex_tempfail=75 ex_noperm=77 ex_config=78

degraded=() degraded_code=0
changes=0 # how many things this run has changed
step=start
quiet=
dry_run=
owns_work= # not while another run is under way

write_line() { # TEXT
  local line
  TZ=UTC printf -v line '%(%Y-%m-%dT%H:%M:%SZ)T web-bootstrap.sh: %s' -1 "$1"
  printf '%s\n' "$line" >&2
  if [[ ! $dry_run && -d $log_folder ]]; then
    printf '%s\n' "$line" >>"$log_file"
  fi
}

say() { # TEXT; what somebody who looks on wants to know
  [[ $quiet ]] || write_line "$step: $1"
}

changed() { # TEXT; something is different now
  changes=$((changes + 1))
  write_line "$step: $1"
}

warn() { # TEXT
  write_line "warning: $step: $1"
}

# Something is not as wanted, but the server can serve pages: the run goes on, tells it once more at its
# end, and exits with this code.
degrade() { # CODE REASON
  warn "$2"
  degraded+=("$step: $2")
  ((degraded_code)) || degraded_code=$1
}

# Ends the run. The reason goes to the log, to the caller and, by finish(), to the stack's events.
die() { # CODE REASON [HINT]
  write_line "error: $step: $2"
  if [[ ${3:-} ]]; then
    write_line "hint: $3"
  fi
  if [[ $owns_work ]]; then
    printf '%s' "$step: $2" >"$work/reason"
  fi
  exit "$1"
}

# The last line that says something, for a message: without control characters, and not too long.
last_line() { # FILE
  local line
  line=$(tr -d '\000-\010\013-\037' <"$1" | grep -v '^[[:space:]]*$' | tail -n 1 || true)
  printf '%s' "${line:0:300}"
}

# Runs a command whose output is only for the log; in a failure its last line is in $work/output.
logged() { # COMMAND...
  local code=0
  "$@" >"$work/output" 2>&1 </dev/null || code=$?
  cat "$work/output" >>"$log_file"
  return "$code"
}

# Tries a command again, with growing pauses, while it fails; but not when it exits with a code that
# says that trying again is of no use. The command leaves what it says in $work/output.
attempt() { # WHAT COMMAND...
  local what=$1 code=0 pause=1 try
  shift
  for ((try = 1; ; try++)); do
    : >"$work/output"
    code=0
    "$@" || code=$?
    case $code in
      0) return ;;
      "$ex_data" | "$ex_noinput" | "$ex_noperm" | "$ex_config") break ;;
    esac
    code=$ex_unavailable
    ((try < ${MOODLE_BOOTSTRAP_TRIES:-8})) || break
    say "cannot $what: $(last_line "$work/output"); trying again in $pause s"
    sleep "$pause"
    pause=$((pause < 30 ? pause * 2 : 60))
  done
  die "$code" "cannot $what: $(last_line "$work/output")"
}

set_access() { # PATH MODE OWNER:GROUP
  if [[ $(stat -c '%a %U:%G' -- "$1") != "${2#0} $3" ]]; then
    chown -h -- "$3" "$1"
    chmod -- "$2" "$1" # after chown, which takes the set-group-id bit away
    changed "set mode $2 and owner $3 of $1"
  fi
}

make_folder() { # PATH MODE OWNER:GROUP
  if [[ ! -d $1 ]]; then
    mkdir -p -- "$1"
  fi
  set_access "$1" "$2" "$3"
}

# Puts a finished file in place: the old one or the new one is there at any instant, never a part.
put_file() { # SOURCE TARGET MODE OWNER:GROUP [FOLDER-FOR-THE-PART]
  local part=${5:-${2%/*}}/.${2##*/}.part
  rm -f -- "$part" # of a run that was killed
  if [[ -f $2 && ! -L $2 ]] && cmp -s -- "$1" "$2"; then
    set_access "$2" "$3" "$4"
    return
  fi
  (umask 077 && cat -- "$1" >"$part")
  chown -- "$4" "$part"
  chmod -- "$3" "$part"
  sync -- "$part"
  mv -fT -- "$part" "$2"
  sync -- "${2%/*}"
  changed "wrote $2"
}

remove_file() { # PATH
  if [[ -e $1 || -L $1 ]]; then
    rm -f -- "$1"
    changed "removed $1"
  fi
}

has_systemd() { [[ -d /run/systemd/system ]]; }
