# shellcheck shell=bash disable=SC2154 # the variables of base.sh and facts.sh
# Sourced by web-bootstrap.sh: Apache's logs, which the CloudWatch agent sends to the site's log groups.
#
# The agent is no package of Debian's: the `web` template's user data installs it. Without it the logs
# stay on the host, and pages are served all the same.

log_agent=/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
log_agent_config=$etc/cloudwatch-agent.json

plan_logs() {
  printf "send Apache's logs to %s and %s\n" "${facts[log_group_access]:-no log group}" \
    "${facts[log_group_error]:-none}"
}

# One stream a server in each group. The names of the groups hold nothing that JSON would escape.
generate_log_agent() {
  local name separator=
  printf '{"logs": {"logs_collected": {"files": {"collect_list": ['
  for name in access error; do
    printf '%s\n  {"file_path": "/var/log/apache2/%s.log", "log_group_name": "%s", "log_stream_name": "{instance_id}"}' \
      "$separator" "$name" "${facts[log_group_$name]}"
    separator=,
  done
  printf '\n]}}}}\n'
}

step_logs() {
  [[ ${facts[log_group_access]:-} && ${facts[log_group_error]:-} ]] || return 0
  if [[ ! -x $log_agent ]]; then
    warn "the CloudWatch agent is not installed; Apache's logs stay on this host"
    return
  fi
  generate_log_agent >"$work/cloudwatch-agent.json"
  if cmp -s "$work/cloudwatch-agent.json" "$log_agent_config" && log_agent_runs; then
    return
  fi
  # It keeps a copy of what it is given. Ours comes behind: it says that the agent runs with it.
  if ! logged "$log_agent" -a fetch-config -m ec2 -s -c "file:$work/cloudwatch-agent.json"; then
    degrade "$ex_unavailable" "cannot start the CloudWatch agent: $(last_line "$work/output")"
    return
  fi
  changed "started the CloudWatch agent"
  put_file "$work/cloudwatch-agent.json" "$log_agent_config" 0644 root:root
}

log_agent_runs() { logged "$log_agent" -m ec2 -a status && grep -q '"status": *"running"' "$work/output"; }
