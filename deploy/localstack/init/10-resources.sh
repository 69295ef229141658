#!/bin/sh
# Makes what the daemon and the producer need: a stream, a topic, and a queue that gets what the topic does. LocalStack runs
# it when it is ready (/etc/localstack/init/ready.d). It may run again: what is there is left as it is. The tables are the
# daemon's: it makes its own.
#
# AWS_CLI is the command that reaches the emulator; elsewhere than in LocalStack's image "aws" does, with AWS_ENDPOINT_URL set.
set -eu

cli=${AWS_CLI:-awslocal}
stream=ExampleInputStream
topic=ExampleTopic
queue=alerts
# Nothing may stop to ask or to page, and region and credentials only have to be there.
export AWS_PAGER='' AWS_REGION="${AWS_REGION:-us-east-1}"
export AWS_DEFAULT_REGION="$AWS_REGION"
export AWS_ACCESS_KEY_ID="${AWS_ACCESS_KEY_ID:-test}" AWS_SECRET_ACCESS_KEY="${AWS_SECRET_ACCESS_KEY:-test}"

status=$($cli kinesis describe-stream-summary --stream-name "$stream" \
	--query StreamDescriptionSummary.StreamStatus --output text 2>/dev/null) || status=absent
if [ "$status" = absent ]; then
	$cli kinesis create-stream --stream-name "$stream" --shard-count 2
fi
tries=0
until [ "$status" = ACTIVE ]; do
	tries=$((tries + 1))
	if [ "$tries" -gt 60 ]; then
		echo "stream $stream is $status after a minute; it should be ACTIVE" >&2
		exit 1
	fi
	sleep 1
	status=$($cli kinesis describe-stream-summary --stream-name "$stream" \
		--query StreamDescriptionSummary.StreamStatus --output text)
done
echo "stream $stream: ACTIVE"

# Both of these calls answer with what exists, if it exists.
topic_arn=$($cli sns create-topic --name "$topic" --query TopicArn --output text)
queue_url=$($cli sqs create-queue --queue-name "$queue" --query QueueUrl --output text)
queue_arn=$($cli sqs get-queue-attributes --queue-url "$queue_url" --attribute-names QueueArn \
	--query Attributes.QueueArn --output text)

subscribed=$($cli sns list-subscriptions-by-topic --topic-arn "$topic_arn" \
	--query "length(Subscriptions[?Endpoint=='$queue_arn'])" --output text)
if [ "$subscribed" = 0 ]; then
	# Raw, so that the queue has the words of the alert and its attributes, not SNS' envelope.
	$cli sns subscribe --topic-arn "$topic_arn" --protocol sqs --notification-endpoint "$queue_arn" \
		--attributes RawMessageDelivery=true --output text >/dev/null
fi
echo "topic $topic_arn: its alerts go to $queue_arn"
