# shellcheck shell=bash disable=SC2154 # the variables of the script that sources this
# Sourced by sandbox.sh: writes the files of the site, and what AWS and the web server say about it.
# The variables are sandbox.sh's. No path or address in them holds a quote, a blank or a backslash.

load_balancer=Moodl-Publi-1X2Y3Z4W5V6U
load_balancer_dns=$load_balancer-1234567890.us-east-1.elb.amazonaws.com

# In the form that the reference architecture's version 1 gives it (aws-samples/aws-refarch-moodle,
# 04-web.yaml), deployed with session caching off.
write_config_php() {
  cat <<END
<?php
\$CFG = new stdClass;
\$CFG->dbtype = 'pgsql';
\$CFG->dblibrary = 'native';
\$CFG->dbhost = '127.0.0.1';
\$CFG->dbname = 'moodle';
\$CFG->dbuser = 'moodle';
\$CFG->dbpass = '$db_password';
\$CFG->prefix = 'mdl_';
\$CFG->lang = 'en';
\$CFG->dboptions = array(
  'dbpersist' => false,
  'dbsocket' => false,
  'dbport' => '$DB_PORT',
  'dbhandlesoptions' => false,
  'dbcollation' => 'utf8mb4_unicode_ci',
);
// The site's address //
\$hostname = '';
if (\$hostname == '') {
  \$hostwithprotocol = 'http://$load_balancer_dns';
}
else {
  \$hostwithprotocol = 'https://' . strtolower(\$hostname);
}
\$CFG->wwwroot = strtolower(\$hostwithprotocol);
\$CFG->sslproxy = (substr(\$hostwithprotocol,0,5)=='https' ? true : false);
// Where the data is //
\$CFG->dataroot = '$dir/data';
\$CFG->tempdir = '$dir/temp';
\$CFG->cachedir = '$dir/cache';
\$CFG->localcachedir = '$dir/local';
\$CFG->directorypermissions = 02777;
\$CFG->admin = 'admin';
// Sessions //
\$CFG->dbsessions = true;
\$SessionEndpoint = '';
if (\$SessionEndpoint != '') {
  \$CFG->dbsessions = false;
  \$CFG->session_handler_class = '\core\session\memcached';
  \$CFG->session_memcached_save_path = \$SessionEndpoint;
  \$CFG->session_memcached_prefix = 'memc.sess.key.';
  \$CFG->session_memcached_acquire_lock_timeout = 120;
  \$CFG->session_memcached_lock_expire = 7100;
  \$CFG->session_memcached_lock_retry_sleep = 150;
}
//\$CFG->debug = (E_ALL | E_STRICT);   // not on a production server
require_once(__DIR__ . '/lib/setup.php');
// The end //
?>
END
}

# Just enough of a web tree for the commands to see which Moodle it is, and which
# stores and session handlers it has.
write_placeholder_tree() {
  local part
  for part in lib/setup.php cache/stores/{file,memcached,redis,session,static}/lib.php \
    lib/classes/session/{database,file,memcached,redis}.php; do
    mkdir -p "$dir/html/${part%/*}"
    printf '<?php\n// A placeholder of the sandbox: says that this site has this file of Moodle.\n' \
      >"$dir/html/$part"
  done
  cat >"$dir/html/version.php" <<'END'
<?php
// A placeholder of the sandbox: the version that it stands for, and no Moodle.
defined('MOODLE_INTERNAL') || die();
$version  = 2022112810.00;
$release  = '4.1.10 (Build: 20240422)';
$branch   = '401';
$maturity = MATURITY_STABLE;
END
  mkdir -p "$dir/data/muc"
  cp "$top/tests/fixtures/muc/moodle-4.1-before.php" "$dir/data/muc/config.php"
}

