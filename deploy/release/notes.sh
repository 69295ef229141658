#!/usr/bin/env bash
# The part of CHANGELOG.md about a version, or what is not released yet: the words of a release.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1:-Unreleased}
awk -v head="## [${version#v}]" '
	/^## / { found = index($0, head) == 1; next }
	found { print; if (NF) some = 1 }
	END { exit !some }
' CHANGELOG.md || { echo "CHANGELOG.md says nothing about $version" >&2; exit 1; }
