package answer

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// batch checks what SNS says about each entry. It removes results for entries that are not ours, without a message id
// or without a code, and those of an entry that is both accepted and failed. Such an entry counts as one without a
// result; the others stay good. An answer without a result for any entry is a bad answer.
func batch(c *Call) *BadError {
	out, in := c.Out.(*sns.PublishBatchOutput), c.In.(*sns.PublishBatchInput)
	open := make(map[string]bool, len(in.PublishBatchRequestEntries))
	for i := range in.PublishBatchRequestEntries {
		if id := in.PublishBatchRequestEntries[i].Id; id != nil {
			open[*id] = true
		}
	}
	both := map[string]bool{}
	for i := range out.Successful {
		id := aws.ToString(out.Successful[i].Id)
		if slices.ContainsFunc(
			out.Failed, func(e snstypes.BatchResultErrorEntry) bool { return aws.ToString(e.Id) == id },
		) {
			both[id] = true
		}
	}
	what := ""
	take := func(id *string, complete bool, missing string) (remove bool) {
		switch {
		case empty(id):
			what = "an entry has no Id"
		case both[*id]:
			what = "it calls an entry accepted and failed"
		case !open[*id]:
			what = "an entry's Id was not asked for, or comes twice"
		case !complete:
			what = missing
		default:
			delete(open, *id)
			return false
		}
		return true
	}
	out.Successful = slices.DeleteFunc(out.Successful, func(e snstypes.PublishBatchResultEntry) bool {
		return take(e.Id, !empty(e.MessageId), "an accepted entry has no MessageId")
	})
	out.Failed = slices.DeleteFunc(out.Failed, func(e snstypes.BatchResultErrorEntry) bool {
		return take(e.Id, !empty(e.Code) && errorCode(*e.Code), "an entry that failed has no Code")
	})
	if len(open) > 0 && what == "" {
		what = "it is silent about an entry"
	}
	for i := range out.Successful {
		out.Successful[i].MessageId = aws.String(cut(*out.Successful[i].MessageId, mostText))
	}
	for i := range out.Failed {
		if m := out.Failed[i].Message; m != nil {
			out.Failed[i].Message = aws.String(cut(*m, mostText))
		}
	}
	c.usable = len(open) < len(in.PublishBatchRequestEntries)
	return bad(what)
}

func publish(c *Call) *BadError {
	if empty(c.Out.(*sns.PublishOutput).MessageId) {
		return bad("MessageId is missing")
	}
	return nil
}

func topicAttributes(c *Call) *BadError {
	out, in := c.Out.(*sns.GetTopicAttributesOutput), c.In.(*sns.GetTopicAttributesInput)
	arn, there := out.Attributes["TopicArn"]
	switch {
	case len(out.Attributes) == 0:
		return bad("Attributes is missing")
	case !there:
		return bad("the attribute TopicArn is missing")
	case !empty(in.TopicArn) && arn != *in.TopicArn:
		return bad("it is about another topic")
	}
	return nil
}

func subscriptions(c *Call) *BadError {
	out, in := c.Out.(*sns.ListSubscriptionsByTopicOutput), c.In.(*sns.ListSubscriptionsByTopicInput)
	switch {
	case out.Subscriptions == nil:
		return bad("Subscriptions is missing")
	case out.NextToken != nil && in.NextToken != nil && *out.NextToken == *in.NextToken:
		return bad("its pages have no end")
	}
	for i := range out.Subscriptions {
		if s := &out.Subscriptions[i]; empty(s.SubscriptionArn) || empty(s.TopicArn) || empty(s.Protocol) {
			return bad("a subscription is not complete")
		}
	}
	return nil
}

func sendMessage(c *Call) *BadError {
	if empty(c.Out.(*sqs.SendMessageOutput).MessageId) {
		return bad("MessageId is missing")
	}
	return nil
}

func putObject(c *Call) *BadError {
	if empty(c.Out.(*s3.PutObjectOutput).ETag) {
		return bad("ETag is missing")
	}
	return nil
}

// noBody checks a body that should be empty.
func noBody(body []byte, res *smithyhttp.Response) string {
	if res.StatusCode < http.StatusMultipleChoices && len(bytes.TrimSpace(body)) > 0 {
		return "it has a body, where there should be none"
	}
	return ""
}

// document checks a body that should not be empty.
func document(body []byte, res *smithyhttp.Response) string {
	if res.StatusCode < http.StatusMultipleChoices && len(bytes.TrimSpace(body)) == 0 {
		return "its body is empty"
	}
	return ""
}
