#!/usr/bin/env bash
# What a release takes from the binary itself: completions of the shells and the schema of the configuration.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=${1:?generate.sh FOLDER}
rm -rf "$to"
mkdir -p "$to/completions"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$to/kinesis-alerter" ./cmd/kinesis-alerter
for shell in bash zsh fish; do
	"$to/kinesis-alerter" completion "$shell" >"$to/completions/kinesis-alerter.$shell"
done
"$to/kinesis-alerter" check --schema >"$to/kinesis-alerter.schema.json"
rm "$to/kinesis-alerter"
