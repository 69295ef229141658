package rehearse

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/internal/config"
)

const (
	// leastReplay and mostReplay bound how much of the time before a record is evaluated, unless that is asked for.
	leastReplay = 10 * time.Minute
	mostReplay  = time.Hour
	// replayTimes is how many times the longest setting is evaluated: the phase of a dedup depends on the one before.
	replayTimes = 3
	// mostOtherKeys bounds what is kept of keys that were not looked for, mostFound the records that are explained.
	mostOtherKeys, mostFound = 10_000, 1000
)

// Search looks for records in a stream, and evaluates what came before them, as the daemon did. It belongs to one
// goroutine. Its zero value, and nil, look for nothing.
type Search struct {
	// Key is the key of the records: their partition key, or the key that a rule gives to them.
	Key string
	// Stream is the ARN of the stream; made up where it is not known.
	Stream string
	// Shard and Sequence are the one record that is looked for, instead of those of a key.
	Shard, Sequence string
	// Place is the piece of that record; nil for all of them.
	Place *int
	// From is where evaluation begins, Begin and End the time in which records are looked for.
	From, Begin, End time.Time

	// Found are the records, in the order of arrival.
	Found []Found
	// Alerts are those about the key, since From.
	Alerts []FoundAlert
	// Shards of Of were read, Looked counts the records in them from Begin to End, and More those that are not in
	// Found.
	Shards, Of, Looked, More int

	byRule  bool // rules have keys of their own
	others  map[string]bool
	play    player
	counted map[string]int
	at      *Found
}

// Found is a record that was looked for, and what evaluation made of it.
type Found struct {
	Record      decode.UserRecord
	Explanation alert.Explanation
}

// Explain explains the record by a pipeline that knows the stream, so that the ids of alerts are right.
func (f *Found) Explain(pipeline *alert.Pipeline) alert.Explanation {
	e := ExplainRecord(pipeline, &f.Record)
	e.AfterReplay = f.Explanation.AfterReplay
	for i := range min(len(e.Rules), len(f.Explanation.Rules)) { // of the same rules
		e.Rules[i].AfterReplay = f.Explanation.Rules[i].AfterReplay
	}
	return e
}

// FoundAlert is an alert of the rules in a replay.
type FoundAlert struct {
	At       time.Time `json:"at"`
	Rule     string    `json:"rule"`
	Kind     string    `json:"kind"`
	Topic    string    `json:"topic"`
	Key      string    `json:"key"`
	Shard    string    `json:"shard"`
	Sequence string    `json:"sequence_number"`
}

// ReplayFrom is where evaluation has to begin so that the rules know at a time what they remember; short is what they
// remember longer than is evaluated, or zero.
func ReplayFrom(rules []alert.RuleConfig, at time.Time) (from time.Time, short time.Duration) {
	var longest time.Duration
	for i := range rules {
		longest = max(longest, rules[i].Horizon())
	}
	back := min(max(replayTimes*longest, leastReplay), mostReplay)
	if longest > back {
		short = longest
	}
	return at.Add(-back), short
}

// Remember reports whether what the rules make of a record depends on earlier ones.
func Remember(c *config.LoadedConfig) bool {
	return slices.ContainsFunc(c.Rules, func(r alert.RuleConfig) bool { return r.Remembers() })
}

// Run reads the stream, from From to End, and looks for the records. A key is looked for where its hash belongs, in all
// generations of shards. Where rules have keys of their own, or nothing is there, every shard is read.
func (s *Search) Run(ctx context.Context, loaded *config.LoadedConfig, source *StreamSource, bar *progressBar) error {
	s.byRule = s.Sequence == "" && slices.ContainsFunc(loaded.Rules, func(r alert.RuleConfig) bool {
		return r.Key != "" && r.Key != "partition_key"
	})
	if !s.byRule {
		source.Only = func(shard string, keys *kinesistypes.HashKeyRange) bool {
			return shard == s.Shard || s.Sequence == "" && ownedBy(keys)(s.Key)
		}
	}
	if err := s.look(ctx, loaded, source, bar); err != nil || len(s.Found) > 0 || source.Only == nil ||
		s.Sequence != "" {
		return err
	}
	// a producer with hash keys of its own puts a key where it likes
	source.Only = nil
	return s.look(ctx, loaded, source, bar)
}

