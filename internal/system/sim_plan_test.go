package system

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"kinesis-alerter/internal/fakeaws"
)

// simPlan is a schedule: all that a simulation decides by its seed. The interleaving of the goroutines inside the
// bubble is the scheduler's.
type simPlan struct {
	Shards int           `json:"shards"`
	Keys   int           `json:"keys"`
	Lease  time.Duration `json:"lease"`
	Poll   time.Duration `json:"poll"`
	Latest bool          `json:"latest"`
	Calm   bool          `json:"calm"`
	SNS    time.Duration `json:"sns"` // how long a publish takes, so that others fall into it
	// Trimmed is what Kinesis makes of a position whose record has left the stream.
	Trimmed fakeaws.Trimmed `json:"trimmed"`
	Steps   []simStep       `json:"steps"`
	// Clocks are those of the machines; none are right ones.
	Clocks []simClock `json:"clocks,omitempty"`
	// Outputs has every record written to another stream, and Prompt says that nothing but that stream fails.
	Outputs bool `json:"outputs,omitempty"`
	Prompt  bool `json:"prompt,omitempty"`
	// Packed has most records put several in one: see simPack.
	Packed bool `json:"packed,omitempty"`
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
	Op       string        `json:"op,omitempty"` // empty is all
	Kind     fakeaws.Kind  `json:"kind"`
	Code     string        `json:"code,omitempty"` // of the error; empty is a failure of the service
	Throttle bool          `json:"throttle,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"`
	Times    int           `json:"times,omitempty"`
	OneOf    int           `json:"oneOf"` // which worker; -1 for all
	// Bad is how answers go wrong with fakeaws.Changed, and Member which of the changes of one member it is.
	Bad    string `json:"bad,omitempty"`
	Member int    `json:"member,omitempty"`
}

func (f *simFaultPlan) rule(client string) fakeaws.Fault {
	rule := fakeaws.Fault{Service: f.Service, Operation: f.Op, Kind: f.Kind, Delay: f.Delay}
	if f.Throttle {
		rule = fakeaws.Throttle(f.Service, f.Op)
	}
	if f.Code != "" {
		rule.Err = &fakeaws.Error{Code: f.Code, Message: "simulated"}
	}
	rule.Times, rule.Client = f.Times, client
	if f.Kind == fakeaws.Changed && !f.Throttle {
		rule.Rewrite = f.spoil
	}
	return rule
}

// simSpoiled is the header of an answer that is not to be believed. No client looks at it.
const simSpoiled = "X-Simulation-Spoiled"

// simMemberBad is the kind of a simulated answer in which a member is missing, null or of another type.
const simMemberBad = "a member is bad"

// spoil makes an answer one that nothing may be concluded from.
func (f *simFaultPlan) spoil(a *fakeaws.Answer) {
	change := hostileChange{How: f.Bad}
	op := a.Service + "." + a.Operation
	if f.Bad == simMemberBad {
		changes := slices.DeleteFunc(hostileMemberChanges([][]byte{a.Body}), func(c hostileChange) bool {
			named, _ := hostileNames(op, c)
			return !named
		})
		if len(changes) == 0 {
			return
		}
		change = changes[f.Member%len(changes)]
	}
	if named, _ := hostileNames(op, change); named && hostileFits(op, change.How) && change.apply(a) {
		a.Header.Set(simSpoiled, "1")
	}
}

func (f *simFaultPlan) String() string {
	if f.Throttle {
		return "throttled " + f.Service + f.Op
	}
	if f.Kind == fakeaws.Changed {
		return fmt.Sprintf("answers of %s%s (%s, member %d, times %d)", f.Service, f.Op, f.Bad, f.Member, f.Times)
	}
	kinds := [...]string{"error before", "error after", "delay", "black hole", "lost answer", "partition"}
	return fmt.Sprintf("%s %s of %s%s (delay %s, times %d)", kinds[f.Kind], f.Code, f.Service, f.Op, f.Delay, f.Times)
}

