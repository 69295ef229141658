#!/usr/bin/env bash
# Writes the digests of the base images' tags into the Dockerfile: BUILD_IMAGE=golang:1.26.11@sha256:... A tag stays in front for people,
# and the digest decides. Needs docker with buildx, or skopeo, and a registry that answers.
set -euo pipefail
cd "$(dirname "$0")/../.."

digest() {
	if command -v skopeo >/dev/null; then
		skopeo inspect --format '{{.Digest}}' "docker://$1"
	elif command -v docker >/dev/null; then
		docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}'
	else
		echo "neither skopeo nor docker is installed" >&2
		return 1
	fi
}

for name in BUILD_IMAGE RUNTIME_IMAGE; do
	image=$(sed -n "s/^ARG $name=\\([^@]*\\).*/\\1/p" Dockerfile)
	sha=$(digest "$image")
	[[ $sha =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "$image: the registry gave no digest: $sha" >&2; exit 1; }
	sed -i "s|^ARG $name=.*|ARG $name=$image@$sha|" Dockerfile
	echo "$name=$image@$sha"
done
