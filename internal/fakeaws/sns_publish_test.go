package fakeaws

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"
)

// requireAnswer checks the code and, as far as given, the message of an error answer.
func requireAnswer(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
	require.Contains(t, api.ErrorMessage(), message)
}

func httpStatus(t *testing.T, err error) int {
	t.Helper()
	var response *smithyhttp.ResponseError
	require.ErrorAs(t, err, &response)
	return response.HTTPStatusCode()
}

func stringAttribute(name, value string) map[string]types.MessageAttributeValue {
	return map[string]types.MessageAttributeValue{name: {DataType: new("String"), StringValue: &value}}
}

// The daemon relies on these refusals to tell what to dead-letter: every rule, with the code that AWS documents or
// recorded answers show.
func TestPublishRefuses(t *testing.T) {
	const (
		invalid = "InvalidParameter"
		value   = "ParameterValueInvalid"
		long    = 256 << 10
	)
	attribute := func(name, dataType, text string) func(*sns.PublishInput) {
		return func(in *sns.PublishInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{name: {DataType: &dataType}}
			if text != "" {
				in.MessageAttributes[name] = types.MessageAttributeValue{DataType: &dataType, StringValue: &text}
			}
		}
	}
	structure := func(message string) func(*sns.PublishInput) {
		return func(in *sns.PublishInput) { in.Message, in.MessageStructure = &message, new("json") }
	}
	tests := []struct {
		name          string
		change        func(*sns.PublishInput)
		code, message string
	}{
		{"empty message", func(in *sns.PublishInput) { in.Message = new("") }, invalid, "Empty message"},
		{"message not UTF-8", func(in *sns.PublishInput) { in.Message = new("a\xff") }, invalid, "UTF-8"},
		{
			"message too long", func(in *sns.PublishInput) { in.Message = new(strings.Repeat("é", long/2) + "x") },
			invalid, "Message too long",
		},
		{
			"attributes count", func(in *sns.PublishInput) {
				in.Message = new(strings.Repeat("x", long-len("nString")))
				in.MessageAttributes = stringAttribute("n", "v")
			}, invalid, "Message too long",
		},
		{"empty subject", func(in *sns.PublishInput) { in.Subject = new("") }, invalid, "Subject"},
		{
			"subject of 100 characters", func(in *sns.PublishInput) { in.Subject = new(strings.Repeat("é", 100)) },
			invalid, "Subject",
		},
		{"line break in subject", func(in *sns.PublishInput) { in.Subject = new("a\nb") }, invalid, "Subject"},
		{
			"control character in subject", func(in *sns.PublishInput) { in.Subject = new("a\u0085b") }, invalid,
			"Subject",
		},
		{
			"unknown structure", func(in *sns.PublishInput) { in.MessageStructure = new("xml") }, invalid,
			"MessageStructure",
		},
		{"structure does not parse", structure(`{"default":"x"} }`), invalid, "failed to parse"},
		{"structure with a name twice", structure(`{"default":"x","default":"y"}`), invalid, "failed to parse"},
		{"structure without default", structure(`{"sqs":"x"}`), invalid, "No default entry"},
		{"structure with default object", structure(`{"default":{"a":1}}`), invalid, "No default entry"},
		{"structure is a list", structure(`["default"]`), invalid, "failed to parse"},

		{"attribute name with space", attribute("a b", "String", "v"), value, "'#x20'"},
		{"attribute name with leading dot", attribute(".a", "String", "v"), value, "starting with"},
		{"attribute name with trailing dot", attribute("a.", "String", "v"), value, "ending with"},
		{"attribute name with two dots", attribute("a..b", "String", "v"), value, "successive"},
		{"attribute name too long", attribute(strings.Repeat("a", 257), "String", "v"), value, "less than 256 bytes"},
		{"attribute name of AWS", attribute("aWs.x", "String", "v"), value, "reserved prefix"},
		{"attribute name of Amazon", attribute("Amazon.x", "String", "v"), value, "reserved prefix"},
		{"attribute without type", attribute("a", "", "v"), "ValidationError", "'messageAttributes.a.member.dataType'"},
		{"attribute type unknown", attribute("a", "Nope", "v"), value, "invalid message attribute type"},
		{"attribute type with empty label", attribute("a", "String.", "v"), value, "invalid message attribute type"},
		{"attribute without value", attribute("a", "String", ""), value, "non-empty message attribute value"},
		{"binary attribute as text", attribute("a", "Binary", "v"), value, "must use field 'Binary'"},
		{"number that is none", attribute("a", "Number", "0x10"), value, "Could not cast"},
		{"number NaN", attribute("a", "Number.float", "NaN"), value, "Could not cast"},
		{"attribute with a surrogate", attribute("a", "String", "\U0001F525"), value, "Invalid attribute value"},
		{"attribute with a control character", attribute("a", "String", "a\x01"), value, "Invalid attribute value"},
		{
			"text attribute as binary", func(in *sns.PublishInput) {
				in.MessageAttributes = map[string]types.MessageAttributeValue{
					"a": {DataType: new("Number"), BinaryValue: []byte("1")},
				}
			}, value, "must use field 'String'",
		},

		{
			"deduplication id on a standard topic",
			func(in *sns.PublishInput) { in.MessageDeduplicationId = new("d") }, invalid,
			"not valid for this topic type",
		},
		{
			"group id with a space", func(in *sns.PublishInput) { in.MessageGroupId = new("a b") }, invalid,
			"MessageGroupId",
		},
		{
			"group id too long", func(in *sns.PublishInput) { in.MessageGroupId = new(strings.Repeat("g", 129)) },
			invalid, "MessageGroupId",
		},

		{"no topic", func(in *sns.PublishInput) { in.TopicArn = nil }, invalid, "no value for required parameter"},
		{
			"topic and target", func(in *sns.PublishInput) { in.TargetArn = in.TopicArn }, invalid,
			"Both TopicArn and TargetArn",
		},
		{
			"not an ARN", func(in *sns.PublishInput) { in.TopicArn = new("alerts") }, invalid,
			"at least 6 elements, not 1",
		},
		{
			"another region",
			func(in *sns.PublishInput) { in.TopicArn = new("arn:aws:sns:eu-west-1:000000000000:alerts") }, invalid,
			"TopicArn",
		},
		{
			"no such topic",
			func(in *sns.PublishInput) { in.TopicArn = new("arn:aws:sns:us-east-1:000000000000:other") }, "NotFound",
			"Topic does not exist",
		},
	}
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := &sns.PublishInput{TopicArn: topic, Message: new("m")}
			tt.change(in)
			_, err := m.sns.Publish(t.Context(), in)
			requireAnswer(t, err, tt.code, tt.message)
			if tt.code == "NotFound" {
				require.Equal(t, 404, httpStatus(t, err))
			} else {
				require.Equal(t, 400, httpStatus(t, err))
			}
		})
	}
	require.Zero(t, m.SNS.Count(*topic), "a refused message must have no effect")
}

