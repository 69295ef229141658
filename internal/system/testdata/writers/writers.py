"""Writes records with real writers: boto3 with gzip, PyPI's aws_kinesis_agg with gzip inside, CloudWatch Logs of moto.

usage: writers.py ENDPOINT gzip|aggregates|subscribe|logs FROM TO
"""
import gzip
import json
import sys
import time

import boto3

endpoint, what, first, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="TEST", aws_secret_access_key="test"
    )


def batches(size):
    for n in range(first, end, size):
        yield range(n, min(n + size, end))


def text(n):
    return json.dumps({"n": n, "text": "Zürich ☃"}, ensure_ascii=False)


kinesis = client("kinesis")
if what == "gzip":
    for batch in batches(37):  # joined lines; the last one has no newline
        data = gzip.compress("\n".join(text(n) for n in batch).encode())
        kinesis.put_record(StreamName="gzip", PartitionKey=f"key-{batch[0]}", Data=data)
elif what == "aggregates":
    import aws_kinesis_agg.aggregator  # first: its protobuf modules import each other by bare name

    for batch in batches(50):
        aggregator = aws_kinesis_agg.aggregator.RecordAggregator()
        for n in batch:
            aggregator.add_user_record(f"key-{n % 7}", gzip.compress(text(n).encode()))
        key, _, data = aggregator.clear_and_get().get_contents()
        kinesis.put_record(StreamName="aggregates", PartitionKey=key, Data=data)
elif what == "subscribe":
    logs = client("logs")
    logs.create_log_group(logGroupName="/app")
    logs.create_log_stream(logGroupName="/app", logStreamName="one")
    logs.put_subscription_filter(
        logGroupName="/app",
        filterName="to-kinesis",
        filterPattern="",
        destinationArn="arn:aws:kinesis:us-east-1:123456789012:stream/logs",
        roleArn="arn:aws:iam::123456789012:role/logs",
    )
else:
    logs = client("logs")
    for batch in batches(100):
        events = [{"timestamp": int(time.time() * 1000), "message": text(n)} for n in batch]
        logs.put_log_events(logGroupName="/app", logStreamName="one", logEvents=events)
