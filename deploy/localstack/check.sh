#!/usr/bin/env bash
# What can be checked of the local stack without running containers: the compose file against the Compose Specification, what it
# promises (loopback alone, pinned images, files that exist), the scripts, Prometheus' and the daemon's configuration. Then the
# init script, the daemon on its configuration, the producer and alerts.sh run as processes against the npm emulators.
# Needs Go, node >= 20 with npm, shellcheck, jq, promtool, and the AWS CLI or python3 with pip, which installs it.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf -- '-- %s\n' "$*"; }
fail() {
	echo "$*" >&2
	exit 1
}
# A validator that is not here is left out, but not in CI.
has() {
	command -v "$1" >/dev/null && return 0
	[[ ${CI:-} != true ]] || fail "$1 is not installed, and CI does not do without; apt-get install $2"
	echo "skipped: $3: $1 is not installed; apt-get install $2"
	return 1
}
here=deploy/localstack
tools=$PWD/bin/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$tools"

if has shellcheck shellcheck "the scripts are not linted"; then
	say shellcheck
	shellcheck "$here"/*.sh "$here"/init/*.sh
fi
for script in "$here"/*.sh "$here"/init/*.sh; do
	[[ -x $script ]] || fail "$script is not executable, so LocalStack would not run it: chmod +x"
done

say "compose-go compose.yaml"
go build -C internal/tools/compose -o "$tools/compose-go" github.com/compose-spec/compose-go/v2/cmd
# With nothing of the caller's own in the way of the defaults.
(cd "$here" && env -i PATH="$PATH" HOME="$work" "$tools/compose-go" -format json compose.yaml) >"$work/compose.json"
say "compose-go compose.yaml compose.scale.yaml"
(cd "$here" && env -i PATH="$PATH" HOME="$work" "$tools/compose-go" -format json compose.yaml compose.scale.yaml) >"$work/scale.json"

if has jq jq "what compose.yaml promises is not looked at"; then
	# promise WHAT FILTER: the filter prints every service that breaks it, also with compose.scale.yaml.
	promise() {
		local broken
		say "compose.yaml: $1"
		for model in compose scale; do
			broken=$(jq -r "$2" "$work/$model.json")
			[[ -z $broken ]] || fail "not so for: $broken ($model.json)"
		done
	}
	promise "every port is published on 127.0.0.1 alone" \
		'.services | to_entries[] | select(any(.value.ports[]?; .host_ip != "127.0.0.1")) | .key'
	promise "every image is pinned to a version" \
		'.services | to_entries[] | select(.value.image | test(":[^:/]+$") and (test(":latest$") | not) | not) | .key'
	promise "every service has a health check, or says that it has none" \
		'.services | to_entries[] | select(.value.healthcheck == null) | .key'
	promise "who waits for another one waits until it is healthy" \
		'.services | to_entries[] | select(any(.value.depends_on[]?; .condition != "service_healthy")) | .key'
	promise "what is mounted cannot be written to" \
		'.services | to_entries[] | select(any(.value.volumes[]?; .type == "bind" and .read_only != true)) | .key'
	promise "no service lives in another one's network, which ends with that one" \
		'.services | to_entries[] | select(.value.network_mode // "" | startswith("service:")) | .key'
	say "compose.scale.yaml: no port of the host is fixed for the daemon, and nothing else is changed"
	jq -e '.services["kinesis-alerter"].ports | length == 1 and .[0].target == 9464 and (.[0] | has("published") | not)' "$work/scale.json" >/dev/null ||
		fail "the daemon's ports are $(jq -c '.services["kinesis-alerter"].ports' "$work/scale.json")"
	diff <(jq -S 'del(.services["kinesis-alerter"].ports)' "$work/compose.json") <(jq -S 'del(.services["kinesis-alerter"].ports)' "$work/scale.json") ||
		fail "compose.scale.yaml changes more than ports"
	say "compose.yaml: what it mounts exists"
	while read -r source; do
		[[ -e $source ]] || fail "$source is not there; docker would make an empty folder of it"
	done < <(jq -r '.services[].volumes[]? | select(.type == "bind") | .source' "$work/compose.json")
fi

say ".env.example: every variable of compose.yaml with its default"
grep -oE '\$\{[A-Z_]+:-[^}]*\}' "$here/compose.yaml" | sed -E 's/^\$\{([A-Z_]+):-(.*)\}$/\1=\2/' | sort -u >"$work/compose.env"
grep -E '^[A-Z_]+=' "$here/.env.example" | sort -u >"$work/example.env"
diff "$work/compose.env" "$work/example.env" || fail "compose.yaml (<) and .env.example (>) differ"

if has promtool prometheus "Prometheus' configuration is not checked"; then
	say "promtool check config prometheus.yaml, with the rules"
	cp "$here/prometheus.yaml" deploy/prometheus/rules.yaml "$work/" # side by side, as in the container
	promtool check config "$work/prometheus.yaml"
	! grep -q static_configs "$here/prometheus.yaml" || fail "prometheus.yaml has fixed targets: of two daemons it would see one"
	# The name that it asks for is the service's.
	[[ $(sed -n 's/.*{names: \[\([a-z-]*\)\], type: A, port: 9464.*/\1/p' "$here/prometheus.yaml") == kinesis-alerter ]] ||
		fail "prometheus.yaml does not look up the addresses of the service kinesis-alerter"
fi

say "Grafana's provisioning fits what is mounted"
# provisioned WHAT FOLDER PATTERN
provisioned() { grep -rqE -- "$3" "deploy/grafana/provisioning/$2" || fail "deploy/grafana/provisioning/$2 has no $1"; }
provisioned "data source with the uid prometheus" datasources 'uid: *"?prometheus"?\b'
provisioned "data source at http://prometheus:9090" datasources 'url: .*http://prometheus:9090'
provisioned "provider that looks into /var/lib/grafana/dashboards" dashboards 'path: *"?/var/lib/grafana/dashboards'

say "kinesis-alerter check --config config/kinesis-alerter.yaml"
go run ./cmd/kinesis-alerter check --config "$here/config/kinesis-alerter.yaml"

# The CLI that the init script is written for. LocalStack's image has it; here it is installed where it is missing.
awscli=1.46.2
if aws --version >/dev/null 2>&1; then
	AWS_CLI=$(command -v aws)
else
	AWS_CLI=$tools/awscli-$awscli/bin/aws
	if [[ ! -x $AWS_CLI ]]; then
		say "pip install awscli==$awscli"
		python3 -m venv "$tools/awscli-$awscli"
		"$tools/awscli-$awscli/bin/pip" install --quiet --disable-pip-version-check "awscli==$awscli"
	fi
fi
export AWS_CLI

say "the npm emulators: $(make --no-print-directory npm-emulators >/dev/null && echo installed)"
say "init script (twice), daemon, producer, and alerts.sh through an outage, as processes against the npm emulators"
go test -tags e2e -count=1 -v -run '^TestLocalStackFiles$' ./internal/system

echo "not run: docker compose up, which needs a container engine and the registries of the images"