// The limits themselves, and what looks odd but is fine.
func TestPublishAccepts(t *testing.T) {
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	tests := map[string]sns.PublishInput{
		"largest message":     {TopicArn: topic, Message: new(strings.Repeat("x", 256<<10))},
		"longest subject":     {TopicArn: topic, Message: new("m"), Subject: new(strings.Repeat("é", 99))},
		"target instead":      {TargetArn: topic, Message: new("m")},
		"structure string":    {TopicArn: topic, Message: new("m"), MessageStructure: new("string")},
		"group on a standard": {TopicArn: topic, Message: new("m"), MessageGroupId: new(strings.Repeat("~", 128))},
		"custom types": {TopicArn: topic, Message: new("m"), MessageAttributes: map[string]types.MessageAttributeValue{
			"a.b-c_D": {DataType: new("Number.java.lang.Integer"), StringValue: new("-1e9")},
			"list":    {DataType: new("String.Array"), StringValue: new(`["a",1]`)},
			"bytes":   {DataType: new("Binary.gzip"), BinaryValue: []byte{0}},
		}},
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := m.sns.Publish(t.Context(), &in)
			require.NoError(t, err)
		})
	}
	require.Equal(t, len(tests), m.SNS.Count(*topic))
}

func batchOf(n int, change func(i int, e *types.PublishBatchRequestEntry)) []types.PublishBatchRequestEntry {
	entries := make([]types.PublishBatchRequestEntry, n)
	for i := range entries {
		entries[i] = types.PublishBatchRequestEntry{
			Id: new(fmt.Sprintf("id-%d", i)), Message: new(fmt.Sprintf("m%d", i)),
		}
		if change != nil {
			change(i, &entries[i])
		}
	}
	return entries
}

