package awsfault

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
		Accepted: "check that dead_letter names a standard queue, a standard topic or a bucket in the region of " +
			"AWS_REGION, and that a queue's MaximumMessageSize is not below 16 KiB",
		Reference: "the API reference of the destination's service",
	}
}
