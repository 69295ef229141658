package deadletter

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/arns"
)

// maxPrefix is how long the part of a key may be that is configured, in bytes. S3 takes 1,024 for all of it.
const maxPrefix = 512

// Config says where letters go. At most one of its fields is set; the zero value means that there are no dead letters.
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

// checkQueue returns the rule that a queue's URL breaks, or an empty string. The host may be any, for emulators.
func checkQueue(s string) string {
	const form = "must be the URL of an SQS queue, https://sqs.<region>.amazonaws.com/<account>/<name>"
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return form
	}
	account, name, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case !ok || account == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return form
	case strings.HasSuffix(name, ".fifo"):
		return "a FIFO queue cannot take dead letters, no more than from Lambda; use a standard queue"
	case name == "" || len(name) > 80 || strings.ContainsFunc(name, notWord):
		return "a queue's name has 1 to 80 of A-Z a-z 0-9 _ -"
	}
	return ""
}

// checkTopic returns the rule that a topic's ARN breaks, or an empty string.
func checkTopic(s string) string {
	a, err := arn.Parse(s)
	switch {
	case err != nil || a.Service != "sns" || a.Region == "" || a.AccountID == "" || strings.Contains(a.Resource, ":"):
		return "must be the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>"
	case arns.Check(a) != "":
		return arns.Check(a)
	case strings.HasSuffix(a.Resource, ".fifo"):
		return "a FIFO topic cannot take dead letters, no more than from Lambda; use a standard topic"
	case a.Resource == "" || len(a.Resource) > 256 || strings.ContainsFunc(a.Resource, notWord):
		return "a topic's name has 1 to 256 of A-Z a-z 0-9 _ -"
	}
	return ""
}

// splitBucket returns the bucket's name and the prefix of the keys, which is empty or ends in a slash.
func splitBucket(s string) (name, prefix string) {
	name, prefix, _ = strings.Cut(strings.TrimPrefix(s, "s3://"), "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return name, prefix
}

// checkBucket returns the rule that a bucket's name or a prefix breaks, or an empty string.
func checkBucket(name, prefix string) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
	}
	edge := func(r rune) bool { return r == '.' || r == '-' }
	switch {
	case len(name) < 3 || len(name) > 63 || strings.ContainsFunc(name, odd) || strings.Contains(name, "..") ||
		strings.TrimFunc(name, edge) != name:
		return "must be a bucket's name, 3 to 63 of a-z 0-9 . - with a letter or digit at both ends, or " +
			"s3://<bucket>/<prefix>"
	case len(prefix) > maxPrefix || !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl):
		return "a prefix has at most 511 bytes of UTF-8 without control characters"
	}
	return ""
}

// notWord says whether r is none of A-Z a-z 0-9 _ -.
func notWord(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}
