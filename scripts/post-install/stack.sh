# shellcheck shell=bash disable=SC2034,SC2154 # the variables of the script that sources this
# Sourced by post-install.sh: what the site's stack tells, and its updates.

describe_stack() { # QUERY
  call_aws cloudformation describe-stacks --stack-name "$stack" --query "$1" --output text
}

# Prints the values of a fact, a line each.
fact() { # NAME
  moodle-facts -f "$work/site.facts" --get "$1" || (($? == 1))
}

# Asks AWS about the site: sets $group and $prefix, and writes $work/site.facts.
read_site() {
  call_aws cloudformation describe-stacks --stack-name "$stack" --output json >"$work/stacks.json"
  call_aws ec2 describe-network-interfaces --output json >"$work/interfaces.json"
  moodle-facts --stack-name "$stack" "$work/stacks.json" "$work/interfaces.json" >"$work/site.facts"
  group=$(fact web-asg)
  [[ $group ]] || die 78 "the stack $stack has no web servers" "name the main stack"
  prefix=${prefix:-$(fact document-prefix)}
  [[ $prefix ]] || die 78 "the stack $stack does not tell the names of its documents" \
    "add the component ssm-documents, or create them ('moodle-stack document') and give --document-prefix"
}

stack_is_settled() {
  stack_status=$(describe_stack 'Stacks[0].StackStatus') || return $?
  [[ $stack_status != *_IN_PROGRESS ]]
}

# Ends the script unless the stack is, perhaps after some time, in a state from which it can go on.
await_stack() {
  stack_status=$(describe_stack 'Stacks[0].StackStatus')
  if [[ $stack_status == *_IN_PROGRESS ]]; then
    [[ $apply ]] || die 75 "the stack $stack is being changed ($stack_status)" "try again when it has settled"
    say "waiting for the stack $stack ($stack_status)"
    await "$stack_timeout" stack_is_settled || die 75 \
      "the stack $stack is still being changed ($stack_status) after $stack_timeout s" "try again later"
  fi
  case $stack_status in
    CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE | IMPORT_COMPLETE | IMPORT_ROLLBACK_COMPLETE) ;;
    *) die 78 "the stack $stack is in the state $stack_status" "mend the stack first" ;;
  esac
}

# Sets $values to the parameters of the stack and their values.
read_parameters() {
  local key value answer
  values=()
  answer=$(describe_stack 'Stacks[0].Parameters[].[ParameterKey,ParameterValue]')
  while IFS=$'\t' read -r key value; do
    [[ ! $key || $key == None ]] || values[$key]=$value
  done <<<"$answer"
}

# Updates the stack to have these values of its parameters, and keeps everything else; or prints the
# command. Does nothing when it has them.
update_stack() { # PARAMETER=VALUE...
  local -A values wanted=()
  local pair key command=(cloudformation update-stack --stack-name "$stack" --use-previous-template)
  local arguments=() capabilities open=
  read_parameters
  for pair in "$@"; do
    key=${pair%%=*}
    [[ ${values[$key]+there} ]] || die 78 "the stack $stack has no parameter $key" \
      "this is for the stacks that 'moodle-stack generate' makes"
    wanted[$key]=${pair#*=}
    [[ ${values[$key]} == "${wanted[$key]}" ]] || open=yes
  done
  if [[ ! $open ]]; then
    say "the stack has $* already"
    return
  fi
  while read -r key; do
    if [[ ${wanted[$key]+there} ]]; then
      arguments+=("ParameterKey=$key,ParameterValue=${wanted[$key]}")
    else
      arguments+=("ParameterKey=$key,UsePreviousValue=true")
    fi
  done < <(printf '%s\n' "${!values[@]}" | sort)
  capabilities=$(describe_stack 'Stacks[0].Capabilities')
  [[ $capabilities != None ]] || capabilities=CAPABILITY_IAM
  # shellcheck disable=SC2206 # one word each
  command+=(--capabilities $capabilities --parameters "${arguments[@]}")
  if [[ ! $apply ]]; then
    show aws "${command[@]}"
    return
  fi
  say "updating the stack $stack: $*"
  call_aws "${command[@]}" >/dev/null
  changed=changed
  await "$stack_timeout" stack_is_settled || die 75 \
    "the update of $stack has not ended within $stack_timeout s ($stack_status)" "run this again later"
  [[ $stack_status == UPDATE_COMPLETE ]] || die 78 "the update of $stack ended with $stack_status" \
    "'aws cloudformation describe-stack-events --stack-name $stack' shows why"
  read_site
}

# The last update: more servers, and a database that refuses to be deleted, which the installation's does not.
go_into_production() {
  local -A values
  read_parameters
  set -- WebMin="$asg_min" WebMax="$asg_max"
  [[ ! ${values[DbDeletionProtection]+there} ]] || set -- "$@" DbDeletionProtection=true
  update_stack "$@"
}

# Makes sure that there is a session cache, whether the stack makes it or was told of it.
need_session_cache() {
  local -A values
  read_parameters
  if [[ ${values[UseSessionCache]+there} ]]; then
    update_stack UseSessionCache=true
    [[ ! $apply || $(fact session-cache-endpoint) ]] || die 78 "the stack $stack does not tell its session cache" \
      "its main template has to pass on the output SessionCacheEndpoint"
  elif [[ ${values[SessionCacheEndpoint]:-} ]]; then
    say "the session cache is ${values[SessionCacheEndpoint]}"
  else
    die 78 "the stack $stack has no session cache" \
      "update it with the parameters SessionCacheEndpoint, SessionCacheEngine and SessionCacheTls"
  fi
}
