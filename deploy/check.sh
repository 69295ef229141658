#!/usr/bin/env bash
# Runs the check of every part of deploy/, or of the parts that are named: deploy/check.sh helm prometheus.
#
# Each part's check.sh says what it runs. It passes with 0; with 77 it could not run here, and its last line says why; anything
# else has failed. In CI a part that could not run has failed, too, except those in MAY_SKIP.
set -euo pipefail
cd "$(dirname "$0")/.."

may_skip=" ${MAY_SKIP:-terraform} "
parts=("$@")
if ((${#parts[@]} == 0)); then
	for check in deploy/*/check.sh; do
		parts+=("$(basename "$(dirname "$check")")")
	done
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
summary=() failed=0 passed=0 skipped=0
for part in "${parts[@]}"; do
	if [[ ! -x deploy/$part/check.sh ]]; then
		echo "deploy/$part has no check.sh" >&2
		exit 2
	fi
	printf '\n== deploy/%s\n' "$part"
	began=$SECONDS rc=0
	"deploy/$part/check.sh" </dev/null 2>&1 | tee "$log" || rc=$?
	took=$((SECONDS - began))
	case $rc in
	0) passed=$((passed + 1)) result=ok ;;
	77)
		if [[ ${CI:-} == true && $may_skip != *" $part "* ]]; then
			failed=$((failed + 1)) result="could not run, which CI does not accept: $(tail -n 1 "$log")"
		else
			skipped=$((skipped + 1)) result=$(tail -n 1 "$log")
		fi
		;;
	*) failed=$((failed + 1)) result="exit $rc" ;;
	esac
	summary+=("$(printf '%-14s %4d s  %s' "$part" "$took" "$result")")
done

printf '\n'
printf '%s\n' "${summary[@]}"
echo "deploy: $passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