# Prints one stack as describe-stacks shows it: NAME, then OUTPUT=VALUE... A nested stack names its root.
stack_json() {
  local name=$1 id='arn:aws:cloudformation:us-east-1:123456789012:stack/' separator='' output
  shift
  printf '    {\n      "StackId": "%s%s/%s",\n' "$id" "$name" 5f0e2c10-0000-4000-8000-000000000000
  if [[ $name == Moodle-* ]]; then
    printf '      "RootId": "%sMoodle/%s",\n' "$id" 5f0e2c10-0000-4000-8000-000000000000
  fi
  printf '      "StackName": "%s",\n      "CreationTime": "2024-05-02T08:00:00.000Z",\n' "$name"
  printf '      "StackStatus": "CREATE_COMPLETE",\n      "Outputs": ['
  for output in "$@"; do
    printf '%s\n        {"OutputKey": "%s", "OutputValue": "%s"}' \
      "$separator" "${output%%=*}" "${output#*=}"
    separator=,
  done
  printf '\n      ]\n    }'
}

# What `aws cloudformation describe-stacks` prints for the reference architecture: the main stack and
# the nested ones whose outputs matter here.
write_stacks_json() {
  printf '{\n  "Stacks": [\n'
  stack_json Moodle "DnsName=$load_balancer_dns"
  printf ',\n'
  stack_json Moodle-publicalb-2W3E4R5T6Y7U "PublicAlbDnsName=$load_balancer_dns" \
    "PublicAlbFullName=app/$load_balancer/50dc6c495c0c9188" "PublicAlbHostname=http://$load_balancer_dns"
  printf ',\n'
  stack_json Moodle-applicationcache-1Q2W3E4R5T6Y \
    "ElastiCacheClusterEndpointAddress=127.0.0.1:$APP_CACHE_PORT"
  printf ',\n'
  stack_json Moodle-sessioncache-6Y5T4R3E2W1Q \
    "ElastiCacheClusterEndpointAddress=127.0.0.1:$SESSION_CACHE_PORT"
  printf ',\n'
  stack_json Moodle-rds-7U8I9O0P1A2S DatabaseName=moodle \
    DatabaseClusterEndpointAddress=127.0.0.1 "DatabaseClusterEndpointPort=$DB_PORT"
  printf '\n  ]\n}\n'
}

# Prints one interface as describe-network-interfaces shows it: ID ADDRESS ZONE DESCRIPTION
interface_json() {
  printf '    {\n      "AvailabilityZone": "%s",\n      "Description": "%s",\n' "$3" "$4"
  printf '      "InterfaceType": "interface",\n      "NetworkInterfaceId": "%s",\n' "$1"
  printf '      "PrivateIpAddress": "%s",\n' "$2"
  printf '      "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": "%s"}],\n' "$2"
  printf '      "Status": "in-use"\n    }'
}

write_interfaces_json() {
  printf '{\n  "NetworkInterfaces": [\n'
  interface_json eni-00000000000000001 "$ALB_IP_A" us-east-1a \
    "ELB app/$load_balancer/50dc6c495c0c9188"
  printf ',\n'
  interface_json eni-00000000000000002 "$ALB_IP_B" us-east-1b \
    "ELB app/$load_balancer/50dc6c495c0c9188"
  printf ',\n'
  interface_json eni-00000000000000003 10.0.3.9 us-east-1a \
    "EFS mount target for fs-0123456789abcdef0 (fsmt-0123456789abcdef0)"
  printf '\n  ]\n}\n'
}

# One line of Apache's combined format: ADDRESS REQUEST STATUS AGENT
log_line() {
  printf '%s - - [%s] "%s" %s 512 "-" "%s"\n' "$1" "$(LC_ALL=C date '+%d/%b/%Y:%H:%M:%S %z')" \
    "$2" "$3" "$4"
}

# The load balancer's two nodes ask after the server's health; one of them passes on the browser's
# request that created the tables, and the other one the browser's next request.
write_access_log() {
  local checker='ELB-HealthChecker/2.0'
  local browser='Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
  log_line "$ALB_IP_A" 'GET /login/index.php HTTP/1.1' 200 "$checker"
  log_line "$ALB_IP_B" 'GET /login/index.php HTTP/1.1' 200 "$checker"
  log_line "$BROWSER_IP" 'GET /admin/index.php?sessionstarted=1&lang=en HTTP/1.1' 200 "$browser"
  log_line "$ALB_IP_A" 'GET /login/index.php HTTP/1.1' 200 "$checker"
}
