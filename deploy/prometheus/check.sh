#!/usr/bin/env bash
# The rules, their tests and runbooks, the example configurations, and what a running daemon serves.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in promtool amtool curl go; do
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: $tool is not on the PATH; Debian has it in prometheus, prometheus-alertmanager, curl or golang"
		exit 77
	fi
done

here=deploy/prometheus
scratch=$(mktemp -d)
demo=
# The demo is asked to end first, so that it ends its emulator in order.
cleanup() {
	if [[ -n $demo ]]; then
		kill "$demo" 2>/dev/null || true
		wait "$demo" 2>/dev/null || true
	fi
	rm -rf "$scratch"
}
trap cleanup EXIT

echo "-- promtool check config prometheus.yaml, with the rules that it names"
promtool check config "$here/prometheus.yaml"

echo "-- promtool test rules, $(grep -c '^  - name: ' "$here"/*.test.yaml | awk -F: '{ n += $2 } END { print n }') situations"
promtool test rules "$here"/*.test.yaml

echo "-- amtool check-config alertmanager.example.yaml"
amtool check-config "$here/alertmanager.example.yaml"

echo "-- alerts, runbooks, tests and metrics fit together"
go test -count=1 "./$here"

echo "-- promtool check metrics, on a running daemon"
go build -trimpath -o "$scratch/demo" ./cmd/demo
"$scratch/demo" >"$scratch/demo.out" 2>&1 &
demo=$!
url=
for _ in $(seq 100); do
	url=$(awk '$1 == "page" { print $2 "metrics"; exit }' "$scratch/demo.out")
	if [[ -n $url ]] && curl -sf "$url" | grep -q '^kinesis_alerter_shard_lag_seconds'; then
		break
	fi
	kill -0 "$demo" 2>/dev/null || { cat "$scratch/demo.out" >&2; exit 1; }
	sleep 0.2
done
curl -sSf "$url" >"$scratch/metrics"
grep -c '^kinesis_alerter_' "$scratch/metrics" | awk '$1 < 100 { print "only " $1 " series of the daemon"; exit 1 } { print $1 " series of the daemon" }'
promtool check metrics <"$scratch/metrics"
