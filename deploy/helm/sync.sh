#!/usr/bin/env bash
# The chart carries copies of the rules and of the dashboard, because Helm reads nothing outside of a chart. check.sh compares them.
set -euo pipefail
cd "$(dirname "$0")/.." && cp prometheus/rules.yaml helm/kinesis-alerter/files/rules.yaml && cp grafana/kinesis-alerter.json helm/kinesis-alerter/files/dashboard.json
