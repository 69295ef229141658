#!/usr/bin/env bash
# Builds the base and the example overlay, and holds them against the APIs' schemas and the built daemon, without a
# cluster. deploy/helm/check.sh compares the base with the chart. Needs Go; a few seconds with warm caches.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=internal/tools/kubernetes/lib.sh
. internal/tools/kubernetes/lib.sh

began=$SECONDS
letters=DEAD_LETTERS=https://sqs.us-east-1.amazonaws.com/000000000000/letters
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build github.com/yannh/kubeconform/cmd/kubeconform sigs.k8s.io/kustomize/kustomize/v5 ./rendered ./schemas

say "kustomize build | kubeconform -strict"
"$bin/kustomize" build deploy/kustomize/base >"$work/base.yaml"
"$bin/kustomize" build deploy/kustomize/overlays/example >"$work/example.yaml"
conform "$work/base.yaml" "$work/example.yaml"

say "rendered manifests against the built daemon"
printf 'base: '
"$bin/rendered" -daemon "$bin/kinesis-alerter" -start <"$work/base.yaml"
printf 'overlays/example: '
"$bin/rendered" -daemon "$bin/kinesis-alerter" -env "$letters" <"$work/example.yaml"

say "what has to be refused"
sed 's/podSelector/podSelectors/' "$work/base.yaml" >"$work/broken.yaml"
refuse "additional properties 'podSelectors' not allowed" conform "$work/broken.yaml"
# What the schemas cannot see: how to break the base, and what has to be said of it.
while IFS='|' read -r edit said; do
	sed "$edit" "$work/base.yaml" >"$work/broken.yaml"
	if cmp -s "$work/base.yaml" "$work/broken.yaml"; then
		echo "$edit changes nothing" >&2
		exit 1
	fi
	refuse "$said" "$bin/rendered" -daemon "$bin/kinesis-alerter" -start <"$work/broken.yaml"
done <<'EDITS'
s/stream: {name/stream: {nam/|stream.nam: unknown
s/- run$/- run\n        - --listening/|no flag --listening
s/- --config$/- --konfig/|no ConfigMap of these manifests is mounted
s/- :9464$/- :9465/|no container port is 9465
s/containerPort: 9464/containerPort: 9465/|no container port is 9464
s/path: .healthz/path: \/metrics/|the liveness probe asks /metrics
s/port: admin/port: metrics/|the startup probe asks port metrics
s/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 25/|the grace period is not above processing.stop_budget, 25s
s/runAsUser: 65532/runAsUser: 0/|not runAsNonRoot with the user 65532
s/type: RuntimeDefault/type: Unconfined/|seccomp is not RuntimeDefault
s/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/|the root file system can be written
s/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/|privileges can be escalated
s/- ALL$/- NET_RAW/|not all capabilities are dropped
s/automountServiceAccountToken: false/automountServiceAccountToken: true/|automountServiceAccountToken is not false
s/memory: 512Mi/cpu: 1/|no memory limit
s/maxUnavailable: 0/maxUnavailable: 1/|the strategy is not maxSurge 1, maxUnavailable 0
s/serviceAccountName: .*/serviceAccountName: other/|ServiceAccount kinesis-alerter is not that of the pods
s/port: 9464$/port: 443/|does not open the admin port alone
s/- from:$/- to:/|lets everybody in
EDITS
# The chart's checks of the other kinds are the same: a monitor that asks for another port, one whose job is not its own,
# and one that finds no pod.
sed 's/^    port: admin/    port: metrics/' "$work/example.yaml" >"$work/broken.yaml"
refuse "does not scrape /metrics of the admin port" "$bin/rendered" -daemon "$bin/kinesis-alerter" -env "$letters" <"$work/broken.yaml"
sed 's/^  podMetricsEndpoints:/  jobLabel: app.kubernetes.io\/instance\n&/' "$work/example.yaml" >"$work/broken.yaml"
refuse "the job is the label app.kubernetes.io/instance of the pods" "$bin/rendered" -daemon "$bin/kinesis-alerter" -env "$letters" <"$work/broken.yaml"
sed '/kind: PodMonitor/,/^---/s/heart-rate$/other/' "$work/example.yaml" >"$work/broken.yaml"
refuse "PodMonitor .* does not select the pods" "$bin/rendered" -daemon "$bin/kinesis-alerter" -env "$letters" <"$work/broken.yaml"
sed 's/ANOMALY_SCORE > 3.0/ANOMALY_SCORE >/' "$work/example.yaml" >"$work/broken.yaml"
refuse "rules\[0\].when" "$bin/rendered" -daemon "$bin/kinesis-alerter" -env "$letters" <"$work/broken.yaml"
echo "passed after $((SECONDS - began)) s"
