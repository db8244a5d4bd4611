# shellcheck shell=bash disable=SC2034,SC2154 # the variables of the script that sources this
# Sourced by post-install.sh: messages, and calls of the AWS CLI whose failures become exit codes.

program=${0##*/}
export AWS_PAGER='' AWS_CLI_AUTO_PROMPT=off

say() { printf '%s: %s\n' "$program" "$*" >&2; }

die() { # CODE MESSAGE [HINT]
  say "error: $2"
  [[ -z ${3:-} ]] || say "hint: $3"
  exit "$1"
}

step() { # NUMBER TITLE
  say "step $1: $2"
  [[ $apply ]] || printf '# step %s: %s\n' "$1" "$2"
}

# Prints a command as it can be typed.
show() { # COMMAND...
  local line
  printf -v line ' %q' "$@"
  printf '%s\n' "${line# }"
}

# What a failure of the AWS CLI means. It says in its last line who refused, and why; it exits with 254
# for what a service answered, and with 253 when it has no credentials or no region.
aws_status() { # STATUS MESSAGE
  case $1,$2 in
    *,*AccessDenied* | *,*UnauthorizedOperation* | *,*"not authorized"* | *,*ExpiredToken* | \
      *,*InvalidClientTokenId* | *,*"Unable to locate credentials"* | *,*UnrecognizedClient*) echo 77 ;;
    *,*ValidationError*"does not exist"*) echo 66 ;;
    *,*Throttling* | *,*"Rate exceeded"* | *,*RequestLimitExceeded*) echo 75 ;;
    *,*InvalidDocument* | 253,*) echo 78 ;;
    252,*) echo 70 ;;
    *) echo 69 ;;
  esac
}

# Runs a call of the AWS CLI; a failure ends the script, or the $( ) around it.
call_aws() { # SERVICE OPERATION [OPTION]...
  local status=0 message
  aws "$@" --cli-connect-timeout 10 --cli-read-timeout 60 2>"$work/aws.err" || status=$?
  ((status == 0)) && return
  message=$(grep -v '^[[:space:]]*$' "$work/aws.err" | tail -n 1 | tr -d '\000-\037\177')
  die "$(aws_status "$status" "$message")" "aws $1 $2: ${message:-it ended with status $status}" \
    "see the command's own documentation for what the message means"
}

# Asks again and again until `CONDITION...` holds; the intervals grow to ten times the first. Says no
# after a number of seconds. A few times in a row AWS may not answer; any other failure ends the script.
await() { # SECONDS CONDITION...
  local deadline=$((SECONDS + $1)) tenths=10 answer failures=0
  shift
  while :; do
    answer=0
    "$@" || answer=$?
    case $answer in
      0) return ;;
      1) failures=0 ;;
      69 | 75) ((++failures <= 5)) || exit "$answer" ;;
      *) exit "$answer" ;;
    esac
    ((SECONDS < deadline)) || return 1
    sleep "$(awk -v poll="$poll" -v tenths="$tenths" 'BEGIN { print poll * tenths / 10 }')"
    tenths=$((tenths * 3 / 2 < 100 ? tenths * 3 / 2 : 100))
  done
}
