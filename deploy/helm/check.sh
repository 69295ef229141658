#!/usr/bin/env bash
# Validates the chart without a cluster: lint, unit tests, every values file in ci/ against the APIs' schemas and against
# the built daemon, what the schema of the values has to refuse, and the package. Needs Go; a few seconds with warm caches.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=internal/tools/kubernetes/lib.sh
. internal/tools/kubernetes/lib.sh

began=$SECONDS
chart=deploy/helm/kinesis-alerter
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Helm's own configuration and plugins of whoever runs this must not take part.
export HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm

build github.com/yannh/kubeconform/cmd/kubeconform github.com/helm-unittest/helm-unittest/cmd/helm-unittest helm.sh/helm/v3/cmd/helm \
	./rendered ./schemas ./values
helm=$bin/helm
newest=${releases##*$'\n'}

say "the chart's copies of the rules and of the dashboard"
cmp deploy/prometheus/rules.yaml $chart/files/rules.yaml || { echo "run deploy/helm/sync.sh" >&2; exit 1; }
cmp deploy/grafana/kinesis-alerter.json $chart/files/dashboard.json || { echo "run deploy/helm/sync.sh" >&2; exit 1; }

say "README: the table of values"
"$bin/values" $chart

say "helm lint --strict"
for values in "$chart"/ci/*.yaml; do
	"$helm" lint --strict --quiet --kube-version "$newest" --values "$values" $chart
done

say "helm-unittest"
"$bin/helm-unittest" --strict $chart

template() { "$helm" template heart-rate "${of:-$chart}" --namespace alerts --kube-version "$newest" "$@"; }

say "helm template | kubeconform -strict"
for values in "$chart"/ci/*.yaml; do
	template --values "$values" >"$work/$(basename "$values")"
done
conform "$work"/*.yaml

say "rendered manifests against the built daemon"
for values in "$chart"/ci/*.yaml; do
	name=$(basename "$values" .yaml) more=()
	case $name in
	minimal) more=(-start) ;;
	service) more=(-rules deploy/prometheus/rules.yaml -dashboard deploy/grafana/kinesis-alerter.json) ;;
	text) more=(-env TOPIC_ARN=arn:aws:sns:eu-central-1:000000000000:ExampleTopic -env DEAD_LETTERS=https://sqs.eu-central-1.amazonaws.com/000000000000/letters) ;;
	esac
	printf '%s: ' "$name"
	"$bin/rendered" -daemon "$bin/kinesis-alerter" -values "$values" "${more[@]}" <"$work/$name.yaml"
done

say "the kustomize base is the chart's default"
"$bin/rendered" -daemon "$bin/kinesis-alerter" -same deploy/kustomize/base/deployment.yaml -same deploy/kustomize/base/networkpolicy.yaml \
	-same deploy/kustomize/base/poddisruptionbudget.yaml <"$work/minimal.yaml"

say "configurations of deploy/examples, given as they are"
for config in deploy/examples/*/kinesis-alerter.yaml; do
	printf '%s: ' "$config"
	template --values $chart/ci/minimal.yaml --set-file config="$config" >"$work/example.yaml"
	"$bin/rendered" -daemon "$bin/kinesis-alerter" <"$work/example.yaml"
done

say "values that have to be refused"
minimal=(template --values "$chart/ci/minimal.yaml")
refuse "/replicas': got string, want integer" "${minimal[@]}" --set-string replicas=2
refuse "additional properties 'replica' not allowed" "${minimal[@]}" --set replica=2
refuse "at '/podMonitor': additional properties 'scrapeInterval' not allowed" "${minimal[@]}" --set podMonitor.scrapeInterval=30s
refuse "/podMonitor/interval': '30' does not match pattern" "${minimal[@]}" --set-string podMonitor.interval=30
refuse "/image/digest': '[0-9a-f]+' does not match pattern" "${minimal[@]}" --set image.digest=0123abc
refuse "/config': got array, want" "${minimal[@]}" --set 'config={a}'
refuse "/service/names/0': 'https://alerts.example.com' does not match pattern" "${minimal[@]}" --set 'service.names={https://alerts.example.com}'
refuse "/keda/maxReplicas': minimum: got 0, want 1" "${minimal[@]}" --set keda.maxReplicas=0
refuse "keda.maxReplicas is required" "${minimal[@]}" --set keda.enabled=true
refuse "must be below terminationGracePeriodSeconds" "${minimal[@]}" --set config.processing.stop_budget=60s
refuse "config is required" template --set image.repository=registry.example.com/kinesis-alerter
refuse "image.repository is required" "${minimal[@]}" --set image.repository=
# What the chart cannot know, the daemon does.
template --values $chart/ci/minimal.yaml --set config.rulez=none >"$work/rulez.yaml"
refuse "rulez: [^:]*unknown" "$bin/rendered" -daemon "$bin/kinesis-alerter" <"$work/rulez.yaml"

# The job of a ServiceMonitor has to be told: the operator would take the name of the Service, without the namespace.
sed 's/replacement: alerts\//replacement: /' "$work/service.yaml" >"$work/job.yaml"
refuse "ServiceMonitor .*: the job is not alerts/" "$bin/rendered" -daemon "$bin/kinesis-alerter" -values $chart/ci/service.yaml \
	-rules deploy/prometheus/rules.yaml -dashboard deploy/grafana/kinesis-alerter.json <"$work/job.yaml"

say "as a dependency of another chart"
mkdir -p "$work/parent/charts"
cp -r $chart "$work/parent/charts/"
printf 'apiVersion: v2\nname: parent\nversion: 0.1.0\n' >"$work/parent/Chart.yaml"
{
	echo "kinesis-alerter:"
	sed 's/^/  /' $chart/ci/minimal.yaml
} >"$work/parent/values.yaml"
of=$work/parent template >"$work/parent.yaml"
conform "$work/parent.yaml"

say "helm package"
"$helm" package $chart --destination "$work" >/dev/null
package=("$work"/kinesis-alerter-*.tgz)
"$helm" lint --strict --quiet --kube-version "$newest" --values $chart/ci/service.yaml "${package[0]}"
of=${package[0]} template --values $chart/ci/service.yaml | cmp - "$work/service.yaml"
if tar -tzf "${package[0]}" | grep -E '/(tests/[a-z]+_test\.yaml|ci/)'; then
	echo "the package has files that are for development alone" >&2
	exit 1
fi
echo "passed after $((SECONDS - began)) s"
