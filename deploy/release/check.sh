#!/usr/bin/env bash
# goreleaser check, and a snapshot for linux_amd64 without images and bill of materials: the archive and the packages of it
# are opened. The other targets, the images and the bill of materials are `make release-dry`, which is run by hand.
# Needs Go and git; dpkg-deb for the Debian package, rpm for the other one, systemd-analyze for the unit.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
	echo "skipped: $1"
	[[ ${CI:-} == true ]] && exit 1
	exit 77
}
say() { printf -- '-- %s\n' "$*"; }
fail() { echo "$*" >&2; exit 1; }

for tool in git dpkg-deb rpm systemd-analyze; do
	command -v "$tool" >/dev/null || skip "$tool is not installed; apt-get install git dpkg rpm systemd"
done
git rev-parse --verify --quiet HEAD >/dev/null || skip "a snapshot is made of a commit, and this is no checkout of git"

config=bin/release-snapshot.yaml
mkdir -p bin
targets='^    targets: \[linux_amd64, linux_arm64, darwin_amd64, darwin_arm64\]$'
grep -q "$targets" deploy/release/goreleaser.yaml || fail "the targets in deploy/release/goreleaser.yaml are not those of a release"
sed "s/$targets/    targets: [linux_amd64]/" deploy/release/goreleaser.yaml >"$config"

say "the documentation names one version: that of the chart (and the one after it, for upgrades)"
example=$(sed -n 's/^version: //p' deploy/helm/kinesis-alerter/Chart.yaml)
named=$(grep -rnoE --include='*.md' --exclude-dir=node_modules \
	'(kinesis-alerter:|ref=v|image\.tag=|VERSION=|FROM=v|_)[0-9]+\.[0-9]+\.[0-9]+' README.md docs deploy CONTRIBUTING.md |
	grep -vE "[=:v_]($example|${example%.*}.$((${example##*.} + 1)))\$" || true)
[[ -z $named ]] || fail "other versions than $example are named:"$'\n'"$named"
grep -q "appVersion: \"$example\"" deploy/helm/kinesis-alerter/Chart.yaml || fail "the chart's appVersion is not $example"

say "goreleaser check"
deploy/release/goreleaser.sh check deploy/release/goreleaser.yaml
say "goreleaser release --snapshot, linux_amd64 alone"
# goreleaser says nothing of the commit where there is no remote.
if [[ -z $(git remote) ]]; then
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=remote.origin.url GIT_CONFIG_VALUE_0=https://example.com/kinesis-alerter.git
fi
# The variables of a release are not those of whoever runs the check.
env -u REPOSITORY -u IMAGE -u MAINTAINER -u SOURCE bin/tools/goreleaser release --config "$config" --snapshot --clean \
	--skip=docker,sbom --release-notes <(deploy/release/notes.sh)

