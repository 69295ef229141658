#!/usr/bin/env bash
# The status page in a real browser: two daemons on the emulator, and Chromium looking at them on a desk, on a phone, without
# JavaScript, over a refresh and after the daemon's death. Pictures go to bin/screenshots.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/browser/lib.sh
. deploy/browser/lib.sh

echo "-- go test -tags browser -run TestBrowser ./internal/system"
version=$(git describe --tags --always --dirty 2>/dev/null || echo devel)
BROWSER_OUT=$PWD/bin/screenshots BROWSER_FOR=${BROWSER_FOR:-15s} \
	go test -tags browser -ldflags "-X kinesis-alerter/internal/daemon.version=$version" -count=1 -timeout 10m -v -run TestBrowser ./internal/system
