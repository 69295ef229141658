package deadletter

import (
	"cmp"
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"kinesis-alerter/internal/arns"
)

// SQSClient is what a Sender asks of SQS; *sqs.Client has it. Its retryer should be aws.NopRetryer.
type SQSClient interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

type queue struct {
	client SQSClient
	url    string
}

func (*queue) kind() string           { return "sqs" }
func (q *queue) where() string        { return q.url }
func (*queue) limit() int             { return maxMessage }
func (*queue) timeout() time.Duration { return messageTimeout }

func (q *queue) put(ctx context.Context, _ string, document []byte) (string, error) {
	out, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: new(string(document))},
		func(o *sqs.Options) { o.Region = cmp.Or(arns.Region(q.url), o.Region) })
	if err != nil {
		return "", err
	}
	return text(out.MessageId), nil
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
