#!/usr/bin/env bash
# Makes a Moodle web server of a new Debian 12 host, as root. Every step looks at what is there and
# does only what is missing, so it can be run again at any time: after a failure, after having been
# killed, or to see whether all is as it should be.
#
#   web-bootstrap.sh --facts-parameter NAME --region REGION [OPTION]...
#   web-bootstrap.sh --facts FILE [OPTION]...
#
#   --facts-parameter NAME  the Parameter Store value that holds the site's facts
#   --facts FILE            a file that holds them instead
#   --region REGION         the AWS region; default: the fact `region`
#   --efs-dir DIR           a shared folder that is mounted already, instead of mounting EFS
#   --signal-url URL        the wait condition's URL, which is told how it went
#   --only STEP[,STEP]...   these steps alone
#   --from STEP             this step and those behind it
#   -n, --dry-run           print the steps and what they are for, and change nothing
#   -q, --quiet             say only what changes and what fails
#   -h, --help              show this
#
# Steps, in this order: @STEPS@
# Everything is said on standard error and in /var/log/moodle-aws-toolkit/bootstrap.log. Standard
# output has the result as facts. Exit codes: 0 done or already so; 64 wrong usage, 65 bad facts or a
# wrong checksum, 66 something is not there, 69 a service does not answer, 75 another run is under way,
# 77 no permission, 78 something has to be decided by a person. When the server serves pages, but without
# OPcache, the caches or its logs in CloudWatch as wanted, the code is that of the command that failed.
# shellcheck disable=SC2154,SC2034,SC2317 # the variables of the parts; what only traps call
set -Eeuo pipefail
shopt -s inherit_errexit
export LC_ALL=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

