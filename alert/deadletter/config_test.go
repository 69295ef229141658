package deadletter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

func TestConfigThatIsRight(t *testing.T) {
	require.False(t, Config{}.Enabled())
	require.NoError(t, Config{}.Validate())
	for _, c := range []Config{
		{SQS: testQueue},
		{SQS: "http://127.0.0.1:4566/000000000000/alerts_dlq-1"},
		{SQS: "https://sqs.cn-north-1.amazonaws.com.cn/000000000000/letters"},
		{SQS: "https://queue.amazonaws.com/000000000000/q"},
		{SNS: testTopic},
		{SNS: "arn:aws-us-gov:sns:us-gov-west-1:000000000000:a-b_C9"},
		{S3: testBucket},
		{S3: "my.bucket-9"},
		{S3: "s3://letters"},
		{S3: "s3://letters/"},
		{S3: "s3://letters/dead/größe"},
	} {
		require.True(t, c.Enabled())
		require.NoError(t, c.Validate(), "%+v", c)
	}
}

func TestConfigThatIsWrong(t *testing.T) {
	for _, test := range []struct {
		cfg         Config
		field, rule string
	}{
		{Config{SQS: "letters"}, "dead_letter.sqs", "must be the URL of an SQS queue"},
		{
			Config{SQS: "arn:aws:sqs:us-east-1:000000000000:letters"},
			"dead_letter.sqs",
			"must be the URL of an SQS queue",
		},
		{
			Config{SQS: "https://sqs.us-east-1.amazonaws.com/letters"},
			"dead_letter.sqs",
			"must be the URL of an SQS queue",
		},
		{
			Config{SQS: "https://sqs.us-east-1.amazonaws.com/0/letters?x=1"},
			"dead_letter.sqs",
			"must be the URL of an SQS queue",
		},
		{Config{SQS: "https:///0/letters"}, "dead_letter.sqs", "must be the URL of an SQS queue"},
		{Config{SQS: testQueue + ".fifo"}, "dead_letter.sqs", "FIFO queue"},
		{Config{SQS: testQueue + "/x"}, "dead_letter.sqs", "a queue's name"},
		{Config{SQS: testQueue + strings.Repeat("x", 80)}, "dead_letter.sqs", "a queue's name"},
		{Config{SNS: "letters"}, "dead_letter.sns", "must be the ARN of an SNS topic"},
		{
			Config{SNS: "arn:aws:sqs:us-east-1:000000000000:letters"},
			"dead_letter.sns",
			"must be the ARN of an SNS topic",
		},
		{Config{SNS: testTopic + ":a-subscription"}, "dead_letter.sns", "must be the ARN of an SNS topic"},
		{Config{SNS: testTopic + ".fifo"}, "dead_letter.sns", "FIFO topic"},
		{Config{SNS: testTopic + "?"}, "dead_letter.sns", "a topic's name"},
		{Config{S3: "ab"}, "dead_letter.s3", "must be a bucket's name"},
		{Config{S3: "Letters"}, "dead_letter.s3", "must be a bucket's name"},
		{Config{S3: "-letters"}, "dead_letter.s3", "must be a bucket's name"},
		{Config{S3: "let..ters"}, "dead_letter.s3", "must be a bucket's name"},
		{Config{S3: "s3://"}, "dead_letter.s3", "must be a bucket's name"},
		{Config{S3: "arn:aws:s3:::letters"}, "dead_letter.s3", "must be a bucket's name"},
		{Config{S3: "s3://letters/" + strings.Repeat("x", 512)}, "dead_letter.s3", "a prefix"},
		{Config{S3: "s3://letters/\xff"}, "dead_letter.s3", "a prefix"},
		{Config{SNS: testTopic, S3: testBucket}, "dead_letter", "only one of"},
	} {
		err := test.cfg.Validate()
		var fault *alert.ConfigError
		require.ErrorAs(t, err, &fault, "%+v", test.cfg)
		require.Equal(t, test.field, fault.ConfigField(), "%+v", test.cfg)
		require.Contains(t, fault.Error(), test.rule, "%+v", test.cfg)
	}
}

// The longest prefix leaves room for the longest key.
func TestKeysFit(t *testing.T) {
	name, prefix := splitBucket("s3://letters/" + strings.Repeat("x", maxPrefix-1))
	require.Empty(t, checkBucket(name, prefix))
	l := exhausted()
	l.Record.Shard = strings.Repeat("s", 128)
	key := prefix + testApplication(t).envelope(l, at("2018-12-17T22:10:59Z")).key()
	require.LessOrEqual(t, len(key), 1024)
}
