package awsfault

// Stream is the resource of reading records.
func Stream() Resource {
	return Resource{
		Name:       "the stream",
		Actions:    "kinesis:GetRecords and kinesis:GetShardIterator",
		KeyActions: "kms:Decrypt",
		Crowded: "see who else reads the stream: Kinesis allows five reads a second and 2 MB/s a shard to all " +
			"readers " +
			"together; set processing.poll_interval to 1s in each application, or take a reader away",
		Found: "the stream or the shard does not exist: was it deleted, or is AWS_REGION another one?",
	}
}

// Topic is the resource of publishing alerts.
func Topic() Resource {
	return Resource{
		Name:       "the topic",
		Actions:    "sns:Publish",
		KeyActions: "kms:GenerateDataKey and kms:Decrypt",
		HasPolicy:  true,
		Found:      "create the topic or correct its ARN",
		Accepted:   "check that the ARN is that of a topic",
		Reference:  "the SNS API reference",
	}
}

// DeadLetters is the resource of sending dead letters.
func DeadLetters() Resource {
	return Resource{
		Name:       "the destination",
		Actions:    "sqs:SendMessage, sns:Publish or s3:PutObject",
		KeyActions: "kms:GenerateDataKey and kms:Decrypt",
		HasPolicy:  true,
		Found:      "create the queue, topic or bucket, or correct dead_letter",
		Accepted: "check that dead_letter names a standard queue, a standard topic or a bucket (in AWS_REGION where " +
			"S3 does not say in which region it is), and that a queue's MaximumMessageSize is not below 16 KiB",
		Reference: "the API reference of the destination's service",
	}
}

// OutputStream is the resource of writing to an output stream.
func OutputStream() Resource {
	return Resource{
		Name:       "the output stream",
		Actions:    "kinesis:PutRecords",
		KeyActions: "kms:GenerateDataKey",
		HasPolicy:  true,
		Crowded: "give the output stream more shards or on-demand mode: Kinesis takes 1 MB/s and 1,000 records/s a " +
			"shard, and all records of a key go to one",
		Found:     "create the output stream, or correct its name or ARN and AWS_REGION",
		Accepted:  "check that the output names a stream that is active, and its account and region",
		Reference: "the Kinesis API reference",
	}
}
