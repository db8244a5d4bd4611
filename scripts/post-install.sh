#!/usr/bin/env bash
# Takes a site from "the stack is created" to production, from a bastion host or any machine that has
# moodle-facts and the AWS CLI with credentials. It needs no way to the site itself: what has to be done
# on a web server is done there by Run Command, with the documents of the site's stack.
#
#   post-install.sh --stack-name NAME --web-asg-min N --web-asg-max N [--apply] [OPTION]...
#
# Without --apply nothing is changed anywhere, and nothing is run on a server: it reads what AWS tells,
# says on standard error what it found and what each step is for, and prints the commands on standard
# output. With --apply it runs them, and prints the facts of the site, with post-install-result=changed
# or unchanged. Run again, it goes on where it was stopped; a site in production stays as it is.
#
# The steps, and why they are in this order:
#  1. Wait until the installation wizard has finished, and keep lastip right meanwhile. The load
#     balancer's addresses are read again every few minutes.
#  2. Configure the application cache: the first server writes Moodle's cache configuration, which all share;
#     then each server reloads PHP unless it has done so since.
#  3. If there is no session cache yet, update the stack to have one, and nothing else. From now on a new
#     server comes up with its sessions there; but the installation left the site with one server, so
#     there is no second one that has them elsewhere.
#  4. Switch the sessions of all servers that run. First one; when that worked, the others in batches.
#     The first server that fails ends it. Everybody has to log in again, once. Servers that came up
#     meanwhile are done, too, until there is none left.
#  5. Only now update the stack to the wanted number of servers: those that come agree with those that are.
#     The same update protects the stack's database from deletion.
# So at no time do two servers disagree about where sessions live, except, when several run at step 4,
# from the first one's switch to the last one's. A larger --batch makes that shorter.
#
# Options:
#   --stack-name NAME         the main stack, which 'moodle-stack generate' made
#   --web-asg-min N           the wanted least number of web servers in production, from 1 to 100
#   --web-asg-max N           the wanted greatest number
#   --apply                   do it
#   --config FILE             config.php on the web servers (/var/www/moodle/html/config.php)
#   --access-log FILE         the web servers' log (/var/log/apache2/access.log)
#   --document-prefix PREFIX  the documents are PREFIX-fix-lastip, PREFIX-configure-muc and
#                             PREFIX-switch-sessions (default: what the stack tells)
#   --region REGION           (default: the AWS CLI's)
#   --batch N                 how many servers to switch at a time, from 1 to 50 (10)
#   --install-timeout S       how long to wait for the wizard, in seconds (7200)
#   --command-timeout S       how long a document may take on its servers, at least 60 (900)
#   --stack-timeout S         how long an update of the stack may take (3600)
#   --poll S                  the first interval of asking AWS again; it grows to ten times that (2)
#   -h, --help                show this
#
# The bastion's own role may do all of this but step 3 and 5: updating a stack takes the rights to
# everything in it. Run it with credentials that have them (AWS_PROFILE), or run the printed command.
#
# Exit status: 0 done or already so; 64 usage; 65 what AWS said makes no sense; 66 there is no such
# stack; 69 AWS, or a server, does not answer; 75 not yet, try again; 77 the credentials do not allow it;
# 78 the stack is not in a state for this. A document that fails on a server ends this script with the
# document's status.
set -euo pipefail
shopt -s inherit_errexit
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
source "$here/post-install/aws.sh"
source "$here/post-install/documents.sh"
source "$here/post-install/stack.sh"

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

stack=
asg_min=
asg_max=
apply=
config=/var/www/moodle/html/config.php
access_log=/var/log/apache2/access.log
prefix=
batch=10
install_timeout=7200
command_timeout=900
stack_timeout=3600
poll=2

# Sets a variable to an option's value if the whole of it fits.
take() { # VARIABLE PATTERN OPTION [VALUE]
  (($# > 3)) || die 64 "the value of $3 is missing" "'$program --help' shows what it takes"
  [[ $4 =~ ^($2)$ ]] || die 64 "$(printf '%q' "$4") is not a value for $3" "'$program --help' shows what it takes"
  printf -v "$1" %s "$4"
}

# The patterns of paths are those of the documents' parameters.
path='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+'
seconds='[1-9][0-9]{0,5}'
while (($# > 0)); do
  case $1 in
    --stack-name) take stack '[A-Za-z][A-Za-z0-9-]{0,127}' "${@:1:2}" ;;
    --web-asg-min) take asg_min '[1-9][0-9]?|100' "${@:1:2}" ;;
    --web-asg-max) take asg_max '[1-9][0-9]?|100' "${@:1:2}" ;;
    --config) take config "$path/config\\.php" "${@:1:2}" ;;
    --access-log) take access_log "$path" "${@:1:2}" ;;
    --document-prefix) take prefix '[A-Za-z0-9_.-]{1,110}' "${@:1:2}" ;;
    --region) take AWS_DEFAULT_REGION '[a-z]{2}(-[a-z0-9]+)+' "${@:1:2}" && export AWS_DEFAULT_REGION AWS_REGION=$2 ;;
    --batch) take batch '[1-9]|[1-4][0-9]|50' "${@:1:2}" ;;
    --install-timeout) take install_timeout "$seconds" "${@:1:2}" ;;
    --command-timeout) take command_timeout '[6-9][0-9]|[1-9][0-9]{2,4}' "${@:1:2}" ;;
    --stack-timeout) take stack_timeout "$seconds" "${@:1:2}" ;;
    --poll) take poll '0\.[0-9]{0,2}[1-9]|[1-9][0-9]{0,2}(\.[0-9]{1,3})?' "${@:1:2}" ;;
    --apply) apply=yes ;;
    -h | --help)
      usage
      exit
      ;;
    *) die 64 "unknown option $(printf '%q' "$1")" "'$program --help' shows what it takes" ;;
  esac
  [[ $1 == --apply ]] || shift
  shift
done
[[ $stack ]] || die 64 "the stack is missing" "name it with --stack-name"
[[ $asg_min && $asg_max ]] || die 64 "the wanted number of web servers is missing" \
  "give it with --web-asg-min and --web-asg-max"
((asg_min <= asg_max)) || die 64 "the least number of web servers, $asg_min, is above the most, $asg_max" \
  "'$program --help' shows what they are"
for needed in aws moodle-facts; do
  command -v "$needed" >/dev/null || die 78 "the command $needed is missing" \
    "install the packages moodle-aws-toolkit and awscli"
done

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
changed=

step 1 "the installation"
await_stack
read_site
finish_installation

step 2 "the application cache"
if [[ $(fact app-cache-endpoint) ]]; then
  configure_muc
else
  say "the stack has none: nothing to do"
fi

step 3 "the session cache"
need_session_cache

step 4 "the sessions"
switch_sessions

step 5 "the number of web servers"
go_into_production

if [[ $apply ]]; then
  say "done: the site is in production"
  moodle-facts -f "$work/site.facts" --set "post-install-result=${changed:-unchanged}"
else
  say "nothing was changed; --apply runs the commands above, those of a step when the one before is done"
fi
