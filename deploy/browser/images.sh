#!/usr/bin/env bash
# Makes the README's pictures, deploy/images: the status page after a quarter of an hour of work, and what `make demo` prints.
# Run it when the page or the demo looks different; it takes 17 minutes. FOR=1m is enough to try it.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v script >/dev/null || { echo "script is not on the PATH; apt-get install bsdutils" >&2; exit 1; }
mkdir -p deploy/images bin/screenshots
BROWSER_FOR=${FOR:-15m} BROWSER_IMAGES=$PWD/deploy/images deploy/browser/check.sh

# The demo writes to a terminal what it writes to nothing else, so it gets one. One record in a hundred alerts, by chance: a
# run with two or three e-mails fits a page.
for _ in {1..10}; do
	echo "-- make demo, on a terminal"
	script --quiet --return --command 'make --no-print-directory demo ARGS="--for 20s --rate 15"' bin/screenshots/demo.txt >/dev/null </dev/null
	emails=$(grep -c 'Subject:' bin/screenshots/demo.txt || true)
	if ((emails >= 2 && emails <= 3)); then
		break
	fi
done
echo "-- deploy/images/demo.png, $emails e-mails"
node internal/tools/browser/terminal.mjs bin/screenshots/demo.txt deploy/images/demo.png '$ make demo'
