#!/bin/sh
# Prints the alerts that the queue gets, a line each: when it was read, severity, alert id, words. Ends when it has printed
# COUNT of them or a few more (alerts.sh COUNT), or never: it waits for a queue that is not there and a server that does
# not answer, and says so once. AWS_CLI is as in init/10-resources.sh.
set -eu

cli=${AWS_CLI:-awslocal}
count=${1:-0}
queue=alerts
export AWS_PAGER='' AWS_REGION="${AWS_REGION:-us-east-1}"
export AWS_DEFAULT_REGION="$AWS_REGION"
export AWS_ACCESS_KEY_ID="${AWS_ACCESS_KEY_ID:-test}" AWS_SECRET_ACCESS_KEY="${AWS_SECRET_ACCESS_KEY:-test}"

tab=$(printf '\t')
queue_url=
waiting=
seen=0
while [ "$count" -eq 0 ] || [ "$seen" -lt "$count" ]; do
	if [ -z "$queue_url" ]; then
		if ! queue_url=$($cli sqs get-queue-url --queue-name "$queue" --query QueueUrl --output text 2>/dev/null); then
			[ -n "$waiting" ] || echo "waiting for the queue $queue" >&2
			waiting=yes queue_url=
			sleep 2
			continue
		fi
		[ -z "$waiting" ] || echo "the queue $queue is there" >&2
		waiting=
	fi
	if ! messages=$($cli sqs receive-message --queue-url "$queue_url" --max-number-of-messages 10 --wait-time-seconds 10 \
		--message-attribute-names All --output text \
		--query 'Messages[].[ReceiptHandle, MessageAttributes.severity.StringValue, MessageAttributes.alert_id.StringValue, Body]' \
		2>/dev/null); then
		queue_url=
		sleep 1
		continue
	fi
	case $messages in '' | None) continue ;; esac
	entries=
	while IFS=$tab read -r handle severity id words; do
		# The further lines of a message that has several: a digest's. The ids that it ends with are left out.
		if [ -z "$id" ]; then
			case ${#handle} in 0 | 64) ;; *) printf '          %s\n' "$handle" ;; esac
			continue
		fi
		printf '%s  %-8s  %s  %s\n' "$(date -u +%H:%M:%S)" "$severity" "$id" "$words"
		entries="$entries${entries:+,}{\"Id\":\"$seen\",\"ReceiptHandle\":\"$handle\"}"
		seen=$((seen + 1))
	done <<END
$messages
END
	# What could not be deleted is printed again, if the queue still has it.
	$cli sqs delete-message-batch --queue-url "$queue_url" --entries "[$entries]" >/dev/null 2>&1 || queue_url=
done
