package deadletter

import (
	"bytes"
	"cmp"
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"kinesis-alerter/internal/arns"
)

// SQSClient is what a Sender asks of SQS; *sqs.Client has it. Its retryer should be aws.NopRetryer.
type SQSClient interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// SNSClient is what a Sender asks of SNS; *sns.Client has it. Its retryer should be aws.NopRetryer.
type SNSClient interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// S3Client is what a Sender asks of S3; *s3.Client has it. Its retryer should be aws.NopRetryer.
type S3Client interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// The deadlines of one call. An object can have 13 MiB and has no other way.
const (
	messageTimeout = 5 * time.Second
	objectTimeout  = 30 * time.Second
)

// maxMessage is how long a document for SQS and SNS may be, in bytes. Both take 1 MiB from queues and topics that are
// set up for it; a queue that was made before August 2025 and every topic take 256 KiB unless told otherwise.
const maxMessage = 256 << 10

// destination is the one place that letters go to.
type destination interface {
	// where names it for logs and the audit line.
	where() string
	// limit is the longest document that it takes, in bytes; 0 is none that matters.
	limit() int
	// timeout bounds one put.
	timeout() time.Duration
	// put sends a document. It returns what the destination calls it. A repeat with the same key replaces the document
	// where the destination has keys.
	put(ctx context.Context, key string, document []byte) (id string, err error)
}

type queue struct {
	client SQSClient
	url    string
}

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

type topic struct {
	client SNSClient
	arn    string
}

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

type bucket struct {
	client       S3Client
	name, prefix string
}

func (b *bucket) where() string        { return "s3://" + b.name + "/" + b.prefix }
func (*bucket) limit() int             { return 0 }
func (*bucket) timeout() time.Duration { return objectTimeout }

// put returns the key: an object has no other name.
func (b *bucket) put(ctx context.Context, key string, document []byte) (string, error) {
	key = b.prefix + key
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: bytes.NewReader(document), ContentType: new("application/json"),
	})
	if err != nil {
		return "", err
	}
	return key, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