// One bad entry fails all ten: this is why the daemon validates before it sends.
func TestPublishBatchRefusesTheWholeCall(t *testing.T) {
	long := strings.Repeat("x", 26215) // ten of them are more than 256 KiB
	tests := []struct {
		name          string
		entries       []types.PublishBatchRequestEntry
		code, message string
	}{
		{"no entries", []types.PublishBatchRequestEntry{}, "EmptyBatchRequest", ""},
		{"eleven entries", batchOf(11, nil), "TooManyEntriesInBatchRequest", "more entries than permissible"},
		{
			"same id twice", batchOf(2, func(_ int, e *types.PublishBatchRequestEntry) { e.Id = new("id") }),
			"BatchEntryIdsNotDistinct", "same Id",
		},
		{
			"id too long",
			batchOf(1, func(_ int, e *types.PublishBatchRequestEntry) { e.Id = new(strings.Repeat("i", 81)) }),
			"InvalidBatchEntryId", "too long",
		},
		{
			"id with a dot", batchOf(1, func(_ int, e *types.PublishBatchRequestEntry) { e.Id = new("a.b") }),
			"InvalidBatchEntryId", "impermissible character",
		},
		{
			"sum too long", batchOf(10, func(_ int, e *types.PublishBatchRequestEntry) { e.Message = &long }),
			"BatchRequestTooLong", "put together",
		},
		{
			"one empty message",
			batchOf(2, func(i int, e *types.PublishBatchRequestEntry) { e.Message = new("x"[i:]) }),
			"InvalidParameter", "Empty message",
		},
		{
			"one bad attribute", batchOf(2, func(i int, e *types.PublishBatchRequestEntry) {
				if i == 1 {
					e.MessageAttributes = map[string]types.MessageAttributeValue{
						"a": {StringValue: new("v"), DataType: new("")},
					}
				}
			}),
			"ValidationError", "'publishBatchRequestEntries.2.member.messageAttributes.a.member.dataType'",
		},
		{
			"one deduplication id on a standard topic", batchOf(2, func(i int, e *types.PublishBatchRequestEntry) {
				e.MessageDeduplicationId = new("d"[i:])
			}),
			"InvalidParameter", "not valid for this topic type",
		},
	}
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := m.sns.PublishBatch(
				t.Context(), &sns.PublishBatchInput{TopicArn: topic, PublishBatchRequestEntries: tt.entries},
			)
			requireAnswer(t, err, tt.code, tt.message)
		})
	}
	require.Zero(t, m.SNS.Count(*topic))
	_, err := m.sns.PublishBatch(t.Context(), &sns.PublishBatchInput{
		TopicArn: new("arn:aws:sns:us-east-1:000000000000:other"), PublishBatchRequestEntries: batchOf(1, nil),
	})
	var missing *types.NotFoundException
	require.ErrorAs(t, err, &missing)
}

