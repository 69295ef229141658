package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"

	"kinesis-alerter/alert/sns"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/sleep"
)

// preflightTimeout bounds one call before the daemon runs.
const preflightTimeout = 5 * time.Second

// failFastPatience is how long --fail-fast waits, from the start, for faults that may pass: credentials that are not
// there yet, throttling, no answer. When many tasks start at once, their first calls meet these.
const failFastPatience = time.Minute

// longestStreamWait is the longest pause between two calls about the stream, so that reading begins soon after it is
// there.
const longestStreamWait = 5 * time.Second

// errStopped ends a start that was stopped. It is not a failure.
var errStopped = errors.New("stopped while starting")

// streamARN returns the ARN of the stream, which every alert's id is made of. When only the name is configured it asks
// Kinesis, and keeps asking until there is an answer: a daemon that was started before its stream, or before its
// permissions, works as soon as they are there. because receives the code of each failed call. With failFast it ends at
// an answer that names a fault, and for anything else when patience is over. It returns errStopped when ctx ends first.
func streamARN(
	ctx context.Context, c config.Config, client *kinesis.Client, log *zap.Logger, failFast bool, patience time.Time,
	because func(code string),
) (string, error) {
	if c.Stream.ARN != "" {
		return c.Stream.ARN, nil
	}
	said := ""
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, longestStreamWait) {
		arn, err := DescribeStream(ctx, client, c.Stream.Name)
		switch {
		case err == nil:
			return arn, nil
		case ctx.Err() != nil:
			return "", errStopped
		case failFast && (checkpoint.NamesFault(err) || !time.Now().Before(patience)):
			return "", err
		case resultCode(err) != said:
			// Not the text: it carries a request id that is new each time.
			said = resultCode(err)
			log.Error("stream is not usable yet, waiting for it", zap.String("stream", c.Stream.Name), zap.Error(err))
		}
		because(resultCode(err))
		if !sleep.For(ctx, wait) {
			return "", errStopped
		}
	}
}

// DescribeStream returns the ARN of a stream.
func DescribeStream(ctx context.Context, client *kinesis.Client, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	out, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(name)})
	if err == nil {
		return *out.StreamDescriptionSummary.StreamARN, nil
	}
	if answer.Is(err) {
		return "", fmt.Errorf("stream %s: %w", name, err)
	}
	if _, missing := errors.AsType[*kinesistypes.ResourceNotFoundException](err); missing {
		return "",
			fmt.Errorf("stream %s does not exist %s; create it, or correct stream.name: %w", name,
				awsfault.Place(err), err)
	}
	return "", awsfault.Advise(err, "kinesis:DescribeStreamSummary", "stream "+name)
}

// checkTopics looks up every topic once, so that --fail-fast also finds a misspelt one, and a role that STS refuses.
// Every other answer is good enough: sns:GetTopicAttributes is not a permission that must be given. Without --fail-fast
// the publisher looks, and holds the topic's alerts until the topic is there.
func checkTopics(ctx context.Context, c config.Config, clients *TopicClients) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		arn := c.Topics[name].ARN
		err := askTopic(ctx, clients.Of(name, arn), arn)
		if credentials.IsRoleRefused(err) {
			faults = append(faults, awsfault.Explain(err, "", "topics."+name))
		}
		if api, ok := errors.AsType[smithy.APIError](err); ok && awsfault.Of(api.ErrorCode()) == awsfault.Missing {
			faults = append(faults,
				fmt.Errorf("topic %s does not exist %s; create it, or correct topics.%s.arn: %w", arn,
					awsfault.Place(err), name, err))
		}
	}
	return errors.Join(faults...)
}

func askTopic(ctx context.Context, client sns.Client, arn string) error {
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	_, err := client.GetTopicAttributes(ctx, &awssns.GetTopicAttributesInput{TopicArn: aws.String(arn)},
		sns.InRegionOf(arn))
	return err
}
