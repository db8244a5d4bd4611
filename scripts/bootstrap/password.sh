# shellcheck shell=bash disable=SC2154 # the variables of base.sh and facts.sh
# Sourced by web-bootstrap.sh: the database password, which Secrets Manager changes by itself.
#
# config.php reads it from a file, which a timer keeps up to date. It is in no command line, in no
# environment and in no log.

password_file=$etc/db-password
unit_folder=/etc/systemd/system

plan_password() {
  printf 'keep the password of %s in %s, with a timer\n' "${facts[db_secret_arn]:-?}" "$password_file"
}

step_password() {
  need_facts db-secret-arn region
  # The bytes of the password and no line end, because a password may end with a blank.
  read_secret "${facts[db_secret_arn]}" password "$work/password"
  put_file "$work/password" "$password_file" 0640 root:www-data
  rm -f -- "$work/password"
  write_timer
}

# A change of the password takes effect for Moodle within a minute.
write_timer() {
  cat >"$work/service" <<END
[Unit]
Description=Fetch Moodle's database password from Secrets Manager
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=$script --quiet --facts $etc/site.facts --only password
END
  cat >"$work/timer" <<END
[Unit]
Description=Keep Moodle's database password up to date

[Timer]
OnBootSec=15s
OnUnitActiveSec=60s
AccuracySec=5s

[Install]
WantedBy=timers.target
END
  local before=$changes
  [[ -d $unit_folder ]] || mkdir -p -- "$unit_folder"
  put_file "$work/service" "$unit_folder/moodle-db-password.service" 0644 root:root
  put_file "$work/timer" "$unit_folder/moodle-db-password.timer" 0644 root:root
  if has_systemd; then
    ((changes == before)) || systemctl daemon-reload
    if ! systemctl -q is-enabled moodle-db-password.timer 2>/dev/null ||
      ! systemctl -q is-active moodle-db-password.timer; then
      logged systemctl enable --now moodle-db-password.timer ||
        die "$ex_unavailable" "cannot start moodle-db-password.timer: $(last_line "$work/output")"
      changed 'started moodle-db-password.timer'
    fi
  fi
}
