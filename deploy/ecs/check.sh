#!/usr/bin/env bash
# Holds the files of deploy/ecs against the API that takes them, strictly, and against the daemon's defaults.
# Needs Go alone. Nothing is sent to AWS.
set -euo pipefail
cd "$(dirname "$0")/../../internal/tools/ecs"

say() { printf -- '-- %s\n' "$*"; }

say "go mod tidy -diff"
go mod tidy -diff
# Not from the cache: Go does not see that files outside of this module changed.
say "go test"
go test -count=1 ./...
