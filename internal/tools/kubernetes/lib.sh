# shellcheck shell=bash
# What deploy/helm/check.sh and deploy/kustomize/check.sh have in common. They source it from the root of the repository.

bin=$PWD/bin/tools/kubernetes
api=$bin/api

say() { printf -- '-- %s\n' "$*"; }

# build PACKAGE... builds the pinned tools and the daemon. Go's cache makes the second time short.
build() {
	local began=$SECONDS tool
	command -v go >/dev/null || { echo "skipped: go is not on the PATH"; [[ ${CI:-} == true ]] && exit 1; exit 77; }
	say "building the daemon and the pinned tools"
	mkdir -p "$bin"
	for tool in "$@"; do
		CGO_ENABLED=0 go build -C internal/tools/kubernetes -trimpath -ldflags '-s -w' -o "$bin/" "$tool"
	done
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$bin/kinesis-alerter" ./cmd/kinesis-alerter
	echo "built after $((SECONDS - began)) s"
	say "schemas of Kubernetes, the Prometheus Operator and KEDA"
	began=$SECONDS
	releases=$("$bin/schemas" -out "$api")
	echo "of Kubernetes ${releases//$'\n'/, } after $((SECONDS - began)) s"
}

# conform FILE... holds manifests against the schemas of every release. An unknown key is refused.
conform() {
	local release
	for release in $releases; do
		"$bin/kubeconform" -strict -summary -kubernetes-version "$release" \
			-schema-location "file://$api/{{.NormalizedKubernetesVersion}}/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json" "$@"
	done
}

# refuse PATTERN COMMAND... is for a command that has to fail, and to say why.
refuse() {
	local pattern=$1 said rc=0
	shift
	said=$("$@" 2>&1) || rc=$?
	if ((rc == 0)); then
		echo "accepted, but has to be refused: $*" >&2
		return 1
	fi
	if ! grep -qE -- "$pattern" <<<"$said"; then
		printf 'refused for another reason than "%s": %s\n%s\n' "$pattern" "$*" "$said" >&2
		return 1
	fi
	echo "refused: $(grep -m1 -oE -- "$pattern" <<<"$said")"
}
