#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to ctest:
#   scripts/test.sh -L unit      only the tests with the label "unit"
# MOODLE_DIRROOT names a Moodle tree for the tests that need one; without it they are skipped.
set -euo pipefail
source "$(dirname "$0")/lib/common.sh"

# The newest releases that were tried; a new one brings new rules, so they are raised on purpose.
cfn_lint_version=1.58.0
discovery_client_version=1.0.0

# Installs one package of PyPI into an environment of its own, and prints that.
python_environment() {
  local package=$1 version=$2
  local environment=$build_dir/$package-$version
  if [[ ! -e $environment/complete ]]; then
    say "installing $package $version into $environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "$package==$version" >&2
    touch "$environment/complete"
  fi
  echo "$environment"
}

install_missing "${build_packages[@]}" "${sandbox_packages[@]}" "${package_packages[@]}" \
  "${test_packages[@]}"
CFN_LINT=$(python_environment cfn-lint "$cfn_lint_version")/bin/cfn-lint
# A client for ElastiCache's auto discovery that others wrote, to compare ours with.
DISCOVERY_CLIENT=$(python_environment elasticache-auto-discovery "$discovery_client_version")/bin/python
export CFN_LINT DISCOVERY_CLIENT
build all
exec ctest --test-dir "$build_dir" --output-on-failure --no-tests=error --parallel 2 "$@"
