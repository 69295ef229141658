package deadletter

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"kinesis-alerter/internal/arns"
)

// SNSClient is what a Sender asks of SNS; *sns.Client has it. Its retryer should be aws.NopRetryer.
type SNSClient interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

type topic struct {
	client SNSClient
	arn    string
}

func (*topic) kind() string           { return "sns" }
func (t *topic) where() string        { return t.arn }
func (*topic) limit() int             { return maxMessage }
func (*topic) timeout() time.Duration { return messageTimeout }

func (t *topic) put(ctx context.Context, _ string, document []byte) (string, error) {
	out, err := t.client.Publish(ctx, &sns.PublishInput{TopicArn: &t.arn, Message: new(string(document))},
		func(o *sns.Options) { o.Region = cmp.Or(arns.Region(t.arn), o.Region) })
	if err != nil {
		return "", err
	}
	return text(out.MessageId), nil
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
