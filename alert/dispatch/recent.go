package dispatch

import (
	"strings"
	"sync"
	"time"

	"kinesis-alerter/alert"
)

// maxRecent is how many accepted messages a Publisher keeps.
const maxRecent = 50

// Accepted is a message that a service accepted: an alert, or a digest that stands for several. It has nothing of the
// record's payload.
type Accepted struct {
	// ID is the alert's id, or the digest's.
	ID string
	// Rule and Severity are empty for a digest.
	Rule, Severity string
	Topic          string
	Kind           alert.Kind
	// Key are both ends of what the rule takes for "the same alert", see shorten; empty for a digest.
	Key string
	// Alerts is how many alerts the message stands for.
	Alerts int
	// Occurred is the event time, of the earliest alert in a digest; At is when the service
	// answered.
	Occurred, At time.Time
	// MessageID is what the service calls the message.
	MessageID string
	// Shard and Sequence are of the record that caused the alert, Sub is its place in an aggregate; no sequence number
	// where time did, and in a digest.
	Shard, Sequence string
	Sub             uint32
	// Value is the figure that the rule compared; HasValue says that there is one.
	Value    float64
	HasValue bool
}

// recent is a ring of the latest accepted messages. It is safe for concurrent use.
type recent struct {
	mu   sync.Mutex
	ring [maxRecent]Accepted
	n    int // ever
}

func (r *recent) add(a Accepted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring[r.n%maxRecent] = a
	r.n++
}

// list returns the messages, the latest first.
func (r *recent) list() []Accepted {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Accepted, min(r.n, maxRecent))
	for i := range out {
		out[i] = r.ring[(r.n-1-i)%maxRecent]
	}
	return out
}

// Recent returns the latest messages that were accepted from this process, the latest first, at most 50.
func (p *Publisher) Recent() []Accepted { return p.recent.list() }

// accepted is what Recent shows of an alert. Its strings are copies.
func accepted(a *alert.Alert, topic, messageID string, at time.Time) Accepted {
	return Accepted{
		ID:        a.ID,
		Rule:      a.Rule,
		Severity:  strings.Clone(a.Severity),
		Topic:     topic,
		Kind:      a.Kind,
		Key:       shorten(a.Key),
		Alerts:    1,
		Occurred:  a.Occurred(),
		At:        at,
		MessageID: messageID,
		Shard:     strings.Clone(a.Record.Shard),
		Sequence:  strings.Clone(a.Record.SequenceNumber),
		Sub:       a.Record.SubSequence,
		Value:     a.Value,
		HasValue:  a.Worse != 0,
	}
}

// shownKey is how many characters of each end of a key are shown at most.
const shownKey = 4

// shorten keeps both ends of a key: four characters of each, and of a short key never more than half of it, rather of
// the end, which tells web-7 from web-8. Keys may name people, for which reason the audit log has only their hash, too;
// the alert's id leads to its line there.
func shorten(key string) string {
	runes := []rune(key)
	show := min(2*shownKey, (len(runes)+1)/2)
	if len(runes) < 2 {
		show = 0
	}
	if key == "" {
		return ""
	}
	head := min(shownKey, show/2)
	tail := show - head
	return string(runes[:head]) + "…" + string(runes[len(runes)-tail:])
}
