package answer

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// bad makes a bad answer from a text, and nil from an empty one.
func bad(what string) *BadError {
	if what == "" {
		return nil
	}
	return &BadError{What: what}
}

func empty(s *string) bool { return s == nil || *s == "" }

func records(c *Call) *BadError {
	out, in := c.Out.(*kinesis.GetRecordsOutput), c.In.(*kinesis.GetRecordsInput)
	switch {
	case out.Records == nil:
		return bad("Records is missing")
	case out.NextShardIterator != nil && *out.NextShardIterator == "":
		return bad("NextShardIterator is empty")
	case in.Limit != nil && len(out.Records) > int(*in.Limit):
		return bad("it has more records than were asked for")
	case aws.ToInt64(out.MillisBehindLatest) < 0, aws.ToInt64(out.MillisBehindLatest) > longestKept.Milliseconds():
		return bad("MillisBehindLatest is out of range")
	}
	e := c.Expect
	if e == nil {
		e = &Expect{}
	}
	if what := children(out.ChildShards, e.Shard); what != "" {
		return bad(what)
	}
	if what := Records(out.Records, e); what != "" {
		return bad(what)
	}
	if e.AnyTime {
		return nil
	}
	if what := Times(out.Records, c.Now); what != "" {
		return &BadError{What: what, Time: true}
	}
	return nil
}

// Times returns what is wrong with the arrival times of records, by the service's time now.
func Times(list []types.Record, now time.Time) string {
	latest, earliest := now.Add(Slack).Unix(), now.Add(-longestKept).Unix()
	for i := range list {
		if t := list[i].ApproximateArrivalTimestamp; t != nil && (t.Unix() > latest || t.Unix() < earliest) {
			return "a record's arrival time is more than five minutes ahead of the service's own clock, or years old"
		}
	}
	return ""
}

// Records returns what is wrong with the records of an answer, given what is known about the position that was read
// from.
func Records(list []types.Record, e *Expect) string {
	last := e.After
	if last == "" && e.AtLeast != "" && len(list) > 0 && !empty(list[0].SequenceNumber) &&
		*list[0].SequenceNumber != e.AtLeast {
		last = e.AtLeast
	}
	for i := range list {
		r := &list[i]
		switch {
		case empty(r.SequenceNumber):
			return "a record has no SequenceNumber"
		case r.Data == nil:
			return "a record has no Data"
		case len(*r.SequenceNumber) > longestSequence || !digits(*r.SequenceNumber):
			return "a SequenceNumber is no number, or too long for one"
		case last != "" && !above(*r.SequenceNumber, last):
			if i == 0 {
				return "its first record is not behind the position that was asked for"
			}
			return "its sequence numbers do not rise"
		}
		last = *r.SequenceNumber
	}
	return ""
}

// longestSequence is how many digits the API allows in a sequence number.
const longestSequence = 129

