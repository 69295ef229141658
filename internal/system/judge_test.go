package system_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// payload is what a record of the end-to-end tests carries. The records of a key are numbered by N, from 0 and without
// a gap; the ids of all records are 0 to history.put-1.
type payload struct {
	ID  int    `json:"id"`
	Key string `json:"key"`
	N   int    `json:"n"`
}

// delivery is one message of the queue.
type delivery struct {
	payload
	alertID string
	sent    time.Time // when the queue got it, in whole milliseconds
}

// How far from a fault a repetition may begin. A crash repeats what was not committed yet: a commit is due every
// second, and gets four more on a busy machine. A request that was on its way when the fault began may still arrive.
const (
	uncommitted = 5 * time.Second
	inFlight    = 500 * time.Millisecond
)

// fault is a stretch of time in which something failed, for example from SIGSTOP to SIGCONT. A crash is an instant.
type fault struct {
	what        string
	from, until time.Time
}

// explains reports whether the fault is an excuse for delivering again what was delivered before.
func (f fault) explains(before, again delivery) bool {
	began := f.from.Truncate(time.Millisecond)
	return before.sent.After(began.Add(-uncommitted)) && before.sent.Before(f.until.Add(inFlight)) &&
		!again.sent.Before(began)
}

// history is what was put into the stream, what failed meanwhile, and what was found, in the order in which the queue
// got it.
type history struct {
	put        int
	faults     []fault
	deliveries []delivery
}

// verdict is what the delivery contract says of a history.
type verdict struct {
	found, repeated int
	// lost are the ids of records that were never delivered.
	lost []int
	// strangers were never put.
	strangers []delivery
	// reordered are first deliveries that came after a later one of their key.
	reordered []delivery
	// unexplained are repetitions that no fault explains.
	unexplained []delivery
	// renamed are repetitions with another alert_id than the first delivery.
	renamed []delivery
	// shared are first deliveries with the alert_id of another record, or with none.
	shared []delivery
	// unsorted counts deliveries that are older than the one before, which makes the rest of the verdict worthless.
	unsorted int
}

// judge holds a history against the delivery contract: nothing is lost, the first deliveries of a key are in order,
// and what is repeated has a fault as its excuse and the alert_id of the first delivery.
func judge(h history) verdict {
	v := verdict{}
	first, last, named := map[int]delivery{}, map[string]int{}, map[string]bool{"": true}
	var clock time.Time
	for _, d := range h.deliveries {
		if d.sent.Before(clock) {
			v.unsorted++
		}
		clock = d.sent
		if d.ID < 0 || d.ID >= h.put {
			v.strangers = append(v.strangers, d)
			continue
		}
		before, again := first[d.ID]
		if again {
			v.repeated++
			if d.alertID != before.alertID {
				v.renamed = append(v.renamed, d)
			}
			if !h.explain(before, d) {
				v.unexplained = append(v.unexplained, d)
			}
			continue
		}
		first[d.ID] = d
		if named[d.alertID] {
			v.shared = append(v.shared, d)
		}
		named[d.alertID] = true
		if n, ok := last[d.Key]; ok && d.N < n {
			v.reordered = append(v.reordered, d)
		}
		last[d.Key] = max(last[d.Key], d.N)
	}
	v.found = len(first)
	for id := range h.put {
		if _, ok := first[id]; !ok {
			v.lost = append(v.lost, id)
		}
	}
	return v
}

func (h history) explain(before, again delivery) bool {
	for _, f := range h.faults {
		if f.explains(before, again) {
			return true
		}
	}
	return false
}

// violations says in words what is wrong, a line for each kind, with the first few examples. It is empty when the
// contract was kept.
func (v verdict) violations() string {
	var out strings.Builder
	say := func(n int, what string, examples any) {
		if n > 0 {
			fmt.Fprintf(&out, "%d %s: %+v\n", n, what, examples)
		}
	}
	say(len(v.lost), "lost", few(v.lost))
	say(len(v.strangers), "never put", few(v.strangers))
	say(len(v.reordered), "out of order", few(v.reordered))
	say(len(v.unexplained), "repeated without a fault", few(v.unexplained))
	say(len(v.renamed), "repeated with another alert_id", few(v.renamed))
	say(len(v.shared), "with an alert_id that is not its own", few(v.shared))
	say(v.unsorted, "older than the delivery before, so that nothing can be judged", "the queue kept no order")
	return out.String()
}

func few[T any](all []T) []T { return all[:min(len(all), 10)] }

