# shellcheck shell=bash disable=SC2154 # the variables of base.sh and web-bootstrap.sh
# Sourced by web-bootstrap.sh: the facts, where they come from, and what they have to look like.

# By name, with _ for each dash, as in `moodle-facts --format shell`; a list has one value a line.
declare -A facts=()
region=

host_pattern='[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?'
declare -A fact_patterns=(
  [region]='[a-z]{2}(-[a-z]+)+-[0-9]'
  [site_url]="https?://$host_pattern(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*[A-Za-z0-9_~-])?"
  [moodle_url]='((https|s3|file)://|/)[!-~]+'
  [moodle_sha256]='[0-9a-f]{64}|unchecked'
  [db_host]="$host_pattern"
  [db_port]='[0-9]{1,5}'
  [db_name]='[A-Za-z_][A-Za-z0-9_-]{0,62}'
  [db_user]='[A-Za-z_][A-Za-z0-9_-]{0,62}'
  [db_secret_arn]='arn:aws[a-z-]*:secretsmanager:[A-Za-z0-9/_+=.@:!-]+'
  [db_sslmode]='disable|prefer|require|verify-full'
  [efs_id]='fs-[0-9a-f]+'
  [efs_host]="$host_pattern"
  [efs_data_access_point]='fsap-[0-9a-f]+'
  [efs_cache_access_point]='fsap-[0-9a-f]+'
  [efs_temp_access_point]='fsap-[0-9a-f]+'
  [http_listen]='([0-9]{1,3}(\.[0-9]{1,3}){3}:)?[0-9]{1,5}'
  [health_path]='/[A-Za-z0-9._~/?=&%-]*'
  [admin_secret_arn]='arn:aws[a-z-]*:secretsmanager:[A-Za-z0-9/_+=.@:!-]+'
  [admin_email]='[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+'
  [log_group_access]='[A-Za-z0-9._/#-]{1,512}'
  [log_group_error]='[A-Za-z0-9._/#-]{1,512}'
  [log_group_bootstrap]='[A-Za-z0-9._/#-]{1,512}'
)

plan_facts() {
  printf '%s\n' "keep ${facts_parameter:+the Parameter Store value $facts_parameter}${facts_file:+$facts_file} as $etc/site.facts"
}

# Fetches and validates the facts, and fills the map. Nothing is kept yet.
load_facts() {
  if [[ $facts_parameter ]]; then
    region=$region_option
    attempt "read the Parameter Store value $facts_parameter" aws_to "$work/parameter" \
      ssm get-parameter --name "$facts_parameter" --query Parameter.Value --output text
    # The AWS CLI ends the text with a line end, whether the value has one already or not.
    check_facts "the Parameter Store value $facts_parameter" - <<<"$(<"$work/parameter")"
  else
    [[ -f $facts_file ]] || die "$ex_noinput" "cannot read $facts_file: no such file"
    check_facts "$facts_file" "$facts_file" </dev/null
  fi
  fill_facts
  region=${region_option:-${facts[region]:-}}
}

# What the stack does not have stands there as an empty value; to the commands that read the file, an
# engine, say, that is empty would be a wrong one. AWS writes the load balancer's name as its stack is
# written, browsers ask for it in lower case, and Moodle redirects for ever when the two differ
# (Moodle 4.5 lib/setuplib.php, initialise_fullme).
check_facts() { # NAME FILE-OR-STDIN
  moodle-facts -f "$2" >"$work/all.facts" 2>"$work/output" ||
    die "$ex_data" "$1 does not hold facts: $(last_line "$work/output")"
  sed -E '/^[a-z][a-z0-9-]*=$/d; s,^site-url=[^:]*://[^/]*,\L&,' "$work/all.facts" >"$work/site.facts"
}

fill_facts() {
  local line name value
  facts=()
  while IFS= read -r line; do
    [[ $line != '#'* ]] || continue
    name=${line%%=*} value=${line#*=}
    name=${name//-/_}
    if [[ ${facts[$name]:-} && $value ]]; then
      facts[$name]+=$'\n'$value
    else
      facts[$name]=${facts[$name]:-}$value
    fi
  done <"$work/site.facts"
  for name in "${!fact_patterns[@]}"; do
    value=${facts[$name]:-}
    [[ ! $value || $value =~ ^(${fact_patterns[$name]})$ ]] ||
      die "$ex_data" "the fact ${name//_/-} is '${value:0:100}', which it cannot be"
  done
}

need_facts() { # NAME...
  local name
  for name in "$@"; do
    [[ ${facts[${name//-/_}]:-} ]] || die "$ex_data" "the fact $name is missing" \
      "it belongs into ${facts_parameter:-$facts_file}"
  done
}

step_facts() {
  make_folder "$etc" 0755 root:root
  make_folder "$state" 0755 root:root
  put_file "$work/site.facts" "$etc/site.facts" 0644 root:root
}
