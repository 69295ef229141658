#!/usr/bin/env bash
# The status page in a real browser: two daemons on the emulator, and Chromium looking at them on a desk, on a phone, without
# JavaScript, over a refresh and after the daemon's death. Pictures go to bin/screenshots.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
	if [[ ${CI:-} == true ]]; then
		echo "failed: $1" >&2
		exit 1
	fi
	echo "skipped: $1"
	exit 77
}

browser=${CHROMIUM:-}
for candidate in chromium chromium-browser google-chrome; do
	if [[ -z $browser ]]; then
		browser=$(command -v "$candidate" || true)
	fi
done
[[ -n $browser ]] || skip "no Chromium; apt-get install chromium, or set CHROMIUM to the path of one"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	skip "node and npm are not on the PATH; apt-get install nodejs npm"
fi
echo "-- $("$browser" --version --no-sandbox 2>/dev/null | head -n 1), node $(node --version)"

tools=internal/tools/browser
if [[ ! -e $tools/node_modules/.package-lock.json || $tools/package-lock.json -nt $tools/node_modules/.package-lock.json ]]; then
	echo "-- npm ci in $tools"
	(cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	touch "$tools/node_modules/.package-lock.json"
fi

mkdir -p bin/screenshots
echo "-- go test -tags browser -run TestBrowser ./internal/system"
version=$(git describe --tags --always --dirty 2>/dev/null || echo devel)
CHROMIUM=$browser BROWSER_OUT=$PWD/bin/screenshots BROWSER_FOR=${BROWSER_FOR:-15s} BROWSER_IMAGES=${BROWSER_IMAGES:-} \
	go test -tags browser -ldflags "-X kinesis-alerter/internal/daemon.version=$version" -count=1 -timeout 40m -v -run TestBrowser ./internal/system