// A judge that lets everything pass looks like a daemon that does everything right.
func TestJudgeFindsWhatIsBroken(t *testing.T) {
	start := time.UnixMilli(1_000_000)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	// Two keys, two records each, a record every 100 ms.
	found := func(id, ms int) delivery {
		return delivery{
			payload: payload{
				ID: id, Key: fmt.Sprint("key-", id%2), N: id / 2,
			}, alertID: fmt.Sprint("alert-", id), sent: at(ms),
		}
	}
	named := func(d delivery, alertID string) delivery {
		d.alertID = alertID
		return d
	}
	crash := func(ms int) []fault { return []fault{{what: "SIGKILL", from: at(ms), until: at(ms)}} }
	tests := map[string]struct {
		faults     []fault
		deliveries []delivery
		want       string // a part of the violations; nothing is fine when empty
		repeated   int
	}{
		"all is well": {deliveries: []delivery{found(0, 0), found(1, 100), found(2, 200), found(3, 300)}},
		"keys may overtake one another": {
			deliveries: []delivery{found(1, 0), found(3, 100), found(0, 200), found(2, 300)},
		},
		"lost in the middle": {deliveries: []delivery{found(0, 0), found(1, 100), found(3, 300)}, want: "1 lost: [2]"},
		"lost at the end":    {deliveries: []delivery{found(0, 0), found(1, 100), found(2, 200)}, want: "1 lost: [3]"},
		"nothing was found":  {want: "4 lost: [0 1 2 3]"},
		"never put": {
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(2, 200), found(3, 300), found(4, 400),
			}, want: "1 never put",
		},
		"out of order": {
			deliveries: []delivery{found(2, 0), found(1, 100), found(0, 200), found(3, 300)}, want: "1 out of order",
		},
		"late and repeated is out of order once": {
			faults: crash(250), repeated: 1,
			deliveries: []delivery{
				found(2, 0), found(1, 100), found(0, 200), found(3, 300), found(0, 400),
			}, want: "1 out of order",
		},
		"repeated without a fault": {
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(1, 150), found(2, 200), found(3, 300),
			}, repeated: 1, want: "1 repeated without a fault",
		},
		"repeated after a crash": {
			faults: crash(120),
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(1, 150), found(2, 200), found(3, 300),
			}, repeated: 1,
		},
		"a request on its way outlives a crash": {
			faults: crash(80),
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(1, 150), found(2, 200), found(3, 300),
			}, repeated: 1,
		},
		"repeated before the crash": {
			faults: crash(400),
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(1, 150), found(2, 200), found(3, 300),
			}, repeated: 1, want: "1 repeated without a fault",
		},
		"first delivered after the crash": {
			faults: crash(0),
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(2, 200), found(3, 900), found(3, 950),
			}, repeated: 1, want: "1 repeated without a fault",
		},
		"committed long before the crash": {
			faults: crash(6000),
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(2, 5900), found(3, 5950), found(1, 6100),
			}, repeated: 1, want: "1 repeated without a fault",
		},
		"repeated after a long fault": {
			faults: []fault{{what: "SIGSTOP", from: at(50), until: at(9000)}},
			deliveries: []delivery{
				found(0, 0), found(1, 100), found(2, 5900), found(3, 8950), found(3, 9100), found(0, 9200),
			}, repeated: 2,
		},
		"repeated under another id": {
			faults: crash(120),
			deliveries: []delivery{
				found(0, 0), found(1, 100), named(found(1, 150), "alert-7"), found(2, 200), found(3, 300),
			},
			repeated: 1, want: "1 repeated with another alert_id",
		},
		"two records share an id": {
			deliveries: []delivery{
				found(0, 0), named(found(1, 100), "alert-0"), found(2, 200), found(3, 300),
			}, want: "1 with an alert_id that is not its own",
		},
		"no id": {
			deliveries: []delivery{
				found(0, 0), named(found(1, 100), ""), found(2, 200), found(3, 300),
			}, want: "1 with an alert_id that is not its own",
		},
		"a queue without order": {
			deliveries: []delivery{
				found(0, 0), found(1, 200), found(2, 100), found(3, 300),
			}, want: "nothing can be judged",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := judge(history{put: 4, faults: test.faults, deliveries: test.deliveries})
			require.Equal(t, test.repeated, v.repeated)
			if test.want == "" {
				require.Empty(t, v.violations())
				return
			}
			require.Contains(t, v.violations(), test.want)
			require.Equal(t, 1, strings.Count(v.violations(), "\n"), "one thing is broken, and it is told once:\n%s",
				v.violations())
		})
	}
}
