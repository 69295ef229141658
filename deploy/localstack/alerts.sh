#!/bin/sh
# Prints the alerts that the queue gets, a line each: when it was read, severity, alert id, words. Ends when it has printed
# COUNT of them or a few more (alerts.sh COUNT), or never. AWS_CLI is as in init/10-resources.sh.
set -eu

cli=${AWS_CLI:-awslocal}
count=${1:-0}
queue=alerts
export AWS_PAGER='' AWS_REGION="${AWS_REGION:-us-east-1}"
export AWS_DEFAULT_REGION="$AWS_REGION"
export AWS_ACCESS_KEY_ID="${AWS_ACCESS_KEY_ID:-test}" AWS_SECRET_ACCESS_KEY="${AWS_SECRET_ACCESS_KEY:-test}"

tab=$(printf '\t')
queue_url=$($cli sqs get-queue-url --queue-name "$queue" --query QueueUrl --output text)
seen=0
while [ "$count" -eq 0 ] || [ "$seen" -lt "$count" ]; do
	messages=$($cli sqs receive-message --queue-url "$queue_url" --max-number-of-messages 10 --wait-time-seconds 10 \
		--message-attribute-names All --output text \
		--query 'Messages[].[ReceiptHandle, MessageAttributes.severity.StringValue, MessageAttributes.alert_id.StringValue, Body]')
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
	$cli sqs delete-message-batch --queue-url "$queue_url" --entries "[$entries]" >/dev/null
done
