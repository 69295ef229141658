package cmd

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"kinesis-alerter/internal/fakeaws"
)

// simPlan is a schedule: all that a simulation decides by its seed. The interleaving of the goroutines inside the bubble
// is the scheduler's.
type simPlan struct {
	Shards int           `json:"shards"`
	Keys   int           `json:"keys"`
	Lease  time.Duration `json:"lease"`
	Poll   time.Duration `json:"poll"`
	Latest bool          `json:"latest"`
	Steps  []simStep     `json:"steps"`
}

// simStep is one thing that happens. What it means by a number is that of its kind, modulo what there is.
type simStep struct {
	Do    string        `json:"do"`
	Which int           `json:"which"`
	Count int           `json:"count,omitempty"`
	For   time.Duration `json:"for,omitempty"`
	Fault *simFaultPlan `json:"fault,omitempty"`
	Pause time.Duration `json:"pause"`
}

// simFaultPlan is a fault of one service, for one worker or all.
type simFaultPlan struct {
	Service  string        `json:"service"`
	Kind     fakeaws.Kind  `json:"kind"`
	Throttle bool          `json:"throttle,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"`
	Times    int           `json:"times,omitempty"`
	OneOf    int           `json:"oneOf"` // which worker; -1 for all
}

func (f *simFaultPlan) rule(client string) fakeaws.Fault {
	rule := fakeaws.Fault{Service: f.Service, Kind: f.Kind, Delay: f.Delay}
	if f.Throttle {
		rule = fakeaws.Throttle(f.Service, "")
	}
	rule.Times, rule.Client = f.Times, client
	return rule
}

func (f *simFaultPlan) String() string {
	if f.Throttle {
		return "throttled " + f.Service
	}
	kinds := [...]string{"error before", "error after", "delay", "black hole", "lost answer", "partition"}
	return fmt.Sprintf("%s of %s (delay %s, times %d)", kinds[f.Kind], f.Service, f.Delay, f.Times)
}

// String is the schedule as a story, one step a line.
func (p simPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d shards, %d keys, lease %s, poll interval %s, latest %t\n", p.Shards, p.Keys, p.Lease, p.Poll, p.Latest)
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "%3d %-12s which %d count %d for %s", i, s.Do, s.Which, s.Count, s.For)
		if s.Fault != nil {
			fmt.Fprintf(&b, " %s worker %d", s.Fault, s.Fault.OneOf)
		}
		fmt.Fprintf(&b, ", pause %s\n", s.Pause)
	}
	return b.String()
}

const (
	simLeast   = 2 * time.Minute // of virtual time, for each schedule
	simWorkers = 4               // at a time
	simOpenMax = 6               // shards at a time
)

func drawSimPlan(t *rapid.T) simPlan {
	millis := func(label string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, label)) * time.Millisecond
	}
	p := simPlan{
		Shards: rapid.IntRange(1, 4).Draw(t, "shards"),
		Keys:   rapid.IntRange(1, 16).Draw(t, "keys"),
		Lease:  time.Duration(rapid.SampledFrom([]int{3, 5, 10}).Draw(t, "lease")) * time.Second,
		Poll:   time.Duration(rapid.SampledFrom([]int{200, 500, 1000}).Draw(t, "poll")) * time.Millisecond,
		Latest: rapid.Bool().Draw(t, "latest"),
	}
	kinds := []string{
		"put", "put", "split", "split", "merge", "join", "join", "leave", "crash", "stall", "fault", "fault", "fault", "fault",
		"expire", "empty", "forget row", "drop table", "wait",
	}
	steps := rapid.IntRange(4, 30).Draw(t, "steps")
	for range steps {
		s := simStep{
			Do: rapid.SampledFrom(kinds).Draw(t, "do"), Which: rapid.IntRange(0, 7).Draw(t, "which"), Count: rapid.IntRange(1, 20).Draw(t, "count"),
			Pause: millis("pause", 0, 6000),
		}
		switch s.Do {
		case "stall":
			s.For = p.Lease/2 + millis("for", 0, int(2*p.Lease.Milliseconds()))
		case "fault":
			s.For = millis("for", 10, 20_000)
			s.Fault = &simFaultPlan{
				Service: rapid.SampledFrom([]string{fakeaws.ServiceKinesis, fakeaws.ServiceDynamoDB, fakeaws.ServiceSNS}).Draw(t, "service"),
				Kind:    fakeaws.Kind(rapid.IntRange(0, int(fakeaws.Partition)).Draw(t, "kind")), //nolint:gosec // within its range
				Delay:   millis("delay", 1, 4000), Times: rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "times"),
				Throttle: rapid.IntRange(0, 5).Draw(t, "throttle") == 0, OneOf: rapid.IntRange(-1, simWorkers-1).Draw(t, "worker"),
			}
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}
