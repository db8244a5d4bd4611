# shellcheck shell=bash disable=SC2154 # the variables of base.sh, facts.sh, packages.sh and config.sh
# Sourced by web-bootstrap.sh: Apache, PHP-FPM and cron.

pool_socket=/run/php/moodle.sock
fpm_folder=/etc/php/$php/fpm

plan_web() { printf 'configure Apache and PHP-FPM for %s\n' "$html"; }

step_web() {
  write_php_settings
  write_pool
  write_apache
  write_cron
}

write_php_settings() {
  local sapi
  cat >"$work/php.ini" <<END
; What Moodle asks for beyond PHP's defaults. OPcache has a file of its own.
max_input_vars = 5000
memory_limit = 256M
upload_max_filesize = 100M
post_max_size = 110M
END
  for sapi in fpm cli; do
    put_file "$work/php.ini" "/etc/php/$php/$sapi/conf.d/90-moodle.ini" 0644 root:root
  done
}

# As many children as three quarters of the memory hold, at 96 MiB each.
pool_size() {
  local kib size
  kib=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
  size=$((${kib:-1048576} * 3 / 4 / 98304))
  printf '%s' "$((size < 4 ? 4 : size > 400 ? 400 : size))"
}

write_pool() {
  local size
  size=$(pool_size)
  cat >"$work/pool" <<END
[global]
; A reload lets requests end that take no longer; those that come meanwhile wait. Without it, it cuts them off.
process_control_timeout = 10s

[moodle]
user = www-data
group = www-data
listen = $pool_socket
listen.owner = www-data
listen.group = www-data
listen.mode = 0600
pm = dynamic
pm.max_children = $size
pm.start_servers = $((size / 4))
pm.min_spare_servers = $((size / 8 > 0 ? size / 8 : 1))
pm.max_spare_servers = $((size / 2))
pm.max_requests = 5000
catch_workers_output = yes
END
  put_file "$work/pool" "$fpm_folder/pool.d/moodle.conf" 0644 root:root
  remove_file "$fpm_folder/pool.d/www.conf"
  if [[ ! $efs_dir ]]; then
    [[ -d $unit_folder/php$php-fpm.service.d ]] || mkdir -p "$unit_folder/php$php-fpm.service.d"
    printf '[Unit]\nRequiresMountsFor=%s/data %s/cache %s/temp\n' "$www" "$www" "$www" >"$work/drop-in"
    put_file "$work/drop-in" "$unit_folder/php$php-fpm.service.d/moodle.conf" 0644 root:root
  fi
}

write_apache() {
  local root module
  root=$(web_root)
  for module in mpm_event proxy proxy_fcgi setenvif headers dir; do
    if [[ ! -e /etc/apache2/mods-enabled/$module.load ]]; then
      logged a2enmod -q "$module" || die "$ex_config" \
        "cannot enable Apache's module $module: $(last_line "$work/output")"
      changed "enabled Apache's module $module"
    fi
  done
  if [[ ${facts[http_listen]:-80} != 80 ]]; then
    printf 'Listen %s\n' "${facts[http_listen]}" >"$work/ports"
    put_file "$work/ports" /etc/apache2/ports.conf 0644 root:root
  fi
  generate_site "$root" >"$work/site"
  put_file "$work/site" /etc/apache2/sites-available/moodle.conf 0644 root:root
  remove_file /etc/apache2/sites-enabled/000-default.conf
  if [[ ! -e /etc/apache2/sites-enabled/moodle.conf ]]; then
    ln -sfT ../sites-available/moodle.conf /etc/apache2/sites-enabled/moodle.conf
    changed 'enabled the site moodle'
  fi
  logged apache2ctl configtest ||
    die "$ex_config" "Apache does not take its configuration: $(last_line "$work/output")"
}

