package demo

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
)

// alertDue is an alert that a record of the stream calls for.
type alertDue struct {
	kind string
	// put is when the record was on its way to the stream.
	put time.Time
}

// sending is what SNS has taken of an alert.
type sending struct {
	first time.Time
	times int
	alone bool // the first one was a message of its own
}

// ledger counts on the side of the emulator: what the stream took, and what SNS took. Alerts are counted by their ids.
// It is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	records  int
	due      map[string]alertDue
	sent     map[string]sending
	messages int
	outputs  *outputLedger // nil without --outputs
}

func newLedger() *ledger { return &ledger{due: map[string]alertDue{}, sent: map[string]sending{}} }

// took notes a record of the stream and the alerts that it calls for.
func (l *ledger) took(put time.Time, at place, alerts map[string]string) {
	if l.outputs != nil {
		l.outputs.took(at)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records++
	for id, kind := range alerts {
		l.due[id] = alertDue{kind, put}
	}
}

// published notes a message that SNS took.
func (l *ledger) published(p *fakeaws.Published) {
	ids, alone := alertIDs(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages++
	for _, id := range ids {
		s, known := l.sent[id]
		if !known {
			s = sending{first: p.At, alone: alone}
		}
		s.times++
		l.sent[id] = s
	}
}

// alertIDs are the ids of the alerts that a message is about, and whether it is about one.
func alertIDs(p *fakeaws.Published) (ids []string, alone bool) {
	if p.Attributes["kind"].StringValue != "digest" {
		return []string{p.Attributes["alert_id"].StringValue}, true
	}
	_, list, _ := strings.Cut(p.Body, idsBegin)
	return strings.Fields(list), false
}

// idsBegin comes before the ids of a digest.
const idsBegin = "\nAlert ids:\n"

// count is the ledger at one moment.
type count struct {
	records, messages         int
	due, firing               int
	delivered, again, unknown int
	lost                      []string
	waits                     []time.Duration // of alerts that went alone
	longest                   time.Duration
	outputs                   outputCount
}

// count counts what is due by records that were put from a moment on. Records, messages and unknown alerts are all
// there are.
func (l *ledger) count(from time.Time) count {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := count{records: l.records, messages: l.messages, outputs: l.outputs.count()}
	for id := range l.sent {
		if _, known := l.due[id]; !known {
			c.unknown++
		}
	}
	for id, a := range l.due {
		if a.put.Before(from) {
			continue
		}
		c.due++
		if a.kind == "firing" {
			c.firing++
		}
		s, ok := l.sent[id]
		if !ok {
			c.lost = append(c.lost, id)
			continue
		}
		c.delivered++
		c.again += s.times - 1
		wait := s.first.Sub(a.put)
		c.longest = max(c.longest, wait)
		if s.alone {
			c.waits = append(c.waits, wait)
		}
	}
	slices.Sort(c.lost)
	slices.Sort(c.waits)
	return c
}

// settled says that every alert that is due was delivered, and every record written.
func (c count) settled() bool { return c.alerted() && len(c.outputs.missing) == 0 }

// alerted is settled without the outputs, of which some are always under way while records are put.
func (c count) alerted() bool { return len(c.lost) == 0 }

// fault is what an honest demo has to fail for; nil if the figures add up.
func (c count) fault() error {
	switch {
	case len(c.lost) > 0:
		return fmt.Errorf("%s of %d lost, among them the one with id %s; that must not happen, please report it",
			status.Number(len(c.lost), "alert"), c.due, c.lost[0])
	case c.unknown > 0:
		return fmt.Errorf("%s delivered for which no record calls; that must not happen, please report it",
			status.Number(c.unknown, "alert"))
	}
	return c.outputs.fault()
}

// latency is how long alerts took that went alone, from the put of the record to SNS; empty if there were none. Few of
// them have a range and no median.
func (c count) latency() string {
	n := len(c.waits)
	if n == 0 {
		return ""
	}
	text := fmt.Sprintf("%s to %s", seconds(c.waits[0]), seconds(c.waits[n-1]))
	if n >= mostWithoutMedian {
		text = "median " + seconds(c.waits[n/2]) + ", " + text
	}
	return fmt.Sprintf("%s, n = %s", text, status.Count(n))
}

// mostWithoutMedian is from how many samples on a median is more than a guess.
const mostWithoutMedian = 100

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