script=$(realpath -- "$0")
parts=${script%/*}/bootstrap
for part in base aws facts packages folders code password config database caches web logs; do
  # shellcheck source=/dev/null
  source "$parts/$part.sh"
done

steps=(facts packages efs folders code plugins password config database web install opcache caches
  sessions serve logs check)

usage() {
  sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "$script" |
    sed "s/@STEPS@/${steps[*]:0:8}\n${steps[*]:8}./"
}

wrong_usage() { # MESSAGE
  printf '%s\n' "web-bootstrap.sh: error: $1" "web-bootstrap.sh: hint: --help shows the options" >&2
  exit 64
}

facts_file='' facts_parameter='' region_option='' efs_dir='' signal_url='' only='' from=''
installation=''

read_options() {
  local options=() name
  while (($#)); do
    case $1 in
      --*=*) options=("${1%%=*}" "${1#*=}") ;;
      *) options=("$1" "${2-}") ;;
    esac
    name=${options[0]}
    case $name in
      --facts | --facts-parameter | --region | --efs-dir | --signal-url | --only | --from)
        [[ ${options[1]} ]] || wrong_usage "the option '$name' needs a value"
        [[ $1 == --*=* ]] || shift
        ;;&
      --facts) facts_file=${options[1]} ;;
      --facts-parameter) facts_parameter=${options[1]} ;;
      --region) region_option=${options[1]} ;;
      --efs-dir) efs_dir=${options[1]} ;;
      --signal-url) signal_url=${options[1]} ;;
      --only) only=${options[1]} ;;
      --from) from=${options[1]} ;;
      -n | --dry-run) dry_run=yes ;;
      -q | --quiet) quiet=yes ;;
      -h | --help) usage && exit ;;
      *) wrong_usage "unknown option or argument '$1'" ;;
    esac
    shift
  done
}

validate() {
  local name
  [[ $facts_file || $facts_parameter ]] || wrong_usage 'one of --facts and --facts-parameter is needed'
  [[ ! $facts_file || ! $facts_parameter ]] || wrong_usage '--facts and --facts-parameter exclude each other'
  [[ ! $facts_parameter || $region_option ]] || wrong_usage '--facts-parameter needs --region'
  [[ ! $facts_parameter || $facts_parameter =~ ^[A-Za-z0-9_./-]+$ ]] ||
    wrong_usage "'$facts_parameter' is no name of a parameter"
  [[ ! $region_option || $region_option =~ ^(${fact_patterns[region]})$ ]] ||
    wrong_usage "'$region_option' is no region"
  [[ ! $efs_dir || $efs_dir =~ ^/[A-Za-z0-9._/-]+$ ]] ||
    wrong_usage "--efs-dir '$efs_dir' has to be an absolute path of letters, digits and . _ / -"
  [[ ! $signal_url || $signal_url =~ ^https?://[^\"\\[:space:]]+$ ]] || wrong_usage '--signal-url is no URL'
  [[ ! $only || ! $from ]] || wrong_usage '--only and --from exclude each other'
  for name in ${only//,/ } $from; do
    [[ " ${steps[*]} " == *" $name "* ]] || wrong_usage "there is no step '$name'"
  done
}

# The steps that were asked for.
chosen_steps() {
  local name on=
  [[ $from ]] || on=yes
  for name in "${steps[@]}"; do
    [[ $name != "$from" ]] || on=yes
    if [[ $on && (! $only || ,$only, == *",$name,"*) ]]; then
      printf '%s\n' "$name"
    fi
  done
}

# One run at a time; the lock goes with the process that holds it. Daemons do not inherit it.
take_lock() {
  local code=0 conflict=199 patience=${MOODLE_BOOTSTRAP_PATIENCE:-600}
  [[ ! ${MOODLE_BOOTSTRAP_LOCKED:-} ]] || return 0
  mkdir -p /run/lock
  MOODLE_BOOTSTRAP_LOCKED=yes flock --close --conflict-exit-code "$conflict" --timeout "$patience" \
    /run/lock/moodle-aws-toolkit-bootstrap.lock "$script" "$@" || code=$?
  if ((code == conflict)); then
    die "$ex_tempfail" "another run on this host has been under way for $patience s"
  fi
  exit "$code"
}

prepare() {
  ((EUID == 0)) || die "$ex_noperm" 'this has to be run as root'
  rm -rf --one-file-system -- "$work" # of a run that was killed
  mkdir -p -- "${work%/*}"
  mkdir -m 0700 -- "$work"
  owns_work=yes
  if [[ ! $dry_run ]]; then
    mkdir -p -- "$log_folder"
    touch -- "$log_file"
    chmod 0640 -- "$log_file"
    log_start=$(stat -c %s -- "$log_file")
  fi
}

# However it ends: the reason is told, and nothing secret stays behind.
finish() { # EXIT-CODE
  local code=$1 reason=
  trap - EXIT ERR
  set +e
  if ((code != 0 && code != degraded_code)) || [[ -s $work/reason ]]; then
    reason=$(cat "$work/reason" 2>/dev/null)
    signal_stack FAILURE "${reason:-ended with exit code $code in the step $step}"
  elif [[ ! $only ]]; then
    signal_stack SUCCESS "${degraded[*]:-the server serves pages}"
  fi
  [[ $only || ! -d $work ]] || send_log
  [[ $dry_run ]] || clear_staging
  rm -rf --one-file-system -- "$work"
  [[ ! $dry_run ]] || rmdir -- "${work%/*}"
  exit "$code"
}

unexpected() { # EXIT-CODE LINE FILE COMMAND
  ((BASH_SUBSHELL == 0)) || exit "$1"
  [[ -s $work/reason ]] && exit "$1" # a subshell has told it
  die "$ex_software" "unexpected end (code $1) at ${3##*/}:$2"
}

read_options "$@"
validate
if [[ $dry_run ]]; then
  work=$(mktemp -d)/work
else
  take_lock "$@"
fi
trap : PIPE # a peer that is gone makes a write fail, and does not end the run without a word
trap 'finish $?' EXIT
trap 'unexpected $? "$LINENO" "${BASH_SOURCE[0]}"' ERR
prepare
say 'started'
if [[ $facts_parameter && ! $dry_run ]] && ! command -v aws >/dev/null; then
  step=packages
  install_packages awscli ca-certificates
fi
step=facts
load_facts
efs_dir=${efs_dir:-${facts[efs_dir]:-}}
mapfile -t chosen < <(chosen_steps)
for step in "${chosen[@]}"; do
  if [[ $dry_run ]]; then
    say "would $("plan_$step")"
  else
    say 'checking'
    "step_$step"
  fi
done
step=end
for reason in "${degraded[@]}"; do
  warn "$reason"
done
say "done, $changes changes"
if [[ ! $dry_run ]]; then
  printf '#facts 1\nbootstrap-result=%s\n#end\n' "$( ((changes)) && echo changed || echo unchanged)"
else
  printf '#facts 1\nbootstrap-result=planned\n#end\n'
fi
exit "$degraded_code"
