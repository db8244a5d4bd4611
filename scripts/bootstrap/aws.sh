# shellcheck shell=bash disable=SC2154,SC2016 # PHP has dollar signs, too; the variables of base.sh and facts.sh
# Sourced by web-bootstrap.sh: what is asked of AWS, and what AWS is told.

# The address can be another one, as the AWS command line interface has it.
metadata_url=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}

# Runs the AWS CLI with its result in FILE, which only root can read. Exits with a code that says
# whether trying again is of use.
aws_to() { # FILE ARGUMENT...
  local file=$1 code=0
  shift
  (
    umask 077
    aws --region "$region" --cli-connect-timeout 10 --cli-read-timeout 30 "$@" >"$file"
  ) 2>"$work/output" </dev/null || code=$?
  ((code != 0)) || return 0
  case $(<"$work/output") in
    *ResourceNotFoundException* | *ParameterNotFound* | *NoSuchKey* | *'(404)'*) return "$ex_noinput" ;;
    *ValidationException* | *'Unknown options'*) return "$ex_data" ;;
  esac
  # AccessDenied is tried again as well: a new role's rights take a while to be known everywhere.
  return "$ex_unavailable"
}

# Prints the field of a secret that is a JSON object, without ever naming it in a command line.
secret_field() { # FILE FIELD
  php -n -r '$secret = json_decode(stream_get_contents(STDIN), true);
    if (!is_array($secret) || !is_string($secret[$argv[1]] ?? null) || $secret[$argv[1]] === "") {
        exit(1);
    }
    echo $secret[$argv[1]];' "$2" <"$1"
}

# Reads a secret and puts one field of it into FILE; FILE is in a folder of root's.
read_secret() { # ARN FIELD FILE
  attempt "read the secret $1" aws_to "$work/secret" secretsmanager get-secret-value \
    --secret-id "$1" --query SecretString --output text
  (umask 077 && secret_field "$work/secret" "$2" >"$3") ||
    die "$ex_data" "the secret $1 is no JSON object with a text '$2'"
  rm -f -- "$work/secret"
}

# The instance's id; the host's name where there is no instance metadata. IMDSv2 only.
instance_id() {
  local token id=
  token=$(curl -sf --noproxy '*' --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
    "$metadata_url/latest/api/token" 2>/dev/null || true)
  id=$(printf 'X-aws-ec2-metadata-token: %s\n' "$token" |
    curl -sf --noproxy '*' --max-time 5 -H @- "$metadata_url/latest/meta-data/instance-id" 2>/dev/null || true)
  if [[ $id =~ ^i-[0-9a-f]+$ ]]; then
    printf '%s' "$id"
  else
    uname -n
  fi
}

# A text of ASCII as JSON, without PHP: there may be none yet when something is wrong.
json_text() { # TEXT
  local text
  text=$(printf '%s' "${1:0:1000}" | LC_ALL=C tr -c '\040-\176' '?')
  text=${text//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# Tells the stack's wait condition how it went; the reason shows in the stack's events. AWS takes a
# JSON body by PUT, without a content type. Later, when the stack waits no more or the URL is out of
# date, nobody listens: then it is only said.
signal_stack() { # SUCCESS|FAILURE REASON
  [[ $signal_url && ! $dry_run ]] || return 0
  local id
  id=$(instance_id)
  printf '{"Status": "%s", "UniqueId": %s, "Data": %s, "Reason": %s}' "$1" \
    "$(json_text "$id-$(date -u +%s)")" "$(json_text "$id")" "$(json_text "$id: $2")" >"$work/signal"
  if ! printf 'url = "%s"\n' "$signal_url" |
    curl -sSf --retry 3 --max-time 30 -X PUT -H 'Content-Type:' --data-binary "@$work/signal" \
      -o /dev/null -K - 2>"$work/output"; then
    warn "the stack was not told ($1): $(last_line "$work/output")"
  fi
}

# Sends this run's lines to the log group, when the facts name one.
send_log() {
  local group=${facts[log_group_bootstrap]:-} stream
  [[ $group && $region && ! $dry_run ]] || return 0
  if ! command -v php >/dev/null; then
    warn "the log was not sent to $group: PHP is not installed"
    return
  fi
  stream=$(instance_id)/$(date -u +%Y%m%dT%H%M%SZ)
  tail -c +"$((log_start + 1))" "$log_file" | php -n "$parts/log-events.php" >"$work/events.json"
  if ! aws_to "$work/log-stream" logs create-log-stream --log-group-name "$group" \
    --log-stream-name "$stream" ||
    ! aws_to "$work/log-result" logs put-log-events --log-group-name "$group" \
      --log-stream-name "$stream" --log-events "file://$work/events.json"; then
    warn "the log was not sent to $group: $(last_line "$work/output")"
  fi
}
