#!/usr/bin/env bash
# The dashboard is what its program prints, decodes strictly, keeps its conventions, and every query of it has an answer from a
# real Prometheus that scrapes real daemons. It is not rendered: that needs Grafana.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in go prometheus; do
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: $tool is not on the PATH; Debian has it in golang or prometheus"
		exit 77
	fi
done

program=internal/tools/dashboard

echo "-- go vet, go mod tidy -diff and go mod verify in $program"
go vet -C "$program" ./...
go mod -C "$program" tidy -diff
go mod -C "$program" verify

echo "-- kinesis-alerter.json is what $program prints"
go run -C "$program" . | diff -u deploy/grafana/kinesis-alerter.json -

echo "-- strict decoding, validation and conventions"
go test -C "$program" -count=1 ./...

echo "-- provisioning, and every query against Prometheus $(prometheus --version 2>&1 | awk 'NR == 1 { print $3 }') and running daemons (a minute)"
go test -tags e2e -count=1 ./deploy/grafana