// String is the schedule as a story, one step a line.
func (p simPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b,
		"%d shards, %d keys, lease %s, poll interval %s, latest %t, a publish takes %s, a trimmed position %s, "+
			"packed %t\n",
		p.Shards, p.Keys, p.Lease, p.Poll, p.Latest, p.SNS, p.Trimmed, p.Packed)
	for i, c := range p.Clocks {
		fmt.Fprintf(&b, "clock of w%d: %s\n", i+1, c)
	}
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
	p := simPlan{
		Shards: rapid.SampledFrom([]int{1, 2, 3, 4}).Draw(t, "shards"),
		Keys:   rapid.SampledFrom([]int{1, 3, 8, 16, 32}).Draw(t, "keys"),
		Lease:  time.Duration(rapid.SampledFrom([]int{3, 5, 10}).Draw(t, "lease")) * time.Second,
		Poll:   time.Duration(rapid.SampledFrom([]int{200, 500, 1000}).Draw(t, "poll")) * time.Millisecond,
		Latest: rapid.Bool().Draw(t, "latest"),
		SNS:    time.Duration(rapid.SampledFrom([]int{0, 40, 400}).Draw(t, "sns")) * time.Millisecond,

		Trimmed: rapid.SampledFrom(fakeaws.TrimmedAnswers()).Draw(t, "trimmed"),
	}
	// Drawn from a list, because rapid likes small numbers: most schedules would be over before anything answers.
	pauses := []int{0, 3, 50, 300, 1000, 2500, 5000, 7000, 9000}
	kinds := []string{
		"put", "put", "split", "split", "merge", "join", "join", "leave", "crash", "stall", "fault", "fault", "fault",
		"fault",
		"expire", "empty", "trim", "forget row", "drop table", "wait",
	}
	steps := rapid.SampledFrom([]int{40, 30, 20, 10, 5}).Draw(t, "steps")
	for range steps {
		s := simStep{
			Do:    rapid.SampledFrom(kinds).Draw(t, "do"),
			Which: rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 6, 7}).Draw(t, "which"),
			Count: rapid.SampledFrom([]int{1, 2, 5, 10, 20, 40}).Draw(t, "count"),
			Pause: time.Duration(rapid.SampledFrom(pauses).Draw(t, "pause")) * time.Millisecond,
		}
		switch s.Do {
		case "stall":
			s.For = p.Lease * time.Duration(rapid.SampledFrom([]int{3, 1, 2, 5, 6}).Draw(t, "for")) / 2
		case "fault":
			s.For = time.Duration(rapid.SampledFrom([]int{
				10, 500, 2000, 5000, 12_000, 30_000, 100_000,
			}).Draw(t, "for")) * time.Millisecond
			s.Fault = &simFaultPlan{
				Service: rapid.SampledFrom([]string{
					fakeaws.ServiceKinesis, fakeaws.ServiceDynamoDB, fakeaws.ServiceSNS,
				}).Draw(t, "service"),
				Kind: rapid.SampledFrom([]fakeaws.Kind{
					fakeaws.Before, fakeaws.After, fakeaws.Delay, fakeaws.BlackHole, fakeaws.Lost, fakeaws.Partition,
					fakeaws.Changed, fakeaws.Changed, fakeaws.Changed,
				}).Draw(t, "kind"),
				Delay: time.Duration(rapid.SampledFrom([]int{30, 300, 1000, 4000, 9000}).Draw(t,
					"delay")) * time.Millisecond,
				Times:    rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "times"),
				Throttle: rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5}).Draw(t, "throttle") == 5,
				OneOf:    rapid.SampledFrom([]int{-1, 0, 1, 2, 3}).Draw(t, "worker"),
			}
			if s.Fault.Kind == fakeaws.Changed {
				s.Fault.Bad = rapid.SampledFrom(append([]string{
					simMemberBad, simMemberBad, simMemberBad,
				}, simBad()...)).Draw(t, "bad")
				s.Fault.Member = rapid.IntRange(0, 200).Draw(t, "member")
			}
		}
		p.Steps = append(p.Steps, s)
	}
	p.Clocks = drawSimClocks(t)
	p.Packed = rapid.Bool().Draw(t, "packed")
	return p
}

// simBad are the kinds of whole answers that mean nothing; an endless one would cost too much of the test's time.
func simBad() []string {
	return []string{
		"empty body", "null as body", "an empty object", "a list as body", "HTML with 200", "HTML with 503",
		"half a body", "body cut", "body reset",
		"no content with 204", "empty body with 500", "object with 400", "code of bytes", "redirect 307",
		"packed, not said",
	}
}