// above compares sequence numbers as numbers.
func above(a, b string) bool {
	if len(a) != len(b) {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	}
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// digits looks at eight digits at a time: it is called for every record.
func digits(s string) bool {
	const zeros, high, beyondNine = 0x3030303030303030, 0xf0f0f0f0f0f0f0f0, 0x0606060606060606
	if s == "" {
		return false
	}
	for ; len(s) >= 8; s = s[8:] {
		eight := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		if eight&high != zeros || (eight+beyondNine)&high != zeros {
			return false
		}
	}
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// shardID reports whether a text may be the id of a shard.
func shardID(s string) bool {
	return s != "" && len(s) <= 128 &&
		!strings.ContainsFunc(s, func(c rune) bool { return !word(c) && c != '.' && c != '-' })
}

func word(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// children checks the shards that one was split or merged into.
func children(list []types.ChildShard, parent string) string {
	seen := make(map[string]bool, len(list))
	for i := range list {
		s := &list[i]
		switch {
		case empty(s.ShardId) || !shardID(*s.ShardId):
			return "a child has no ShardId"
		case seen[*s.ShardId] || *s.ShardId == parent:
			return "a child's ShardId is not its own"
		case len(s.ParentShards) == 0:
			return "a child has no ParentShards"
		case slices.ContainsFunc(s.ParentShards, func(id string) bool { return !shardID(id) }):
			return "a child's ParentShards are no ids of shards"
		case parent != "" && !slices.Contains(s.ParentShards, parent):
			return "a child is of another shard"
		}
		if what := hashRange(s.HashKeyRange); what != "" {
			return what
		}
		seen[*s.ShardId] = true
	}
	return ""
}

// hashRange checks a range of hash keys.
func hashRange(r *types.HashKeyRange) string {
	const most = "340282366920938463463374607431768211455"
	switch {
	case r == nil || empty(r.StartingHashKey) || empty(r.EndingHashKey):
		return "a shard has no HashKeyRange"
	case !digits(*r.StartingHashKey), !digits(*r.EndingHashKey), above(*r.StartingHashKey, *r.EndingHashKey),
		above(*r.EndingHashKey, most):
		return "a HashKeyRange cannot be"
	}
	return ""
}

func iterator(c *Call) *BadError {
	if empty(c.Out.(*kinesis.GetShardIteratorOutput).ShardIterator) {
		return bad("ShardIterator is missing")
	}
	return nil
}

func shards(c *Call) *BadError {
	out, in := c.Out.(*kinesis.ListShardsOutput), c.In.(*kinesis.ListShardsInput)
	switch {
	case out.Shards == nil:
		return bad("Shards is missing")
	case out.NextToken != nil && *out.NextToken == "":
		return bad("NextToken is empty")
	case out.NextToken != nil && (c.endless() || in.NextToken != nil && *out.NextToken == *in.NextToken):
		return bad("its pages have no end")
	}
	var before map[string]bool
	if c.Expect != nil {
		before = c.Expect.Listed
	}
	return bad(listed(out.Shards, before))
}

func listed(list []types.Shard, before map[string]bool) string {
	seen := make(map[string]bool, len(list))
	for i := range list {
		s := &list[i]
		switch {
		case empty(s.ShardId) || !shardID(*s.ShardId):
			return "a shard has no ShardId"
		case seen[*s.ShardId] || before[*s.ShardId]:
			return "a shard is listed twice"
		case s.SequenceNumberRange == nil || empty(s.SequenceNumberRange.StartingSequenceNumber):
			return "a shard has no SequenceNumberRange"
		case !digits(*s.SequenceNumberRange.StartingSequenceNumber),
			s.SequenceNumberRange.EndingSequenceNumber != nil && !digits(*s.SequenceNumberRange.EndingSequenceNumber):
			return "a SequenceNumberRange has what is no number"
		}
		for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
			if parent != nil && (!shardID(*parent) || *parent == *s.ShardId) {
				return "a shard's parent is no other shard"
			}
		}
		if what := hashRange(s.HashKeyRange); what != "" {
			return what
		}
		seen[*s.ShardId] = true
	}
	return ""
}

func summary(c *Call) *BadError {
	out, in := c.Out.(*kinesis.DescribeStreamSummaryOutput), c.In.(*kinesis.DescribeStreamSummaryInput)
	d := out.StreamDescriptionSummary
	if d == nil {
		return bad("StreamDescriptionSummary is missing")
	}
	missing := ""
	for _, m := range []struct {
		name string
		none bool
	}{
		{"StreamName", empty(d.StreamName)},
		{"StreamARN", empty(d.StreamARN)},
		{"StreamStatus", d.StreamStatus == ""},
		{"RetentionPeriodHours", d.RetentionPeriodHours == nil},
		{"StreamCreationTimestamp", d.StreamCreationTimestamp == nil},
		{"EnhancedMonitoring", d.EnhancedMonitoring == nil},
		{"OpenShardCount", d.OpenShardCount == nil},
	} {
		if m.none && missing == "" {
			missing = m.name
		}
	}
	switch {
	case missing != "":
		return bad(missing + " is missing")
	case !strings.HasPrefix(*d.StreamARN, "arn:") || !strings.HasSuffix(*d.StreamARN, ":stream/"+*d.StreamName):
		return bad("StreamARN is not that of the stream")
	case in.StreamName != nil && *in.StreamName != *d.StreamName, in.StreamARN != nil && *in.StreamARN != *d.StreamARN:
		return bad("it is about another stream")
	case *d.RetentionPeriodHours < 1 || *d.RetentionPeriodHours > 8760:
		return bad("RetentionPeriodHours is out of range")
	case *d.OpenShardCount < 0:
		return bad("OpenShardCount is out of range")
	case d.StreamCreationTimestamp.After(c.Now.Add(Slack)) || d.StreamCreationTimestamp.Unix() <= 0:
		return bad("StreamCreationTimestamp cannot be, by the service's own clock")
	}
	return nil
}

func puts(c *Call) *BadError {
	out, in := c.Out.(*kinesis.PutRecordsOutput), c.In.(*kinesis.PutRecordsInput)
	if len(out.Records) != len(in.Records) {
		return bad("it does not have a result for each record")
	}
	for i := range out.Records {
		switch r := &out.Records[i]; {
		case empty(r.SequenceNumber) == empty(r.ErrorCode):
			return bad("a result says neither or both of what can become of a record")
		case !empty(r.ErrorCode):
		case !digits(*r.SequenceNumber):
			return bad("a record's SequenceNumber is no number")
		case empty(r.ShardId):
			return bad("a record has no ShardId")
		}
	}
	return nil
}
