#!/usr/bin/env bash
# Builds the image and runs it as an orchestrator would: nothing writable, no capabilities, a memory limit, no network but
# loopback. The registries of the base images are not needed: small stand-ins take their places, the build image's being
# this machine's Go and shell, the runtime image's what distroless has (user, certificates, an empty /tmp).
# Needs root, buildah, podman, runc, iproute2 and Go.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The toolchain of a release, which the Dockerfile asks for.
GOTOOLCHAIN=$(sed -n 's/^toolchain //p' go.mod)
export GOTOOLCHAIN

skip() {
	echo "skipped: $1"
	[[ ${CI:-} == true ]] && exit 1
	exit 77
}
say() { printf -- '-- %s\n' "$*"; }

[[ $(uname -s) == Linux && $(id -u) == 0 ]] || skip "the image is built and run by root on Linux; run this as root"
for tool in buildah podman runc ip unshare; do
	command -v "$tool" >/dev/null || skip "$tool is not installed; apt-get install buildah podman runc iproute2"
done

# A network of its own: port 9464 is free there, and only loopback exists. What is downloaded comes before. The mounts are in
# a name space of their own, too, and gone with it, before the folder that they are in is removed.
if [[ -z ${IMAGE_CHECK_WORK:-} ]]; then
	IMAGE_CHECK_WORK=$(mktemp -d)
	trap 'rm -rf --one-file-system "$IMAGE_CHECK_WORK"' EXIT
	export IMAGE_CHECK_WORK
	say "go mod download; go test -c: what runs the image"
	go mod download
	go test -c -tags e2e -o "$IMAGE_CHECK_WORK/image.test" ./deploy/image
	unshare --net --mount bash "deploy/image/$(basename "$0")"
	exit
fi
ip link set lo up
work=$IMAGE_CHECK_WORK
say "network: $(ip -brief address | tr -s ' ' | paste -sd ';')"

# Both tools on the same storage, with the driver that works everywhere. runc, because crun wants a pure cgroup tree.
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
buildah=(buildah "${storage[@]}" build --isolation chroot --pull-never --format docker --quiet)
podman=(podman "${storage[@]}" --runtime "$(command -v runc)" --cgroup-manager cgroupfs)
export TMPDIR=$work/tmp
mkdir -p "$TMPDIR"

# The caches of the Dockerfile's mounts are this machine's, where the tool looks for them, or every run compiles anew.
for cache in "$TMPDIR/buildah-cache" "$TMPDIR/buildah-cache-0"; do
	mkdir -p "$cache/go/pkg" "$cache/root/.cache"
	ln -s "$(go env GOMODCACHE)" "$cache/go/pkg/mod"
	ln -s "$(go env GOCACHE)" "$cache/root/.cache/go-build"
done

say "stand-in for the build image: this machine's Go and shell"
root=$work/build-root
mkdir -p "$root/usr/local/go" "$root/bin" "$root/tmp" "$root/root"
cp --dereference /bin/sh "$root/bin/sh"
ldd /bin/sh | awk '/\// { print $(NF - 1) }' | while read -r library; do
	install -D "$library" "$root$library"
done
cat >"$root/Containerfile" <<'END'
FROM scratch
COPY . /
ENV PATH=/usr/local/go/bin:/bin GOPATH=/go
END
"${buildah[@]}" --tag localhost/build-stand-in "$root" >/dev/null

say "stand-in for the runtime image: user 65532, certificates, an empty /tmp"
root=$work/runtime-root
mkdir -p "$root/etc/ssl/certs" "$root/home/nonroot" "$root/tmp"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cat >"$root/Containerfile" <<'END'
FROM scratch
COPY . /
USER 65532
WORKDIR /home/nonroot
END
"${buildah[@]}" --platform linux/amd64,linux/arm64 --manifest localhost/runtime-stand-in "$root" >/dev/null

platforms=linux/amd64,linux/arm64
say "buildah build --platform $platforms"
images=$("${buildah[@]}" --platform "$platforms" --manifest localhost/kinesis-alerter:check \
	--volume "$(go env GOROOT):/usr/local/go:ro" \
	--build-arg BUILDPLATFORM="linux/$(go env GOARCH)" `# which buildah 1.28 does not know in FROM` \
	--build-arg BUILD_IMAGE=localhost/build-stand-in --build-arg RUNTIME_IMAGE=localhost/runtime-stand-in \
	--build-arg GOPROXY=off --build-arg VERSION=1.2.3 --build-arg REVISION="$(git rev-parse HEAD)" \
	--build-arg CREATED="$(date --utc +%Y-%m-%dT%H:%M:%SZ)" --build-arg SOURCE=https://example.com/kinesis-alerter .)

say "run it"
IMAGE=localhost/kinesis-alerter:check IMAGES=$images PODMAN=${podman[*]} "$work/image.test" -test.v -test.count=1
