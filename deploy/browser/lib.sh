# shellcheck shell=bash
# What check.sh and images.sh need: Chromium, whose path is in $browser, and the packages of internal/tools/browser.

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
export CHROMIUM=$browser

tools=internal/tools/browser
if [[ ! -e $tools/node_modules/.package-lock.json || $tools/package-lock.json -nt $tools/node_modules/.package-lock.json ]]; then
	echo "-- npm ci in $tools"
	(cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	touch "$tools/node_modules/.package-lock.json"
fi
mkdir -p bin/screenshots
