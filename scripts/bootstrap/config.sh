# shellcheck shell=bash disable=SC2154 # the variables of base.sh, facts.sh and password.sh
# Sourced by web-bootstrap.sh: config.php.
#
# The file is this script's as long as nobody else changes it; $state/config.sha256 tells what was
# written last. The lines of moodle-session, which stand between its two comments, are not counted and
# are kept. A file that somebody changed is never overwritten.

config=$html/config.php
config_record=$state/config.sha256
session_begin='^// moodle-session: begin\.'
session_end='^// moodle-session: end\.'

plan_config() { printf 'write %s for %s\n' "$config" "${facts[site_url]:-?}"; }

# A PHP text literal.
quoted() { # TEXT
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

generate_config() {
  local setup=/lib/setup.php
  [[ -f $html/lib/setup.php ]] || setup=/public/lib/setup.php
  cat <<END
<?php
// Written by moodle-aws-toolkit from the facts in $etc/site.facts. What you change
// here stays, but from then on changed facts do not come in any more.
unset(\$CFG);
global \$CFG;
\$CFG = new stdClass();

\$CFG->dbtype = 'pgsql';
\$CFG->dblibrary = 'native';
\$CFG->dbhost = $(quoted "${facts[db_host]}");
\$CFG->dbname = $(quoted "${facts[db_name]}");
\$CFG->dbuser = $(quoted "${facts[db_user]}");
// Secrets Manager changes it by itself; a timer keeps the file up to date.
\$CFG->dbpass = (string) file_get_contents($(quoted "$password_file"));
\$CFG->prefix = 'mdl_';
\$CFG->dboptions = [
    'dbpersist' => false,
    'dbport' => $(quoted "${facts[db_port]:-5432}"),
END
  if [[ ${facts[db_sslmode]:-} ]]; then
    printf "    'ssl' => %s,\n" "$(quoted "${facts[db_sslmode]}")"
  fi
  cat <<END
];

\$CFG->wwwroot = $(quoted "${facts[site_url]}");
END
  # The load balancer ends TLS and passes the browser's Host on, so reverseproxy would be wrong: Moodle
  # refuses requests whose Host is wwwroot's then (lib/setuplib.php, initialise_fullme).
  if [[ ${facts[site_url]} == https://* ]]; then
    printf "%s\n" "\$CFG->sslproxy = true;"
  fi
  cat <<END

\$CFG->dataroot = '$www/data';
\$CFG->cachedir = '$www/cache';
\$CFG->tempdir = '$www/temp';
\$CFG->localcachedir = '$www/local';
\$CFG->directorypermissions = 02770;
\$CFG->admin = 'admin';

// The code is the same on every web server and stays so: no page changes it or names programs to run.
\$CFG->disableupdateautodeploy = true;
\$CFG->preventexecpath = true;
END
  if [[ -f $(web_root)/r.php ]]; then
    printf '%s\n' "\$CFG->routerconfigured = true;"
  fi
  printf "\nrequire_once(__DIR__ . '%s');\n" "$setup"
}

# The file without the lines of moodle-session.
without_session() { sed "\\@$session_begin@,\\@$session_end@d" "$1"; }

only_session() { sed -n "\\@$session_begin@,\\@$session_end@p" "$1"; }

checksum() { sha256sum <"$1" | cut -d ' ' -f 1; }

# Writes the wanted file with the session lines of the present one, which go before lib/setup.php.
with_session() {
  only_session "$config" >"$work/session-lines"
  sed "\\@^require_once(@{
    e cat '$work/session-lines'
  }" "$work/config.wanted"
}

step_config() {
  local recorded=
  need_facts site-url db-host db-name db-user
  [[ -d $html ]] || die "$ex_noinput" "$html is not there" "the step code makes it"
  generate_config >"$work/config.wanted"
  logged php -n -l "$work/config.wanted" ||
    die "$ex_software" "config.php would be wrong PHP: $(last_line "$work/output")"
  if [[ -f $config ]]; then
    without_session "$config" >"$work/config.present"
    recorded=$(cat -- "$config_record" 2>/dev/null || true)
    if cmp -s "$work/config.present" "$work/config.wanted"; then
      set_access "$config" 0640 root:www-data
      write_config_record
      return
    fi
    if [[ $(checksum "$work/config.present") != "$recorded" ]]; then
      if [[ $(checksum "$work/config.wanted") == "$recorded" ]]; then
        warn "somebody changed $config; it is left as it is"
        return
      fi
      die "$ex_config" "somebody changed $config, and the facts ask for other content" \
        "make both changes in it, or move it away and run this again"
    fi
    with_session >"$work/config.new"
  else
    cp -- "$work/config.wanted" "$work/config.new"
  fi
  # The part is not below the web root, where it could be asked for.
  put_file "$work/config.new" "$config" 0640 root:www-data "$www"
  write_config_record
}

# After the file: until then the present one still counts as this script's.
write_config_record() {
  checksum "$work/config.wanted" >"$work/config.sum"
  put_file "$work/config.sum" "$config_record" 0644 root:root
}
