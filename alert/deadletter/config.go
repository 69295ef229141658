package deadletter

import (
	"errors"
	"strings"

	"kinesis-alerter/alert"
)

// Config says where dead letters go. At most one of its fields is set; the zero value means that there are no dead
// letters.
type Config struct {
	// SQS is the URL of a standard queue.
	SQS string `yaml:"sqs"`
	// SNS is the ARN of a standard topic.
	SNS string `yaml:"sns"`
	// S3 is the name of a bucket, or s3://<bucket>/<prefix> with what stands before aws/lambda/ in the keys.
	S3 string `yaml:"s3"`
}

// Enabled says whether there is a destination.
func (c Config) Enabled() bool { return c != Config{} }

// Validate returns all errors joined, each an *alert.ConfigError whose field begins with dead_letter.
func (c Config) Validate() error {
	var errs []error
	refuse := func(field, value, rule string) {
		if rule != "" {
			errs = append(errs, &alert.ConfigError{Field: field, Value: value, Rule: rule})
		}
	}
	var set []string
	if c.SQS != "" {
		set = append(set, "sqs")
		refuse("dead_letter.sqs", c.SQS, checkQueue(c.SQS))
	}
	if c.SNS != "" {
		set = append(set, "sns")
		refuse("dead_letter.sns", c.SNS, checkTopic(c.SNS))
	}
	if c.S3 != "" {
		set = append(set, "s3")
		name, prefix := splitBucket(c.S3)
		refuse("dead_letter.s3", c.S3, checkBucket(name, prefix))
	}
	if len(set) > 1 {
		refuse("dead_letter", strings.Join(set, ", "), "only one of sqs, sns and s3 may be set")
	}
	return errors.Join(errs...)
}

// notWord says whether r is none of A-Z a-z 0-9 _ -.
func notWord(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}
