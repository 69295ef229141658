#!/bin/sh
# compile.sh OUTPUT PACKAGE [FLAG...] is go build that says what it does: the first one compiles some hundred packages.
set -eu
output=$1 package=$2
shift 2
if ! [ -e "$output" ]; then
	echo "Compiling $output: one to four minutes the first time, seconds from then on."
fi
done=0 live=
if [ -t 1 ]; then
	live=1
fi
# go build -v writes a package's name when it begins with it; all else are errors and downloads.
{ rc=0; ${GO:-go} build -v "$@" -o "$output" "$package" || rc=$?; echo "exit $rc"; } 2>&1 |
	while IFS= read -r line; do
		case $line in
		exit\ [0-9]*)
			if [ -n "$live" ] && [ "$done" -gt 0 ]; then
				printf '\r\033[K'
			fi
			exit "${line#exit }"
			;;
		'#'* | *[:\ ]* | '') printf '%s\n' "$line" >&2 ;;
		*)
			done=$((done + 1))
			if [ -n "$live" ]; then
				printf '\r\033[K%d packages compiled: %.60s' "$done" "$line"
			elif [ $((done % 100)) = 0 ]; then
				echo "$done packages compiled, of about 500"
			fi
			;;
		esac
	done
