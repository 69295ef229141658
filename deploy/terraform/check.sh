#!/usr/bin/env bash
# Formats, validates and tests the Terraform module with a mocked provider, validates its examples, and holds their
# configurations against the daemon. Nothing is applied anywhere.
# Needs terraform (>= 1.7) and the AWS provider: from the folder TF_PLUGIN_DIR (by default /opt/tf-plugins, where that
# exists), or else from where Terraform itself finds it.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
	echo "skipped: $1"
	exit 77
}
say() { printf -- '-- %s\n' "$*"; }

command -v terraform >/dev/null || skip "terraform is not installed; install 1.7 or newer"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A copy, so that no lock file or plugin lands in the source.
mkdir "$work/deploy"
cp -r deploy/iam deploy/terraform "$work/deploy"
module=$work/deploy/terraform

export CHECKPOINT_DISABLE=1
if [[ -n ${TF_CLI_CONFIG_FILE:-} && ! -e $TF_CLI_CONFIG_FILE ]]; then
	unset TF_CLI_CONFIG_FILE # it would be an error in every command
fi
plugins=${TF_PLUGIN_DIR:-/opt/tf-plugins}
init=(terraform init -no-color -input=false -backend=false)
if [[ -d $plugins ]]; then
	init+=("-plugin-dir=$plugins")
fi

say "terraform fmt -check"
terraform fmt -check -diff -recursive "$module"

say "${init[*]}"
(cd "$module" && "${init[@]}") >"$work/init.log" 2>&1 || {
	tail -n 20 "$work/init.log"
	skip "the AWS provider is not to be had; set TF_PLUGIN_DIR to a folder that has it (terraform providers mirror makes one)"
}
say "terraform validate"
(cd "$module" && terraform validate -no-color)
say "terraform test"
(cd "$module" && terraform test -no-color)

for example in "$module"/examples/*/; do
	say "terraform validate: $(basename "$example")"
	(cd "$example" && "${init[@]}" >/dev/null && terraform validate -no-color)
done

say "kinesis-alerter check: what the module and its examples run"
CGO_ENABLED=0 go build -trimpath -o "$work/kinesis-alerter" ./cmd/kinesis-alerter
for config in "$module"/default-config.yaml "$module"/examples/*/kinesis-alerter.yaml; do
	STREAM_ARN=arn:aws:kinesis:us-east-1:000000000000:stream/s APPLICATION=alerts TOPIC_ARN=arn:aws:sns:us-east-1:000000000000:t \
		DEAD_LETTER_URL=https://sqs.us-east-1.amazonaws.com/000000000000/q OFFICE_TOPIC_ARN=arn:aws:sns:us-east-1:000000000000:u \
		KINESIS_ALERTER_CONFIG=$(cat "$config") "$work/kinesis-alerter" check --config env:KINESIS_ALERTER_CONFIG
done

say "README.md lists the inputs and outputs, and no others"
for kind in variable:input output:output; do
	diff <(sed -n "s/^${kind%:*} \"\(.*\)\" {$/\1/p" deploy/terraform/*.tf) \
		<(awk -v begin="| ${kind#*:} |" 'index($0, begin) == 1 { on = 1 } !/^\|/ { on = 0 } on && /^\| `/ { gsub("`", "", $2); print $2 }' deploy/terraform/README.md) || {
		echo "the ${kind%:*}s of *.tf (<) and the table of README.md (>) differ" >&2
		exit 1
	}
done