# REMOTE_ADDR stays the load balancer's (no mod_remoteip): it is what Moodle compares with lastip, and
# the first field of the access log says the same, which is what moodle-lastip reads.
generate_site() { # ROOT
  local router='' address=${facts[http_listen]:-80}
  [[ $address == *:* ]] || address="*:$address"
  [[ ! -f $1/r.php ]] || router=$'\n    FallbackResource /r.php'
  cat <<END
<VirtualHost $address>
  ServerName localhost
  DocumentRoot $1
  ServerSignature Off
  ErrorLog \${APACHE_LOG_DIR}/error.log
  CustomLog \${APACHE_LOG_DIR}/access.log combined

  <Directory $1>
    Options -Indexes -MultiViews +SymLinksIfOwnerMatch
    AllowOverride None
    AcceptPathInfo On
    DirectoryIndex index.php index.html$router
    Require all granted
  </Directory>

  <FilesMatch "\.php$">
    SetHandler "proxy:unix:$pool_socket|fcgi://moodle"
  </FilesMatch>
  # The browser does not choose the proxy of Moodle's own requests (CVE-2016-5385).
  RequestHeader unset Proxy early
  # What only developers need, by the file's name: what a course's own files are called does not count.
  <FilesMatch "^(\.|composer\.|package\.json$|npm-shrinkwrap\.json$|Gruntfile\.js$|phpunit\.xml|behat\.yml|upgrade\.txt$|.*\.md$|install\.xml$|environment\.xml$)">
    Require all denied
  </FilesMatch>
  <DirectoryMatch "^$1/(.*/)?(\.[^/]*|vendor|node_modules)(/|$)">
    Require all denied
  </DirectoryMatch>
  # Longer than the load balancer keeps an idle connection (120 s, see alb.yaml): else it would use one
  # that Apache is closing, and answer 502.
  KeepAlive On
  KeepAliveTimeout 130
  MaxKeepAliveRequests 0
</VirtualHost>
END
}

# Every server runs it: Moodle's own locks give each task to one of them.
write_cron() {
  local cron=$html/admin/cli/cron.php
  [[ -f $cron ]] || cron=$html/public/admin/cli/cron.php
  cat >"$work/cron" <<END
# Written by moodle-aws-toolkit.
* * * * * www-data [ -f $cron ] && /usr/bin/php $cron >/dev/null
END
  put_file "$work/cron" /etc/cron.d/moodle 0644 root:root
}

plan_serve() { printf 'start or reload PHP-FPM and Apache on %s\n' "${facts[http_listen]:-80}"; }

# What the running servers were started or reloaded with; it goes with the next boot.
served_record=/run/moodle-aws-toolkit/served

served_files() {
  find "$fpm_folder" "/etc/php/$php/mods-available" /etc/apache2 "$config" -type f | LC_ALL=C sort
}

step_serve() {
  local fingerprint fresh=
  fingerprint=$(served_files | xargs -d '\n' sha256sum | sha256sum | cut -d ' ' -f 1)
  [[ $(cat "$served_record" 2>/dev/null || true) == "$fingerprint" ]] || fresh=yes
  if has_systemd; then
    [[ ! $fresh ]] || systemctl daemon-reload
    logged systemctl unmask --runtime apache2.service || true
  fi
  serve "php$php-fpm" "/run/php/php$php-fpm.pid" php-fpm "$fresh"
  serve apache2 /run/apache2/apache2.pid apache2 "$fresh"
  if [[ $fresh ]]; then
    printf '%s\n' "$fingerprint" >"$work/served"
    put_file "$work/served" "$served_record" 0644 root:root
  fi
}

serve() { # SERVICE PIDFILE PROGRAM RELOAD
  local verb=
  if ! is_running "$2" "$3"; then
    verb=start
  elif [[ $4 ]]; then
    verb=reload
  fi
  if has_systemd && ! systemctl -q is-enabled "$1" 2>/dev/null; then
    logged systemctl enable "$1" || warn "cannot enable $1: $(last_line "$work/output")"
  fi
  [[ $verb ]] || return 0
  if has_systemd; then
    logged systemctl "$verb" "$1" || die "$ex_unavailable" "cannot $verb $1: $(last_line "$work/output")" \
      "journalctl -u $1 says more"
  else
    logged service "$1" "$verb" || die "$ex_unavailable" "cannot $verb $1: $(last_line "$work/output")"
  fi
  changed "$verb of $1"
}

# A process id that was given to another program since does not count.
is_running() { # PIDFILE PROGRAM
  local pid
  pid=$(cat "$1" 2>/dev/null) && [[ $pid && $(cat "/proc/$pid/comm" 2>/dev/null) == "$2"* ]]
}

plan_check() { printf 'ask this server for %s\n' "${facts[health_path]:-/}"; }

step_check() {
  local listen=${facts[http_listen]:-80}
  [[ $listen == *:* ]] || listen=127.0.0.1:$listen
  attempt "get a page from this server" ask_page "http://$listen${facts[health_path]:-/}"
  say "this server answers with $(<"$work/page-status")"
}

# As the load balancer judges it: anything from 200 to 399. The Host is the site's, as in its requests.
ask_page() { # URL
  local host=${facts[site_url]#*://}
  curl -sS --noproxy '*' --max-time 30 -o /dev/null -w '%{http_code}\n' -H "Host: ${host%%/*}" \
    "$1" >"$work/page-status" 2>"$work/output" || return "$ex_unavailable"
  if [[ $(<"$work/page-status") != [23]?? ]]; then
    printf 'it answers with status %s\n' "$(<"$work/page-status")" >"$work/output"
    return "$ex_unavailable"
  fi
}