func (s *Search) look(ctx context.Context, loaded *config.LoadedConfig, source *StreamSource, bar *progressBar) error {
	b, err := newBacktest(cmp.Or(s.Stream, loaded.AssumedARN()), loaded)
	if err != nil {
		return err
	}
	source.From, source.To, source.listed = s.From, s.End, 0
	s.Found, s.Alerts, s.Looked, s.More = nil, nil, 0, 0
	s.others, s.counted, b.search = map[string]bool{}, map[string]int{}, s
	if err := source.Run(ctx, b, bar); err != nil {
		return err
	}
	b.End(ctx, source, true)
	s.Shards, s.Of = len(source.shards), source.listed
	return nil
}

// Near is the key that was there and is most like the one that was looked for; empty if none is.
func (s *Search) Near() string {
	return config.Nearest(s.Key, slices.Sorted(maps.Keys(s.others)))
}

// wants reports whether a record is one of those, and explains it.
func (s *Search) wants(pipeline *alert.Pipeline, u *decode.UserRecord) bool {
	if s == nil || u.Arrival.Before(s.Begin) || u.Arrival.After(s.End) {
		return false
	}
	s.Looked++
	if s.Sequence != "" {
		if u.Shard != s.Shard || u.SequenceNumber != s.Sequence || s.Place != nil && int(u.SubSequence) != *s.Place {
			return false
		}
		return s.add(u, ExplainRecord(pipeline, u))
	}
	if u.PartitionKey != s.Key && !s.byRule {
		s.other(u.PartitionKey)
		return false
	}
	e := ExplainRecord(pipeline, u)
	if u.PartitionKey == s.Key || slices.ContainsFunc(e.Rules, func(r alert.RuleExplanation) bool {
		return r.Key == s.Key
	}) {
		return s.add(u, e)
	}
	s.other(u.PartitionKey)
	for _, r := range e.Rules {
		s.other(r.Key)
	}
	return false
}

func (s *Search) other(key string) {
	if len(s.others) < mostOtherKeys {
		s.others[key] = true
	}
}

func (s *Search) add(u *decode.UserRecord, e alert.Explanation) bool {
	if len(s.Found) == mostFound {
		s.More++
		return false
	}
	s.Found = append(s.Found, Found{Record: u.Keep(), Explanation: e})
	s.at = &s.Found[len(s.Found)-1]
	return !u.Undecidable()
}

// before notes what was counted before the record is evaluated.
func (s *Search) before(t *backtestTrack) { _ = s.play.account(t.registry, s.counted) }

// after adds what evaluation made of the record.
func (s *Search) after(t *backtestTrack, e *alert.Evaluator, d alert.Decision) {
	_ = s.play.account(t.registry, s.counted)
	x := &s.at.Explanation
	x.AfterReplay = &alert.Replay{From: s.From, Outcome: d.Outcome, Reason: d.Reason}
	for i := range d.Outputs {
		x.AfterReplay.Outputs = append(x.AfterReplay.Outputs, d.Outputs[i].Text())
	}
	for i := range x.Rules {
		r := &x.Rules[i]
		r.AfterReplay = &alert.RuleReplay{
			Suppressed: slices.Sorted(maps.Keys(s.play.out.suppressed[r.Rule])), Remembers: e.Standing(r.Rule, r.Key),
		}
		for _, a := range d.Alerts {
			if a.Rule == r.Rule && a.Record.SequenceNumber == x.SequenceNumber &&
				a.Record.SubSequence == x.SubSequence {
				r.AfterReplay.Alerts = append(r.AfterReplay.Alerts, string(a.Kind)+" to "+a.Topic)
			}
		}
	}
}

// alerted notes an alert about the key.
func (s *Search) alerted(a *alert.Alert) {
	if s == nil || s.Key == "" || a.Key != s.Key && a.Record.PartitionKey != s.Key {
		return
	}
	s.Alerts = append(s.Alerts, FoundAlert{
		At: a.At, Rule: a.Rule, Kind: string(a.Kind), Topic: a.Topic, Key: a.Key, Shard: a.Record.Shard,
		Sequence: a.Record.SequenceNumber,
	})
}
