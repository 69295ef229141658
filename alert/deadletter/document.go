package deadletter

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"kinesis-alerter/alert"
)

// maxDetail is how much of a dead letter's detail the document quotes, in bytes.
const maxDetail = 1 << 10

// maxOutputKey is how long a partition key of Kinesis may be, in characters.
const maxOutputKey = 256

// timeFormat is the form of Lambda's timestamps, in UTC.
const timeFormat = "2006-01-02T15:04:05.000Z"

// application is what the documents of one daemon have in common.
type application struct {
	stream   string // ARN
	region   string
	function string // ARN
	identity string // ARN
	mapping  string // UUID
}

func newApplication(stream, name string) (*application, error) {
	a, err := arn.Parse(stream)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", stream, err)
	}
	return &application{
		stream: stream, region: a.Region,
		function: arn.ARN{
			Partition: a.Partition, Service: "lambda", Region: a.Region, AccountID: a.AccountID,
			Resource: "function:" + name,
		}.String(),
		identity: arn.ARN{
			Partition: a.Partition, Service: "iam", AccountID: a.AccountID, Resource: "role/" + name,
		}.String(),
		mapping: uuid("event source mapping", stream, name),
	}, nil
}

// envelope is a dead letter with what is decided once, so that every attempt carries the same bytes to the same key.
type envelope struct {
	*application
	letter *alert.Letter
	id     string
	at     time.Time
}

func (a *application) envelope(l *alert.Letter, now time.Time) *envelope {
	return &envelope{application: a, letter: l, id: a.letterID(l), at: now.UTC().Truncate(time.Millisecond)}
}

// key is where the dead letter lies in S3, below the prefix.
func (e *envelope) key() string {
	return "aws/lambda/" + e.mapping + "/" + e.letter.Record.Shard + e.at.Format(
		"/2006/01/02/2006-01-02T15.04.05-",
	) + e.id
}

// form is how much of a dead letter a document holds.
type form uint8

const (
	whole  form = iota
	lean        // without the payload
	barest      // without the alert's message either; it always fits: all that is in it has its bounds
)

// document writes the dead letter, as whole as from and limit let it be; a limit of 0 is none.
func (e *envelope) document(from form, limit int) ([]byte, form) {
	for f := from; f < barest; f++ {
		if f == lean && e.letter.Message == nil {
			continue
		}
		if b := e.write(f, limit); b != nil {
			return b, f
		}
	}
	return e.write(barest, 0), barest
}

// write writes a form, or nothing where that is longer than limit.
func (e *envelope) write(f form, limit int) []byte {
	l := e.letter
	head, tail := e.event()
	payload := len(head) + base64.StdEncoding.EncodedLen(len(l.Record.Data)) + len(tail)
	least := 0 // escaped it only gets longer
	if f == whole {
		least += payload
	}
	if f != barest && l.Message != nil {
		least += len(l.Message.Body)
	}
	if limit > 0 && least > limit {
		return nil
	}
	b := e.lambda(make([]byte, 0, least+4<<10))
	if f == whole {
		b = append(key(b, "payload"), '"')
		b = appendEscaped(b, head)
		b = base64.StdEncoding.AppendEncode(b, l.Record.Data)
		b = appendEscaped(b, tail)
		b = append(b, '"')
	}
	b = e.ours(b)
	if f != whole {
		b = member(b, "payloadOmitted", tooLong(payload))
	}
	switch {
	case l.Message == nil:
	case f == barest:
		b = member(b, "messageOmitted", tooLong(len(l.Message.Body)))
	default:
		b = e.message(b)
	}
	if b = append(b, "}}"...); limit > 0 && len(b) > limit {
		return nil
	}
	return b
}

func tooLong(size int) string {
	return strconv.Itoa(size) + " bytes, larger than the destination takes"
}

// lambda opens the document and writes what Lambda writes for every destination.
func (e *envelope) lambda(b []byte) []byte {
	l, r := e.letter, &e.letter.Record
	b = append(b, `{"requestContext":{`...)
	b = member(b, "requestId", e.id)
	b = member(b, "functionArn", e.function)
	b = member(b, "condition", l.Condition)
	b = strconv.AppendInt(key(b, "approximateInvokeCount"), int64(max(l.Attempts, 1)), 10)
	b = append(b, '}')
	if l.Condition != alert.ConditionAge {
		b = append(
			b, `,"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}`...,
		)
	}
	b = member(b, "version", "1.0")
	b = member(b, "timestamp", e.at.Format(timeFormat))
	b = append(key(b, "KinesisBatchInfo"), '{')
	b = member(b, "shardId", r.Shard)
	b = member(b, "startSequenceNumber", r.SequenceNumber)
	b = member(b, "endSequenceNumber", r.SequenceNumber)
	arrival := r.Arrival.UTC().Format(timeFormat)
	b = member(b, "approximateArrivalOfFirstRecord", arrival)
	b = member(b, "approximateArrivalOfLastRecord", arrival)
	b = append(b, `,"batchSize":1`...)
	b = member(b, "streamArn", e.stream)
	return append(b, '}')
}

