#!/usr/bin/env bash
# Follows the quick start of README.md word by word: a fresh clone, and a terminal for each block of commands. A block of
# text is waited for, on any of the terminals. Fails when a text does not come, a command fails, there are more than eight
# commands, or it takes more than five minutes. It runs in a network namespace of its own where it may make one, so that
# nothing else on this machine has its ports.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} == --here ]]; then
	ip link set lo up
elif unshare --map-root-user --net ip link set lo up 2>/dev/null; then
	exec unshare --map-root-user --net "$0" --here
fi

folder=$(mktemp -d)
terminals=()
finish() {
	for pid in "${terminals[@]}"; do
		kill -- "-$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	chmod -R u+w "$folder" && rm -rf "$folder"
}
trap finish EXIT

began=$SECONDS commands=1
echo "$ git clone"
git clone --quiet . "$folder/clone"
# Each block in a file, numbered and named by its kind.
awk -v folder="$folder" '/^## / { on = $0 == "## Quick start" }
	on && /^```./ { file = sprintf("%s/%02d.%s", folder, ++blocks, substr($0, 4)); next }
	/^```$/ { file = "" }
	file != "" { print >file }' README.md

# type_in FILE opens a terminal in which the commands of FILE are typed.
type_in() {
	local n=$((${#terminals[@]} + 1))
	: >"$folder/terminal$n"
	(cd "$folder/clone" && exec setsid bash -e "$1") >"$folder/terminal$n" 2>&1 </dev/null &
	terminals+=($!)
}

# await TEXT waits until some terminal shows it.
await() {
	until grep -qF -- "$1" "$folder"/terminal*; do
		for pid in "${terminals[@]}"; do
			if ((SECONDS - began > 300)) || { ! kill -0 "$pid" 2>/dev/null && ! wait "$pid"; }; then
				echo "no terminal shows: $1" >&2
				tail -n 20 "$folder"/terminal* >&2
				exit 1
			fi
		done
		sleep 0.1
	done
	printf '%5d s  %s\n' $((SECONDS - began)) "$1"
}

for block in "$folder"/[0-9]*; do
	case $block in
	*.sh)
		sed 's/^/$ /' "$block"
		commands=$((commands + $(grep -c . "$block")))
		type_in "$block"
		;;
	*.text)
		while IFS= read -r text; do
			await "$text"
		done <"$block"
		;;
	esac
done
echo "$commands commands, $((SECONDS - began)) s from the clone to the alert"
((${#terminals[@]} > 0 && commands <= 8))
