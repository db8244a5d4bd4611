# shellcheck shell=bash disable=SC2154 # the variables of the script that sources this
# Sourced by sandbox.sh: starts servers on free loopback ports, and ends exactly those again.
# A server's pid file, RUN_DIR/NAME.pid, holds its process id and the instant it started at, so that
# another process that was given the same id later is never taken for it.

server_start_seconds=30
server_stop_seconds=15

# Prints the instant, in clock ticks since boot, at which a process that still runs was started
# (proc(5), field 22 of stat; the name in field 2 may hold blanks). A zombie counts as ended.
process_start() { # PID
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -r -a fields <<<"${stat##*) }"
  [[ ${fields[0]} != Z ]] && printf '%s\n' "${fields[19]}"
}

# Below the range that the system gives to clients, so that none takes it in between.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "$port"
      return
    fi
  done
}

# Starts `run_KIND NAME PORT` in the background and waits until `ready_KIND PORT` holds; tries other
# ports when the server ends, because someone else may have been faster. Sets $port.
start_server() { # NAME KIND
  local name=$1 kind=$2 try pid
  for try in 1 2 3 4 5; do
    port=$(free_port)
    "run_$kind" "$name" "$port" >"$run_dir/$name.log" 2>&1 </dev/null &
    pid=$!
    printf '%s %s\n' "$pid" "$(process_start "$pid")" >"$run_dir/$name.pid"
    if await_server "$pid" "ready_$kind" "$port"; then
      return
    fi
    stop_server "$run_dir/$name.pid"
  done
  cat "$run_dir/$name.log" >&2
  die "cannot start $name ($try attempts)"
}

await_server() { # PID READY PORT
  local deadline=$((SECONDS + server_start_seconds))
  while process_start "$1" >/dev/null && ((SECONDS < deadline)); do
    if "$2" "$3" && process_start "$1" >/dev/null; then
      return
    fi
    sleep 0.05
  done
  return 1
}

# Asks the process of a pid file to end, and insists when it does not. SIGINT is what makes
# PostgreSQL end its sessions; memcached takes it as well.
stop_server() { # PIDFILE
  local pid start signal deadline
  read -r pid start <"$1" || return 0
  for signal in INT KILL; do
    deadline=$((SECONDS + server_stop_seconds))
    while [[ $(process_start "$pid") == "$start" ]]; do
      if ((SECONDS >= deadline)); then
        continue 2
      fi
      if [[ $signal ]]; then
        kill -s "$signal" "$pid" 2>/dev/null || true
        signal=
      fi
      sleep 0.05
    done
    break
  done
  rm -f -- "$1"
}

# Replaces this process by a command without root rights, in a session of its own, so that Ctrl-C in
# the terminal is not meant for it.
exec_unprivileged() { # COMMAND...
  if ((EUID == 0)); then
    exec setsid setpriv --reuid "$server_user" --regid "$(id -g "$server_user")" --clear-groups "$@"
  fi
  exec setsid "$@"
}

run_memcached() { # NAME PORT
  exec_unprivileged memcached --listen=127.0.0.1 --port="$2" --udp-port=0 --memory-limit=32
}

# Sends one memcached command whose answer is one line, and prints that line.
memcached_ask() { # PORT REQUEST
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf '%s\r\n' "$2" >&3
    read -r -t 5 answer <&3
    printf '%s\n' "${answer%$'\r'}"
  ) 2>/dev/null
}

ready_memcached() { # PORT
  [[ $(memcached_ask "$1" version) == VERSION* ]]
}

run_postgres() { # NAME PORT
  exec_unprivileged "$postgres_bin/postgres" -D "$pg_dir" -p "$2" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off
}

ready_postgres() { # PORT
  "$postgres_bin/pg_isready" --quiet --host=127.0.0.1 --port="$1"
}
