#!/usr/bin/env bash
# Makes the pictures of the documentation, deploy/images, from `make demo` as it tells its story on a terminal: what it prints,
# and its status page when the second worker has been killed. It takes a minute and a half. Run it when the page or the
# demo looks different: go test ./deploy/images fails then.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/browser/lib.sh
. deploy/browser/lib.sh
command -v script >/dev/null || { echo "script is not on the PATH; apt-get install bsdutils" >&2; exit 1; }

go build -trimpath -o bin/demo ./cmd/demo # so that the recorded one has nothing to compile
capture=bin/screenshots/demo.txt
: >"$capture"
echo "-- make demo, on a terminal"
script --quiet --flush --return --command 'make --no-print-directory demo ARGS="--for 62s"' "$capture" >/dev/null </dev/null &
story=$!
node internal/tools/browser/images.mjs "$capture" deploy/images
wait "$story"
node internal/tools/browser/terminal.mjs "$capture" deploy/images/demo.svg '$ make demo'
go test -count=1 ./deploy/images -args -record