shopt -s nullglob
one() {
	(($# == 1)) || fail "want one file, there are $#: $*"
	echo "$1"
}
binary=$(one bin/release/kinesis-alerter_linux_amd64*/kinesis-alerter)
deb=$(one bin/release/*.deb)
rpm=$(one bin/release/*.rpm)
archive=$(one bin/release/*.tar.gz)

say "the binary: static, at most 45 MB, its version"
size=$(stat -c %s "$binary")
((size <= 45000000)) || fail "$binary has $size bytes"
file=$(readelf -l "$binary" | grep -c INTERP || true)
((file == 0)) || fail "$binary wants a dynamic linker"
version=$("$binary" version)
[[ $version == "kinesis-alerter "*-snapshot.g*"(revision $(git rev-parse --short=12 HEAD),"* ]] || fail "$version"
# CPU time, the least of ten: what the program needs, whatever else the machine does.
best=1000
for _ in {1..10}; do
	spent=$( { TIMEFORMAT='%U %S'; time "$binary" version >/dev/null; } 2>&1 | awk '{ printf "%d", ($1 + $2) * 1000 }')
	((spent < best)) && best=$spent
done
((best <= 50)) || fail "version takes $best ms of CPU"
echo "$version: $size bytes, version in $best ms"

say "the same commit gives the same bytes, in another folder"
other=$(mktemp -d)
trap 'git worktree remove --force "$other/source" 2>/dev/null; rm -rf "$other"' EXIT
if [[ -z $(git status --porcelain --untracked-files=no) ]]; then
	git worktree add --quiet --detach "$other/source" HEAD
	flags="-s -w -X kinesis-alerter/internal/daemon.version=$(cut -d' ' -f2 <<<"$version")"
	flags+=" -X kinesis-alerter/internal/daemon.revision=$(git rev-parse HEAD)"
	(cd "$other/source" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$flags" -o "$other/kinesis-alerter" ./cmd/kinesis-alerter)
	cmp "$binary" "$other/kinesis-alerter"
else
	echo "left out: the checkout has changes"
fi

say "the packages and the archive hold what they should, each with its mode"
wanted=(
	'-rwxr-xr-x /usr/bin/kinesis-alerter'
	'-rw-r--r-- /usr/lib/systemd/system/kinesis-alerter.service'
	'-rw-r--r-- /etc/kinesis-alerter/kinesis-alerter.yaml'
	'-rw------- /etc/kinesis-alerter/environment'
	'-rw-r--r-- /usr/share/bash-completion/completions/kinesis-alerter'
	'-rw-r--r-- /usr/share/fish/vendor_completions.d/kinesis-alerter.fish'
	'-rw-r--r-- /usr/share/kinesis-alerter/kinesis-alerter.schema.json'
	'-rw-r--r-- /usr/share/doc/kinesis-alerter/copyright'
	'-rw-r--r-- /usr/share/doc/kinesis-alerter/CHANGELOG.md'
)
holds() { # FILE LIST EXTRA...
	local name=$1 list=$2 line
	shift 2
	for line in "${wanted[@]}" "$@"; do
		grep -qxF -- "$line" <<<"$list" || fail "$name has no $line, but:"$'\n'"$list"
	done
}
inside=$(dpkg-deb -c "$deb" | awk '{ sub(/^\./, "", $6); print $1, $6 }')
holds "$deb" "$inside" '-rw-r--r-- /usr/share/zsh/vendor-completions/_kinesis-alerter'
holds "$rpm" "$(rpm -qplv "$rpm" | awk '{ print $1, $NF }')" '-rw-r--r-- /usr/share/zsh/site-functions/_kinesis-alerter'
kept=$'/etc/kinesis-alerter/environment\n/etc/kinesis-alerter/kinesis-alerter.yaml'
[[ $(dpkg-deb -I "$deb" conffiles | sort) == "$kept" ]] || fail "conffiles of $deb: $(dpkg-deb -I "$deb" conffiles)"
[[ $(rpm -qpc "$rpm" | sort) == "$kept" ]] || fail "configuration files of $rpm: $(rpm -qpc "$rpm")"
for script in postinst prerm postrm; do
	dpkg-deb -I "$deb" "$script" | sh -n
done
grep -q 'systemctl try-restart' <(rpm -qp --scripts "$rpm") || fail "$rpm restarts nothing after an upgrade"
for file in kinesis-alerter LICENSE README.md CHANGELOG.md completions/kinesis-alerter.bash kinesis-alerter.schema.json; do
	grep -q "/$file\$" <(tar -tzf "$archive") || fail "$archive has no $file"
done
cp bin/release-files/kinesis-alerter.schema.json bin/release/ # it is uploaded beside the others
(cd bin/release && sha256sum --quiet --check checksums.txt)
for file in "$deb" "$rpm" "$archive" kinesis-alerter.schema.json; do
	grep -q " $(basename "$file")\$" bin/release/checksums.txt || fail "checksums.txt has no $(basename "$file")"
done

say "what the packages bring works: the configuration with its two variables, the completion"
dpkg-deb -x "$deb" "$other/root"
installed=$other/root/usr/bin/kinesis-alerter
STREAM=ExampleInputStream TOPIC_ARN=arn:aws:sns:eu-central-1:111122223333:alerts \
	"$installed" check --config "$other/root/etc/kinesis-alerter/kinesis-alerter.yaml"
bash -n "$other/root/usr/share/bash-completion/completions/kinesis-alerter"

say "systemd-analyze verify, security"
sed "s#/usr/bin/kinesis-alerter#$installed#" deploy/release/kinesis-alerter.service >"$other/kinesis-alerter.service"
systemd-analyze verify --man=no "$other/kinesis-alerter.service"
systemd-analyze security --offline=true --threshold=20 deploy/release/kinesis-alerter.service | tail -n 1