// A 200 answer can hide failures; the entries that did not fail are delivered.
func TestPublishBatchFailsScriptedEntries(t *testing.T) {
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	internal := EntryFailure{Code: "InternalError", Message: "try again"}
	refused := EntryFailure{Code: "InvalidParameter", Message: "Invalid parameter: no", SenderFault: true}
	m.SNS.FailEntries(FailTimes(1, FailIndex(1, internal)))
	remove := m.SNS.FailEntries(func(e BatchEntry) *EntryFailure {
		if e.ID != "id-2" {
			return nil
		}
		return &refused
	})
	m.SNS.FailEntries(func(e BatchEntry) *EntryFailure {
		require.Equal(t, "CLIENT", e.Client)
		require.Equal(t, *topic, e.TopicARN)
		return nil
	})

	publish := func() *sns.PublishBatchOutput {
		out, err := m.sns.PublishBatch(
			t.Context(), &sns.PublishBatchInput{TopicArn: topic, PublishBatchRequestEntries: batchOf(3, nil)},
		)
		require.NoError(t, err)
		return out
	}
	out := publish()
	require.Len(t, out.Successful, 1)
	require.Equal(t, []types.BatchResultErrorEntry{
		{Id: new("id-1"), Code: new("InternalError"), Message: new("try again"), SenderFault: false},
		{Id: new("id-2"), Code: new("InvalidParameter"), Message: new("Invalid parameter: no"), SenderFault: true},
	}, out.Failed)

	out = publish()
	require.Len(t, out.Failed, 1, "the first script was for one entry")
	remove()
	require.Empty(t, publish().Failed)
	require.Equal(t, []string{"m0", "m0", "m1", "m0", "m1", "m2"}, bodies(m.SNS.Messages(*topic)))
}

func bodies(published []Published) []string {
	var all []string
	for _, p := range published {
		all = append(all, p.Body)
	}
	return all
}

// What tests and the demo look at.
func TestPublishedMessagesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMessaging(t)
		topic := m.topic(t, "alerts")
		var seen []string
		m.SNS.OnPublish(func(p Published) {
			seen = append(seen, p.Body)
			require.Equal(t, len(seen), m.SNS.Count(*topic), "a hook may call the emulator")
		})
		time.Sleep(time.Minute)
		out, err := m.sns.Publish(t.Context(), &sns.PublishInput{
			TopicArn: topic, Message: new("m"), Subject: new("s"), MessageGroupId: new("g"),
			MessageAttributes: stringAttribute("k", "v"),
		})
		require.NoError(t, err)
		require.Equal(t, []Published{{
			At: time.Now(), TopicARN: *topic, MessageID: *out.MessageId, Subject: "s", Body: "m", Group: "g",
			Client:     "CLIENT",
			Attributes: map[string]MessageAttribute{"k": {DataType: "String", StringValue: "v"}},
		}}, m.SNS.Messages(*topic))

		m.SNS.CountOnly()
		_, err = m.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: topic, Message: new("n")})
		require.NoError(t, err)
		require.Empty(t, m.SNS.Messages(*topic))
		require.Equal(t, 2, m.SNS.Count(*topic))
		require.Equal(t, []string{"m", "n"}, seen)
	})
}

// The quota counts messages, not calls, and comes back with time.
func TestPublishIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMessaging(t)
		topic := m.topic(t, "alerts")
		m.SNS.LimitRate(20)
		batch := func() error {
			_, err := m.sns.PublishBatch(
				t.Context(), &sns.PublishBatchInput{TopicArn: topic, PublishBatchRequestEntries: batchOf(10, nil)},
			)
			return err
		}
		require.NoError(t, batch())
		require.NoError(t, batch())
		err := batch()
		requireAnswer(t, err, "Throttling", "Rate exceeded")
		require.Equal(t, 400, httpStatus(t, err))
		_, err = m.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: topic, Message: new("m")})
		requireAnswer(t, err, "Throttling", "")

		time.Sleep(500 * time.Millisecond)
		require.NoError(t, batch())
		require.Error(t, batch())
		m.SNS.LimitRate(0)
		require.NoError(t, batch())
		require.Equal(t, 40, m.SNS.Count(*topic))
	})
}

// Server faults must look like server faults to the SDK.
func TestPublishFaults(t *testing.T) {
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	m.Faults.Add(Fault{Service: ServiceSNS, Operation: "Publish", Kind: After, Times: 1})
	_, err := m.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: topic, Message: new("m")})
	require.Equal(t, 500, httpStatus(t, err))
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, 1, m.SNS.Count(*topic), "it happened, but the caller does not know")

	m.Faults.Add(Throttle(ServiceSNS, "Publish"))
	_, err = m.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: topic, Message: new("m")})
	requireAnswer(t, err, "Throttling", "Rate exceeded")
}
