# shellcheck shell=bash disable=SC2154 # the variables of base.sh and facts.sh
# Sourced by web-bootstrap.sh: Moodle's code and its plugins.
#
# Code comes whole: it is unpacked beside, checked, and moved into place by one rename. Code that is
# there is never replaced by other code, which would be an upgrade of one server among many: that
# wants new servers, all of them. $state/code has a file for each archive that was installed.

staging=$www/.staging
code_state=$state/code

plan_code() {
  printf 'unpack %s into %s\n' "${facts[moodle_url]:-(nothing: the code has to be there)}" "$html"
}

# Where the web server's files are: Moodle 5.1 moved them to public/.
web_root() {
  if [[ -f $html/public/lib/setup.php ]]; then
    printf '%s' "$html/public"
  else
    printf '%s' "$html"
  fi
}

step_code() {
  clear_staging
  make_folder "$code_state" 0755 root:root
  local url=${facts[moodle_url]:-} sum=${facts[moodle_sha256]:-}
  if [[ ! $url ]]; then
    [[ -f $html/version.php || -f $html/public/version.php ]] ||
      die "$ex_data" "there is no Moodle in $html, and the fact moodle-url names none"
    say "using the Moodle that is in $html"
    return
  fi
  [[ $sum ]] || die "$ex_data" "the fact moodle-sha256 is missing" \
    "it is the archive's SHA-256; 'unchecked' takes whatever the URL gives"
  if [[ -e $html ]]; then
    same_source moodle "$url" "$sum" || die "$ex_config" \
      "the Moodle in $html is not the one from $url (SHA-256 $sum)" \
      "start a new web server for another Moodle; $html is left as it is"
    return
  fi
  unpack_archive "$url" "$sum"
  [[ -f $unpacked/lib/setup.php || -f $unpacked/public/lib/setup.php ]] ||
    die "$ex_data" "$url holds no Moodle: there is no lib/setup.php in it"
  install_code moodle "$url" "$html"
  changed "installed Moodle from $url"
}

plan_plugins() {
  local entry
  while read -r entry; do
    printf 'install the plugin %s\n' "${entry:-list, which is empty}"
  done <<<"${facts[plugin]:-}"
}

# Each plugin is a fact "plugin=FOLDER URL SHA256".
step_plugins() {
  local entry folder url sum rest
  make_folder "$code_state" 0755 root:root
  clear_staging
  while read -r folder url sum rest; do
    [[ $folder ]] || continue
    entry="plugin=$folder $url $sum"
    [[ $url && $sum && ! $rest && $folder =~ ^[a-z][a-z0-9]*(/[a-z][a-z0-9_]*)+$ &&
      $url =~ ^(${fact_patterns[moodle_url]})$ && $sum =~ ^[0-9a-f]{64}$ ]] ||
      die "$ex_data" "the fact '$entry $rest' is not FOLDER URL SHA256"
    install_plugin "$folder" "$url" "$sum"
  done <<<"${facts[plugin]:-}"
}

install_plugin() { # FOLDER URL SHA256
  local root record=plugin-${1//\//+}
  root=$(web_root)
  php -n "$parts/plugin-folders.php" "$root" "${1%/*}" ||
    die "$ex_data" "the plugin $1: this Moodle has no plugins in ${1%/*}/"
  if [[ -e $root/$1 ]]; then
    same_source "$record" "$2" "$3" || die "$ex_config" \
      "the plugin in $root/$1 is not the one from $2 (SHA-256 $3)" \
      "start a new web server for another version; the folder is left as it is"
    return
  fi
  unpack_archive "$2" "$3"
  [[ -f $unpacked/version.php ]] || die "$ex_data" "$2 holds no plugin: there is no version.php in it"
  install_code "$record" "$2" "$root/$1"
  changed "installed the plugin $1 from $2"
}

# Whether the code that is there was installed from this; "unchecked" is content with the same URL.
same_source() { # RECORD URL SHA256
  local url sum
  { read -r sum url <"$code_state/$1"; } 2>/dev/null || return
  [[ $sum == "$3" || ($3 == unchecked && $url == "$2") ]]
}

# The record first: while the code is not in place it says nothing, and then it is there.
install_code() { # RECORD URL TARGET
  printf '%s %s\n' "$archive_sum" "$2" >"$work/record"
  put_file "$work/record" "$code_state/$1" 0644 root:root
  chown -hR root:root -- "$unpacked"
  chmod -R u=rwX,go=rX -- "$unpacked"
  sync -f -- "$unpacked"
  mv -T -- "$unpacked" "$3"
  clear_staging
}

clear_staging() { rm -rf --one-file-system -- "$staging"; }

# Fetches, checks and unpacks; $unpacked is then the archive's one folder, on the code's file system, and
# $archive_sum its SHA-256.
unpack_archive() { # URL SHA256
  local archive=$staging/archive entries
  clear_staging
  mkdir -m 0700 -- "$staging" "$staging/tree"
  attempt "download $1" download "$1" "$archive"
  archive_sum=$(sha256sum <"$archive")
  archive_sum=${archive_sum%% *}
  if [[ $2 == unchecked ]]; then
    warn "$1 is not checked; its SHA-256 is $archive_sum"
  elif [[ $archive_sum != "$2" ]]; then
    clear_staging
    die "$ex_data" "the SHA-256 of $1 is $archive_sum, not $2"
  fi
  if [[ $(head -c 4 "$archive") == $'PK\x03\x04' ]]; then
    logged unzip -q "$archive" -d "$staging/tree" || die "$ex_data" \
      "cannot unpack $1: $(last_line "$work/output")"
  else
    logged tar -xf "$archive" -C "$staging/tree" --no-same-owner --no-same-permissions ||
      die "$ex_data" "cannot unpack $1: $(last_line "$work/output")"
  fi
  mapfile -t entries < <(ls -A -- "$staging/tree")
  unpacked=$staging/tree/${entries[0]:-}
  [[ ${#entries[@]} == 1 && -d $unpacked && ! -L $unpacked ]] ||
    die "$ex_data" "$1 does not hold one folder but ${#entries[@]} entries"
}

download() { # URL FILE
  case $1 in
    s3://*) logged aws --region "$region" s3 cp --only-show-errors "$1" "$2" ;;
    https://*)
      logged curl -fsSL --proto '=https' --connect-timeout 20 --max-time 1800 -o "$2" -- "$1"
      ;;
    http://*) echo 'it is not fetched over plain http' >"$work/output" && return "$ex_data" ;;
    *)
      local path=${1#file://}
      [[ -f $path ]] || { echo 'no such file' >"$work/output" && return "$ex_noinput"; }
      logged cp -- "$path" "$2"
      ;;
  esac
}
