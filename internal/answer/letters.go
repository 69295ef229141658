package answer

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// MostObject is the bound of an object that is read, in bytes. The dead-letter sender writes none that is longer.
const MostObject = 32 * mib

// received checks messages. An answer without any is good: the queue may be empty.
func received(c *Call) *BadError {
	out, in := c.Out.(*sqs.ReceiveMessageOutput), c.In.(*sqs.ReceiveMessageInput)
	if len(out.Messages) > max(int(in.MaxNumberOfMessages), 1) {
		return bad("it has more messages than were asked for")
	}
	ids, receipts := map[string]bool{}, map[string]bool{}
	for i := range out.Messages {
		switch m := &out.Messages[i]; {
		case empty(m.MessageId), empty(m.ReceiptHandle), empty(m.Body):
			return bad("a message has no MessageId, ReceiptHandle or Body")
		case ids[*m.MessageId], receipts[*m.ReceiptHandle]:
			return bad("two messages have one MessageId or ReceiptHandle")
		default:
			ids[*m.MessageId], receipts[*m.ReceiptHandle] = true, true
		}
	}
	return nil
}

// messages checks a body that may say nothing but which messages there are: that of another call has none.
func messages(body []byte, res *smithyhttp.Response) string {
	if what := jsonObject(body, res); what != "" || res.StatusCode >= http.StatusMultipleChoices {
		return what
	}
	var doc map[string]json.RawMessage
	if json.Unmarshal(body, &doc) != nil {
		return "it is no JSON"
	}
	return belongs(doc, []string{"Messages"}, nil)
}

func queueAttributes(c *Call) *BadError {
	out, in := c.Out.(*sqs.GetQueueAttributesOutput), c.In.(*sqs.GetQueueAttributesInput)
	for _, name := range in.AttributeNames {
		switch value, there := out.Attributes[string(name)]; {
		case name == types.QueueAttributeNameAll:
		case !there:
			return bad("the attribute " + string(name) + " is missing")
		case strings.HasPrefix(string(name), "ApproximateNumber") && !digits(value):
			return bad("the attribute " + string(name) + " is no number")
		}
	}
	return nil
}

// visibility checks that each entry has a result, and one only.
func visibility(c *Call) *BadError {
	out, in := c.Out.(*sqs.ChangeMessageVisibilityBatchOutput), c.In.(*sqs.ChangeMessageVisibilityBatchInput)
	open := map[string]bool{}
	for i := range in.Entries {
		open[aws.ToString(in.Entries[i].Id)] = true
	}
	take := func(id *string) bool {
		asked := !empty(id) && open[*id]
		delete(open, aws.ToString(id))
		return asked
	}
	for i := range out.Successful {
		if !take(out.Successful[i].Id) {
			return bad("an entry's Id was not asked for, or comes twice")
		}
	}
	for i := range out.Failed {
		if e := &out.Failed[i]; !take(e.Id) || empty(e.Code) {
			return bad("an entry's Id was not asked for, comes twice, or has no Code")
		}
	}
	if len(open) > 0 {
		return bad("it is silent about an entry")
	}
	return nil
}

// nothing checks a body that says nothing: none, or an empty object.
func nothing(body []byte, res *smithyhttp.Response) string {
	if text := strings.TrimSpace(string(body)); res.StatusCode < http.StatusMultipleChoices && text != "" &&
		text != "{}" {
		return "it has a body, where there should be none"
	}
	return ""
}

// objects checks a page of a bucket: keys that are not behind the place that was asked for would be read for ever.
func objects(c *Call) *BadError {
	out, in := c.Out.(*s3.ListObjectsV2Output), c.In.(*s3.ListObjectsV2Input)
	switch {
	case aws.ToString(out.Name) != aws.ToString(in.Bucket):
		return bad("it is about another bucket")
	case out.IsTruncated == nil:
		return bad("IsTruncated is missing")
	case out.KeyCount != nil && int(*out.KeyCount) != len(out.Contents)+len(out.CommonPrefixes):
		return bad("KeyCount is another number than it has keys")
	case *out.IsTruncated && len(out.Contents) == 0:
		return bad("its pages have no end")
	}
	last := aws.ToString(in.StartAfter)
	for i := range out.Contents {
		switch key := out.Contents[i].Key; {
		case empty(key):
			return bad("an object has no Key")
		case !strings.HasPrefix(*key, aws.ToString(in.Prefix)):
			return bad("a key is not below the prefix")
		case *key <= last:
			return bad("its keys do not rise")
		default:
			last = *key
		}
	}
	return nil
}

func getObject(c *Call) *BadError {
	if empty(c.Out.(*s3.GetObjectOutput).ETag) {
		return bad("ETag is missing")
	}
	return nil
}