// ours opens what Lambda does not say.
func (e *envelope) ours(b []byte) []byte {
	l := e.letter
	sub := ""
	if l.Record.SubSequence > 0 {
		sub = strconv.FormatUint(uint64(l.Record.SubSequence), 10)
	}
	b = append(key(b, "kinesisAlerter"), '{')
	for _, m := range []struct{ name, value string }{
		{"reason", string(l.Reason)},
		{"detail", clip(l.Detail)},
		{"alertId", l.AlertID},
		{"rule", l.Rule},
		{"topic", l.Topic},
		{"output", l.Output},
		{"outputKey", outputKey(l)},
	} {
		if m.value != "" {
			b = member(b, m.name, m.value)
		}
	}
	if sub != "" {
		b = append(key(b, "subSequenceNumber"), sub...)
	}
	return b
}

// message writes what the alert says, with the message group that it has on a FIFO topic.
func (e *envelope) message(b []byte) []byte {
	l, m := e.letter, e.letter.Message
	b = append(key(b, "message"), '{')
	b = member(b, "kind", string(l.Kind))
	b = member(b, "severity", l.Severity)
	b = member(b, "subject", m.Subject)
	b = member(b, "body", m.Body)
	b = append(key(b, "bodies"), '{')
	for _, protocol := range slices.Sorted(maps.Keys(m.Bodies)) {
		b = member(b, protocol, m.Bodies[protocol])
	}
	b = append(b, '}')
	b = member(b, "structure", m.Structure)
	b = append(key(b, "attributes"), '[')
	for i, a := range m.Attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(member(member(member(append(b, '{'), "name", a.Name), "type", a.Type), "value", a.Value), '}')
	}
	b = append(b, ']')
	b = member(b, "group", cmp.Or(m.Group, l.Record.PartitionKey))
	return append(b, '}')
}

// event is what a function would have been given, in two parts: the record's data in base64 stands between them.
func (e *envelope) event() (head, tail []byte) {
	r := &e.letter.Record
	head = append(head, `{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0"`...)
	head = member(head, "partitionKey", r.PartitionKey)
	head = member(head, "sequenceNumber", r.SequenceNumber)
	head = append(key(head, "data"), '"')

	tail = append(tail, '"')
	seconds := float64(r.Arrival.UnixMilli()) / 1000
	tail = append(strconv.AppendFloat(key(tail, "approximateArrivalTimestamp"), seconds, 'f', 3, 64), '}')
	tail = member(tail, "eventSource", "aws:kinesis")
	tail = member(tail, "eventVersion", "1.0")
	tail = member(tail, "eventID", r.Shard+":"+r.SequenceNumber)
	tail = member(tail, "eventName", "aws:kinesis:record")
	tail = member(tail, "invokeIdentityArn", e.identity)
	tail = member(tail, "awsRegion", e.region)
	tail = member(tail, "eventSourceARN", e.stream)
	return head, append(tail, "}]}"...)
}

// outputKey is the partition key that a stream could take; of a longer one detail tells.
func outputKey(l *alert.Letter) string {
	if utf8.RuneCountInString(l.OutputKey) > maxOutputKey {
		return ""
	}
	return l.OutputKey
}

// clip shortens a detail, on a rune boundary.
func clip(s string) string {
	if len(s) <= maxDetail {
		return s
	}
	n := maxDetail
	for n > maxDetail-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// key opens a member of an object. The name needs no escaping.
func key(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, `":`...)
}

func member(b []byte, name, value string) []byte {
	b = append(key(b, name), '"')
	b = appendEscaped(b, value)
	return append(b, '"')
}

// appendEscaped writes the inside of a JSON string from printable ASCII alone. What is no UTF-8 becomes U+FFFD.
func appendEscaped[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	unit := func(u rune) {
		b = append(b, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
	}
	for _, r := range string(s) {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r <= 0xFFFF:
			unit(r)
		default:
			r -= 0x10000
			unit(0xD800 + r>>10)
			unit(0xDC00 + r&0x3FF)
		}
	}
	return b
}
