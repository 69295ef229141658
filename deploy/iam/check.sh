#!/usr/bin/env bash
# Looks up the actions of all policies in AWS' service authorization reference, as an npm package has it. That they are the
# ones which the daemon calls is TestE2EPolicyIsWhatIsCalled (make e2e); that the Terraform module has the same ones is in
# deploy/terraform/check.sh.
# Needs node (>= 20) with npm.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
	echo "skipped: $1"
	[[ ${CI:-} == true ]] && exit 1
	exit 77
}
say() { printf -- '-- %s\n' "$*"; }

command -v npm >/dev/null || skip "npm is not installed; install node 20 or newer"

say "npm ci: iam-floyd"
(cd internal/tools/iam && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
say "the actions exist"
node internal/tools/iam/actions.mjs deploy/iam/*.json deploy/terraform/iam.tf
