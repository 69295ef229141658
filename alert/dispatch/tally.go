package dispatch

import (
	"maps"
	"sync"

	"kinesis-alerter/alert"
)

// Tally are the accepted alerts of one rule since the process started, one for each topic, also those inside digests.
type Tally struct {
	Firing, Repeats, Resolved uint64
	// Other are those that no rule makes: of the watchdog, and drills.
	Other uint64
	// InDigests are how many of all these were inside digests.
	InDigests uint64
}

// All is how many alerts there were.
func (t Tally) All() uint64 { return t.Firing + t.Repeats + t.Resolved + t.Other }

// tallies counts by rule. It is safe for concurrent use.
type tallies struct {
	mu     sync.Mutex
	byRule map[string]Tally
}

func (t *tallies) add(rule string, kind alert.Kind, inDigest bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.byRule[rule]
	switch kind {
	case alert.KindFiring:
		one.Firing++
	case alert.KindRepeat:
		one.Repeats++
	case alert.KindResolved:
		one.Resolved++
	case alert.KindWatchdog, alert.KindDrill, alert.KindDigest:
		fallthrough
	default:
		one.Other++
	}
	if inDigest {
		one.InDigests++
	}
	if t.byRule == nil {
		t.byRule = make(map[string]Tally)
	}
	t.byRule[rule] = one
}

// Tallies are the accepted alerts by rule and kind. The rule is empty where there are no rules.
func (p *Publisher) Tallies() map[string]Tally {
	p.tallies.mu.Lock()
	defer p.tallies.mu.Unlock()
	return maps.Clone(p.tallies.byRule)
}
