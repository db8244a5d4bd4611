# shellcheck shell=bash disable=SC2034,SC2154 # the variables of the script that sources this
# Sourced by post-install.sh: the steps that run a document on web servers.

# Sets $servers to the instances that serve pages, and $coming to those that do not yet: a new one is in
# service for its group long before its site is there, so the load balancer is asked.
read_servers() {
  local answer targets healthy id there
  answer=$(call_aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$group" --output text \
    --query "AutoScalingGroups[0].[TargetGroupARNs[0], join(' ', Instances[?LifecycleState=='InService' || \
starts_with(LifecycleState, 'Pending')].InstanceId)]")
  IFS=$'\t' read -r targets there <<<"$answer"
  [[ ${targets:-None} != None ]] || die 78 "$group stands behind no load balancer" "name the main stack"
  healthy=" $(call_aws elbv2 describe-target-health --target-group-arn "$targets" --output text \
    --query "join(' ', TargetHealthDescriptions[?TargetHealth.State=='healthy'].Target.Id)") "
  servers=() coming=()
  for id in $there; do
    if [[ $healthy == *" $id "* ]]; then
      servers+=("$id")
    else
      coming+=("$id")
    fi
  done
  ((${#servers[@]} > 0)) || die 75 "no web server of $group serves pages" \
    "a new server first installs the site: try again in a few minutes"
}

all_serve() {
  read_servers
  ((${#coming[@]} == 0))
}

# As read_servers(), when all serve pages: one that is still coming up may have read facts that are old.
await_servers() {
  read_servers
  ((${#coming[@]} > 0)) || return 0
  say "not yet serving pages: ${coming[*]}"
  [[ $apply ]] || return 0
  await "$command_timeout" all_serve || die 75 "${coming[*]}: no pages after $command_timeout s" \
    "look at its log, or terminate it; then run this again"
}

# The parameters of a document, as JSON. Nothing in the values has to be escaped: post-install.sh and
# moodle-facts let no such character pass.
parameters() { # NAME=VALUE...
  local json='' pair
  for pair in "$@"; do
    json+=${json:+,}"\"${pair%%=*}\":[\"${pair#*=}\"]"
  done
  printf '{%s}' "$json"
}

command_has_ended() { # ID COUNT
  local answer
  answer=$(call_aws ssm list-command-invocations --command-id "$1" \
    --query 'CommandInvocations[].[InstanceId,Status]' --output text) || return $?
  (($(awk '$2 ~ /^(Success|Failed|Cancelled|TimedOut)$/' <<<"$answer" | wc -l) >= $2))
}

# Runs a document on some servers and waits for it, or prints the command. Sets $status to 0, or to the
# status of the first server on which it failed, which is $failed_server; what it said is shown.
run_document() { # SECONDS NAME PARAMETERS SERVER...
  local seconds=$1 document=$prefix-$2 values=$3 id
  shift 3
  local command=(ssm send-command --document-name "$document" --instance-ids "$@"
    --parameters "$values" --max-concurrency "$#" --max-errors 0 --timeout-seconds 60)
  status=0
  if [[ ! $apply ]]; then
    show aws "${command[@]}"
    return
  fi
  say "running $document on $*"
  id=$(call_aws "${command[@]}" --query Command.CommandId --output text)
  if ! await "$seconds" command_has_ended "$id" "$#"; then
    call_aws ssm cancel-command --command-id "$id"
    die 75 "$document did not end within $seconds s on $*" \
      "'aws ssm list-command-invocations --details --command-id $id' shows how far it came"
  fi
  judge "$id" "$@"
}

judge() { # COMMAND-ID SERVER...
  local id=$1 server state code said answer
  shift
  for server in "$@"; do
    answer=$(call_aws ssm get-command-invocation --command-id "$id" --instance-id "$server" \
      --query '[Status,ResponseCode,StandardOutputContent]' --output text)
    state=${answer%%$'\t'*}
    said=${answer#*$'\t'}
    code=${said%%$'\t'*}
    said=${said#*$'\t'}
    if [[ $state == Success ]]; then
      ! grep -Eqx '(lastip|muc|session)-result=changed|php-reload=done' <<<"$said" || changed=changed
      continue
    fi
    # 75 is no failure to somebody who waits; it is told by whoever gives up.
    ((code == 75)) || tell_failure "$id" "$server" "$state, with status $code" "$said"
    if ((status == 0)); then
      failed_server=$server
      # The agent could not be reached, or ended it: there is no code of ours.
      status=69
      ((code <= 0 || code > 78)) || status=$code
    fi
  done
}

tell_failure() { # COMMAND-ID SERVER STATE OUTPUT
  say "$2: $3"
  {
    tail -n 20 <<<"$4"
    call_aws ssm get-command-invocation --command-id "$1" --instance-id "$2" \
      --query StandardErrorContent --output text | tail -n 20
  } | tr -d '\000-\010\013-\037\177' | sed "s/^/  $2: /" >&2
}

finish_installation() {
  local addresses end=$((SECONDS + install_timeout)) round rest
  read_servers
  while :; do
    # One document watches for a few minutes; then the load balancer may have other addresses.
    rest=$((end - SECONDS))
    round=$((rest < 300 ? (rest > 0 ? rest : 1) : 300))
    addresses=$(fact alb-ip | paste -sd,)
    run_document $((round + command_timeout)) fix-lastip "$(parameters Action=watch ConfigFile="$config" \
      AccessLog="$access_log" AlbIps="$addresses" Timeout="$round")" "${servers[0]}"
    ((status == 75)) || break
    ((SECONDS < end)) || die 75 "the installation has not finished within $install_timeout s" \
      "finish the wizard at $(fact site-url), and run this again"
    say "the installation has not finished yet"
    read_site
    read_servers
  done
  ((status == 0)) || die "$status" "cannot repair lastip on $failed_server" "what it said is above"
}

# Runs a document on all servers: one shows whether it works, the others follow in batches. Those that
# come into service meanwhile are done as well. Leaves $status as run_document() does.
on_all_servers() { # DOCUMENT PARAMETERS
  local -A visited=()
  local todo size=1 server
  while :; do
    await_servers
    todo=()
    for server in "${servers[@]}"; do
      [[ ${visited[$server]:-} ]] || todo+=("$server")
    done
    ((${#todo[@]} > 0)) || return 0
    todo=("${todo[@]:0:size}")
    size=$batch
    run_document "$command_timeout" "$1" "$2" "${todo[@]}"
    ((status == 0)) || return 0
    for server in "${todo[@]}"; do
      visited[$server]=yes
    done
  done
}

configure_muc() {
  on_all_servers configure-muc "$(parameters Action=set ConfigFile="$config")"
  ((status == 0)) || die "$status" "cannot configure the application cache on $failed_server" \
    "what it said is above; when it is mended, run this again"
}

switch_sessions() {
  on_all_servers switch-sessions "$(parameters Action=set ConfigFile="$config")"
  ((status == 0)) || stop_switching
}

stop_switching() {
  local back=(aws ssm send-command --document-name "$prefix-switch-sessions" --instance-ids "${servers[@]}"
    --parameters "$(parameters Action=unset ConfigFile="$config")")
  die "$status" "cannot switch the sessions on $failed_server; no further server was touched" \
    "mend it and run this again; or all of them back: $(show "${back[@]}")"
}
