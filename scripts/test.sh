#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to ctest:
#   scripts/test.sh -L unit      only the tests with the label "unit"
# MOODLE_DIRROOT names a Moodle tree for the tests that need one; without it they are skipped.
set -euo pipefail
source "$(dirname "$0")/lib/common.sh"

# The newest release that was tried; a new one brings new rules, so it is raised on purpose.
cfn_lint_version=1.58.0

install_cfn_lint() {
  local environment=$build_dir/cfn-lint-$cfn_lint_version
  export CFN_LINT=$environment/bin/cfn-lint
  if [[ ! -x $CFN_LINT ]]; then
    say "installing cfn-lint $cfn_lint_version into $environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check \
      "cfn-lint==$cfn_lint_version" >&2
  fi
}

install_missing "${build_packages[@]}" "${sandbox_packages[@]}" "${test_packages[@]}"
install_cfn_lint
build
exec ctest --test-dir "$build_dir" --output-on-failure --no-tests=error --parallel 2 "$@"
