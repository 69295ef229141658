#!/usr/bin/env bash
# Builds the documentation's site into bin/site/html. A link that leads nowhere fails it, and so does a page that loads
# something from another host. Needs python3 with venv; the packages are pinned by hash in requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."

site=bin/site
mkdir -p "$site"
if ! cmp -s deploy/site/requirements.txt "$site/venv/requirements.txt"; then
	python3 -m venv --clear "$site/venv"
	"$site/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --require-hashes --only-binary :all: -r deploy/site/requirements.txt
	cp deploy/site/requirements.txt "$site/venv/"
fi

# The pages, and what they link to.
rm -rf "$site/source" "$site/html"
mkdir "$site/source"
git ls-files -z --cached --others --exclude-standard -- '*.md' deploy ':!*.go' ':!*/testdata/*' |
	while IFS= read -r -d '' file; do
		[[ ! -f $file ]] || cp --parents "$file" "$site/source"
	done
cp deploy/site/zensical.toml "$site/"
(cd "$site" && venv/bin/zensical build --clean --strict)

"$site/venv/bin/python" deploy/site/check.py "$site/html"
